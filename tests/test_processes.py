"""Processes and threads that share layers: forked, spawned, training one set of weights, or ending in between."""

import multiprocessing
import threading

import pytest
import torch
from torch import Tensor, nn

from nifconv import FrequencyConv2d, LCConv2d
from tests import programs


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(FrequencyConv2d(2, 4, padding_mode="zeros"), LCConv2d(4, 2, expansion=2))


def step(model: nn.Module, x: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model(x).square().mean().backward()
    optimizer.step()


def train_shared(model: nn.Module, seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    for _ in range(5):
        model.zero_grad()
        step(model, torch.randn(2, 2, 9, 8))


def hogwild(start: str, count: int) -> None:
    """Recht et al. 2011: weights in shared memory, no locks; every process sees what the others wrote."""
    model, x = net().share_memory(), torch.ones(1, 2, 9, 8)
    with torch.no_grad():
        before = model(x)  # filters are cached here, and their weights then change elsewhere
    context = multiprocessing.get_context(start)
    children = [context.Process(target=train_shared, args=(model, seed)) for seed in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * count
    with torch.no_grad():
        after = model(x)
        fresh = net()
        fresh.load_state_dict(model.state_dict())
        assert not torch.equal(after, before)
        assert torch.equal(after, fresh(x))


def test_forked_processes_train_one_set_of_weights() -> None:
    # Autograd refuses to run in a fork of a process in which it has started threads, as other tests may have done here.
    done = programs.run("from tests.test_processes import hogwild; hogwild('fork', 2)")
    assert done.returncode == 0, done.stderr


def test_spawned_processes_train_one_set_of_weights() -> None:
    hogwild("spawn", 1)


def test_threads_call_one_layer_at_once() -> None:
    """With gradients, and without, where spectra are cached for fewer sizes than there are here."""
    model, sizes = net().eval(), [(8, 9), (5, 7), (12, 4), (6, 6), (3, 8), (9, 2)]
    maps = [torch.randn(2, 2, *size) for size in sizes]
    with torch.no_grad():
        expected = [model(x) for x in maps]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(15):
            x = maps[number].clone().requires_grad_()
            y = model(x)
            torch.autograd.grad(y.sum(), x)
            with torch.no_grad():
                found = [y, *(model(maps[i]) for i in (number, number - 1))]
            for seen, i in zip(found, (number, number, number - 1), strict=True):
                if not torch.allclose(seen, expected[i], rtol=0, atol=1e-5):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(("ending", "statuses"), [("raise SystemExit(7)", {7}), ("raise KeyboardInterrupt", {-2, 130})])
def test_the_interpreter_ends_in_the_middle_of_a_step(ending: str, statuses: set[int]) -> None:
    """By an exception in the thread that trains; under daemon threads torch itself aborts, with `nn.Conv2d` as well."""
    code = f"""
import signal, torch
from nifconv import FrequencyConv2d
def end(*_):
    {ending}
torch.set_num_threads(2)
layer, x = FrequencyConv2d(8, 8, groups=8), torch.randn(4, 8, 64, 64)
layer(x).sum().backward()
signal.signal(signal.SIGALRM, end)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while True:
    layer(x).sum().backward()
"""
    done = programs.run(code)
    assert done.returncode in statuses, done.stderr
