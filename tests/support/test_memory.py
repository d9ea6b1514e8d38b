import re
import sys
from pathlib import Path

import pytest
import torch

from nifconv._support.memory import in_huge_pages


def flags(address: int) -> list[str]:
    """What the system was told about the memory at an address."""
    for area in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", area)
        if bounds and int(bounds[1], 16) <= address < int(bounds[2], 16):
            return re.findall(r"VmFlags: (.*)", area)[0].split()
    raise AssertionError(f"nothing at {address:x}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")
@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="this kernel has no huge pages")
def test_large_tensors_ask_for_huge_pages() -> None:
    plain, advised = torch.empty(16 << 20), torch.empty(16 << 20)
    assert in_huge_pages(advised) is advised
    middles = [tensor.data_ptr() + tensor.nbytes // 2 for tensor in (plain, advised)]
    assert ["hg" in flags(middle) for middle in middles] == [False, True]
    advised.fill_(1)
    assert advised.sum() == advised.numel()


def test_small_ones_and_those_elsewhere_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nifconv._support.memory._advise", lambda: pytest.fail)
    for tensor in (torch.empty(100), torch.empty(1 << 30, device="meta")):
        assert in_huge_pages(tensor) is tensor


def test_systems_without_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nifconv._support.memory._advise", lambda: None)
    tensor = torch.empty(16 << 20)
    assert in_huge_pages(tensor) is tensor
