"""The version, and the native engine, an optional part: without a C++ compiler everything is installed but this.

The engine is a plain shared library that knows neither Python nor torch, so one wheel per platform serves all versions
of both. By hand, into the source tree: `python setup.py build_ext --inplace`.
"""

import os
import platform
import re
import subprocess
from email.parser import HeaderParser
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

UNTAGGED = "0.1.0.dev0"  # without git, or before the first tag
SANITIZERS = os.environ.get("NIFCONV_SANITIZERS", "")
NATIVE = Path("nifconv/spectral/native")
COMMON = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno", "-g0"]
# One object per instruction set: bytes of a vector, and what the compiler may use.
BASELINE = {"baseline": (16, [])}
X86 = {
    "avx2": (32, ["-mavx2", "-mfma"]),
    "avx512": (64, ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma"]),
}


def version() -> str:
    """That of an sdist, or of the last tag v1.2.3; n commits later 1.2.4.devn, so that it comes after all of 1.2.3."""
    if Path("PKG-INFO").exists():
        return HeaderParser().parsestr(Path("PKG-INFO").read_text(encoding="utf-8"))["Version"]
    # Asked only here: a copy inside the repository of another project would get the tags of that.
    if not Path(".git").exists():
        return UNTAGGED
    command = ["git", "describe", "--tags", "--long", "--dirty", "--match", "v[0-9]*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # no git
        return UNTAGGED
    tag = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)-(\d+)-(g[0-9a-f]+)(-dirty)?", found)
    if tag is None:
        return UNTAGGED
    major, minor, patch, commits, commit, dirty = tag.groups()
    if commits == "0" and not dirty:
        return f"{major}.{minor}.{patch}"
    return f"{major}.{minor}.{int(patch) + 1}.dev{commits}+{commit}" + (".dirty" if dirty else "")


class BuildEngine(build_ext):
    """Compiles each instruction set on its own and links them into one library."""

    def build_extension(self, ext: Extension) -> None:
        extra, x86 = [], platform.machine() in ("x86_64", "AMD64")
        if SANITIZERS:  # functions stay small, since those compiled for speed take hours
            extra, x86 = ["-O1", "-g", "-DNIFCONV_SMALL_FUNCTIONS", f"-fsanitize={SANITIZERS}"], False
        sets = BASELINE | (X86 if x86 else {})
        common = [*COMMON, "-DNIFCONV_X86"] if x86 else COMMON
        objects = self.compiler.compile(
            [str(NATIVE / "plan.cpp"), str(NATIVE / "engine.cpp")],
            output_dir=self.build_temp,
            extra_postargs=common + extra,
        )
        for name, (width, flags) in sets.items():
            macros = [f"-DNIFCONV_ISA={name}", f'-DNIFCONV_NAME="{name}"', f"-DNIFCONV_VECTOR_BYTES={width}"]
            objects += self.compiler.compile(
                [str(NATIVE / "convolution.cpp")],
                output_dir=str(Path(self.build_temp) / name),
                extra_postargs=common + macros + flags + extra,
            )
        target = self.get_ext_fullpath(ext.name)
        self.compiler.link_shared_object(objects, target, extra_postargs=extra, target_lang="c++")

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".bin"  # Python takes whatever ends in .so for a module of its own

    def get_export_symbols(self, _: Extension) -> list[str]:
        return []  # not even a PyInit function


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    version=version(),
    ext_modules=[
        Extension(
            "nifconv.spectral.native._engine",
            [str(NATIVE / "engine.cpp")],
            depends=sorted(str(path) for path in NATIVE.iterdir() if path.suffix in (".h", ".cpp")),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildEngine, "bdist_wheel": PlatformWheel},
)
