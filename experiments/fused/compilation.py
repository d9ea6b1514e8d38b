"""Ahead-of-time compilation of one fused kernel: registers, spills, shared memory and instructions, by the compiler.

Nothing here is a measurement of speed. Bytes and operations are counted from the code.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability
from triton.compiler import ASTSource

from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused import _kernels, _launch
from nifconv.spectral.fused._packing import pairs_of_slots
from nifconv.spectral.fused._plans import Plan

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "sm_100": GPUTarget("cuda", 100, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
CALLS = ("plain", "general")
"""A circular map in rows; or zeros around the map, channels last, two filters for each channel, all at once."""
_POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}


@dataclass(frozen=True)
class Program:
    """What one program of a kernel needs.

    Attributes:
        registers: of a thread.
        spilled: bytes of a thread that registers had no room for, stored or loaded, whichever is more.
        shared: bytes of a program.
        per_processor: programs that fit on a multiprocessor at a time.
        instructions: the kind of matrix instruction: "mma", "wgmma", "tcgen05" or "mfma".
        atomics: whether there is an atomic instruction.
        stores: store operations in the source.
    """

    registers: int
    spilled: int
    shared: int
    per_processor: int
    instructions: str
    atomics: bool
    stores: int


def program(
    plan: Plan, size: tuple[int, int], dtype: torch.dtype, target: str, call: str, *, gradients: bool
) -> Program:
    """Compiles the kernel as it is launched for one of `CALLS`, with a number of channels that 16 divides."""
    kernel, general = _kernels.gradients if gradients else _kernels.product, call == "general"
    pixels = tuple(n - 2 for n in size) if general else size
    x, placement = torch.empty(0, dtype=dtype), Placement(size, pixels, (1, 1))
    constants = _launch.constants(x, placement, placement, 1 + general, general, plan)
    constants |= {"WANTS_X": True} if gradients else {}
    options = {name: constants.pop(name) for name in list(constants) if name not in kernel.arg_names}
    signature, attributes = {}, {}
    for index, name in enumerate(kernel.arg_names):
        signature[name] = "constexpr" if name in constants else _type(name, dtype)
        # Without these the compiler must assume addresses that no vector can be loaded from.
        if signature[name].startswith("*") or name == "channels":
            attributes[(index,)] = [["tt.divisibility", 16]]
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature, places, attributes)
    compiled = triton.compile(source, target=TARGETS[target], options=options)
    read = _read_amd if target.startswith("gfx") else _read_nvidia
    return read(compiled, plan.warps, TARGETS[target])


def traffic(plan: Plan, size: tuple[int, int], dtype: torch.dtype, *, gradients: bool) -> dict[str, int]:
    """Of one plane, counted from the code: bytes from and to memory, bytes from the cache, operations of matrices."""
    item, area = dtype.itemsize, size[0] * size[1]
    rows, columns = plan.tile
    exact = dtype == torch.float32
    coefficients = 16 * pairs_of_slots(size[0]) * pairs_of_slots(size[1])
    transforms = 2 * (rows**2 + columns**2) * (1 + exact)
    products = 3 if gradients else 2
    return {
        "read": item * area * (2 if gradients else 1),
        "written": item * area,
        "cached": (transforms + coefficients) // plan.planes,
        "flops": products * 2 * rows * columns * (rows + columns) * (3 if exact else 1),
    }


def _type(name: str, dtype: torch.dtype) -> str:
    if name in ("x", "y", "dy", "dx"):
        return _POINTERS[dtype]
    return {"rows": "*fp16", "columns": "*fp16", "coefficients": "*fp32", "partial": "*fp32"}.get(name, "i32")


def _read_nvidia(compiled: Any, warps: int, target: GPUTarget) -> Program:
    ptx, log = compiled.asm["ptx"], _assemble(compiled.asm["ptx"], target.arch)
    registers = int(_only(r"Used (\d+) registers", log))
    stored, loaded = (int(_only(rf"(\d+) bytes spill {word}", log)) for word in ("stores", "loads"))
    shared = compiled.metadata.shared
    # Registers are given to a warp in units of 256; a program takes 1 KiB of shared memory beside its own.
    by_registers = 65536 // (-(-32 * registers // 256) * 256 * warps)
    by_shared = (164 if target.arch == 80 else 228) * 1024 // (shared + 1024)
    kinds = {"tcgen05": "tcgen05.mma", "wgmma": "wgmma.mma_async", "mma": "mma.sync"}
    return Program(
        registers,
        max(stored, loaded),
        shared,
        min(by_registers, by_shared, 64 // warps),
        next((kind for kind, name in kinds.items() if name in ptx), "none"),
        re.search(r"\b(atom|red)\.", ptx) is not None,
        compiled.asm["ttir"].count("tt.store"),
    )


def _read_amd(compiled: Any, warps: int, target: GPUTarget) -> Program:  # noqa: ARG001 - one signature for both
    code = compiled.asm["amdgcn"]
    registers = int(_only(r"\.vgpr_count:\s*(\d+)", code))  # of both kinds, which share 512 for each lane
    scratch, shared = int(_only(r"\.private_segment_fixed_size:\s*(\d+)", code)), compiled.metadata.shared
    waves = min(8, 512 // (-(-registers // 8) * 8)) * 4
    return Program(
        registers,
        scratch,
        shared,
        min(waves // warps, 65536 // max(1, shared)),
        "mfma" if "v_mfma" in code else "none",
        "_atomic_" in code,
        compiled.asm["ttir"].count("tt.store"),
    )


def _assemble(ptx: str, arch: int) -> str:
    """The log of the assembler, called as Triton calls it: with other options spills read 0."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx, encoding="utf-8")
        command = [get_ptxas(arch).path, "-lineinfo", "-v", "--regAllocOptLevel=2"]
        command += [f"--gpu-name={sm_arch_from_capability(arch)}", str(source), "-o", str(source.with_suffix(".o"))]
        return subprocess.run(command, check=True, capture_output=True, text=True).stderr  # noqa: S603 - our own call


def _only(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"the compiler's output has no {pattern!r}; does this version of Triton print it differently?")
    return found.group(1)
