"""What "auto" takes on a GPU: torch.fft without a table, and the fastest by a table that was measured there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nifconv import FrequencyConv2d
from nifconv.spectral import Crossover, active_crossover, gpu_crossover, use_crossover
from tests.spectral.fake_gpu import NAME, FakeGpu

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    use_crossover(None)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return FakeGpu(monkeypatch)


def measure(gpu: FakeGpu, say: Callable[[str], object] = str) -> Crossover:
    sizes = {"batch": 2, "channels": 3, "sizes": (14, 7), "maps": (7,), "taps": (1, 3)}
    return gpu_crossover(CPU, gpu.clock, repeats=1, say=say, **sizes)


def used(gpu: FakeGpu, n: int = 7, train: bool = False, **options: Any) -> list[str]:
    """The methods of a second call, after whatever comparisons the first one makes."""
    layer = FrequencyConv2d(3, 3, groups=3, bias=False, **options).train(train)
    x = torch.randn(2, 3, n, n, requires_grad=train)
    with torch.set_grad_enabled(train):
        for _ in range(2):
            gpu.used.clear()
            y = layer(x)
            if train:
                y.sum().backward()
    return gpu.used


def test_without_a_table_torch_fft_computes_everything(gpu: FakeGpu) -> None:
    assert used(gpu) == ["fft"]
    assert used(gpu, train=True) == ["fft", "fft"]
    assert used(gpu, kernel_size=1) == ["fft"]


def test_the_word_of_the_user_is_enough(gpu: FakeGpu) -> None:
    assert used(gpu, method="fused") == ["fused"]
    assert used(gpu, train=True, method="fused") == ["fused", "fused"]


def test_a_faster_kernel_is_taken_where_it_was_measured(gpu: FakeGpu) -> None:
    table = measure(gpu)
    assert table.device == NAME
    assert table.speedups is not None
    assert table.speedups.ratios["forward"]["bfloat16"] == [(49, 2.0), (196, 2.0)]
    assert used(gpu) == ["fft"]  # measuring alone changes nothing
    use_crossover(table)
    assert used(gpu) == ["fused"]
    assert used(gpu, train=True) == ["fused", "fused"]
    assert used(gpu, n=20) == ["fft"]
    assert used(gpu, method="fft") == ["fft"]
    use_crossover(None)
    assert used(gpu) == ["fft"]


def test_a_slow_kernel_is_not_taken(gpu: FakeGpu) -> None:
    gpu.seconds["fused"] = 1.5
    use_crossover(measure(gpu))
    assert used(gpu) == ["fft"]


def test_a_direct_sum_is_taken_where_it_beats_the_faster_of_both(gpu: FakeGpu) -> None:
    gpu.seconds["direct"] = 0.7
    assert set(dict(measure(gpu).limits["inference"]["depthwise circular"]).values()) == {0}
    gpu.seconds["fused"] = 1.5
    table = measure(gpu)
    assert table.limits["inference"]["depthwise circular"] == [(49, 9)]
    use_crossover(table)
    assert used(gpu, kernel_size=3) == ["direct"]


def _raise(_: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("no kernel image is available")


@pytest.mark.parametrize("spoil", [lambda result: result * 1.01, _raise], ids=["wrong", "raises"])
def test_a_kernel_that_fails_is_neither_timed_nor_taken(spoil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu(monkeypatch, spoil)
    said: list[str] = []
    with pytest.warns(RuntimeWarning, match="torch.fft computes the same result"):
        use_crossover(measure(gpu, said.append))
    assert "forward, float32: not proven here" in said
    assert used(gpu) == ["fft"]
    assert used(gpu, method="fused") == ["fft"]


def test_a_table_says_nothing_of_another_device(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure(gpu).save(tmp_path / "table.json")
    use_crossover(tmp_path / "table.json")
    assert active_crossover(CPU) == Crossover.load(tmp_path / "table.json")
    monkeypatch.setattr("nifconv.spectral._clocks.device_name", lambda device: "another GPU")
    assert active_crossover(CPU) is None
    assert used(gpu) == ["fft"]


def test_a_table_with_spoilt_speedups_is_refused(gpu: FakeGpu, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    measure(gpu).save(path)
    path.write_text(path.read_text().replace("2.0", "-2.0"))
    with pytest.raises(ValueError, match=r"table\.json does not hold a table of crossovers.*above 0.*-2\.0"):
        use_crossover(path)
