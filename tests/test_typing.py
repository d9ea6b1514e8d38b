"""What a user's type checker sees."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_lines_of_the_readme_pass_a_strict_type_checker(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(>>> .*?)```", readme, flags=re.DOTALL)
    sources = ["".join(e.source for e in doctest.DocTestParser().get_examples(block)) for block in blocks]
    assert "convert(net)" in sources[0]
    # With one mistake: types that had become Any would let it pass.
    sources.append(sources[0] + "conversion.report.summary + 1\n")
    for number, source in enumerate(sources):
        (tmp_path / f"script_{number}.py").write_text("import torch\n" + source)
    done = subprocess.run(
        [
            # As with an installed package, mistakes inside nifconv are not shown; torchvision has no types.
            *(
                sys.executable,
                "-m",
                "mypy",
                "--strict",
                "--follow-imports=silent",
                "--disable-error-code=import-untyped",
            ),
            *("--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'user'}"),
            *sorted(path.name for path in tmp_path.iterdir()),
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, done.stdout + done.stderr
    assert errors[0].startswith(f"script_{len(blocks)}.py"), errors
    assert "Unsupported operand types" in errors[0]
