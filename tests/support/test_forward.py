import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nifconv._support import forward


class Recorder(nn.Module):
    """Remembers how it was called."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        assert not torch.is_grad_enabled()
        assert not self.training
        return args, kwargs


def test_the_forms_of_an_example_input() -> None:
    x = torch.ones(1)
    assert forward.run(Recorder(), x) == ((x,), {})
    assert forward.run(Recorder(), (x, 2)) == ((x, 2), {})
    assert forward.run(Recorder(), [x]) == ((x,), {})
    assert forward.run(Recorder(), {"a": x}) == ((), {"a": x})
    assert forward.run(Recorder(), ()) == ((), {})


@pytest.mark.parametrize("example", [3, "x", None])
def test_other_forms_are_refused(example: Any) -> None:
    with pytest.raises(TypeError, match=f"example_input must be a tensor, .* not {type(example).__name__}"):
        forward.run(nn.Identity(), example)


def test_anything_but_a_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, not int"):
        forward.run(3, torch.ones(1))


def test_train_states_and_statistics_are_left_alone_also_when_the_model_fails() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError(f"no {x.dim()}")

    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), Fails()).train()
    model[0].eval()
    with pytest.raises(RuntimeError, match="no"):
        forward.run(model, torch.randn(4, 2))
    assert [m.training for m in model] == [False, True, True]
    assert model[0].num_batches_tracked == 0


def test_map_sizes_are_each_reported_once_and_hooks_are_gone() -> None:
    conv, line = nn.Conv2d(2, 2, 3, padding=1), nn.Conv1d(2, 2, 1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.line, self.unused = conv, line, nn.Conv1d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(self.conv(input=x)[..., ::2, :])
            return self.line(y.flatten(2)) + self.line(y[0].flatten(1))

    model = Net()
    found = forward.map_sizes(model, torch.randn(1, 2, 6, 5), [conv, line, model.unused])
    assert found == [(conv, (6, 5)), (conv, (3, 5)), (line, (15,))]
    assert not conv._forward_pre_hooks
    with pytest.raises(RuntimeError):
        forward.map_sizes(model, torch.randn(1, 3, 6, 5), [conv])
    assert not conv._forward_pre_hooks


def test_compiled_models_show_their_maps() -> None:
    conv = nn.Conv2d(2, 2, 3, padding=1)
    model = torch.compile(nn.Sequential(conv), backend="eager")
    x = torch.randn(1, 2, 4, 5)
    model(x)
    assert forward.map_sizes(model, x, [conv]) == [(conv, (4, 5))]


def test_relative_change_is_the_largest_over_all_tensors() -> None:
    before = {"a": torch.tensor([3.0, 4.0]), "b": (torch.ones(4), 7), "c": torch.tensor(3)}
    after = {"a": torch.tensor([3.0, 4.5]), "b": (torch.ones(4) * 1.5, 8), "c": torch.tensor(9)}
    assert forward.relative_change(before, after) == pytest.approx(0.5)
    assert forward.relative_change(before, before) == 0
    assert forward.relative_change(torch.ones(3), torch.ones(4)) == math.inf
    assert forward.relative_change(torch.ones(2) + 0j, torch.ones(2) + 1j) == pytest.approx(1)
    assert forward.relative_change(torch.ones(2).half(), 2 * torch.ones(2).half()) == 1


def test_relative_error_of_nothing() -> None:
    assert forward.relative_error(torch.zeros(2), torch.zeros(2)) == 0
    assert forward.relative_error(torch.ones(2), torch.zeros(2)) == math.inf
    assert forward.relative_error(torch.ones(2), torch.full((2,), 4.0)) == 0.25
