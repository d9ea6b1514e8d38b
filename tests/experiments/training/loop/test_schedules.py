import pytest
import torch

from experiments.training.loop.schedules import Cosine, OneCycle, Schedule, Steps


def rates(schedule: Schedule, steps: int = 100) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=2.0, momentum=0.9)
    scheduler = schedule(optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(found) < steps else None
    return found


def test_one_cycle_is_torchs_own_at_the_learning_rate_of_the_optimiser() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(()))], lr=3.0)
    scheduler = OneCycle(rise=0.2)(optimizer, 50)
    expected = torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.AdamW([torch.nn.Parameter(torch.zeros(()))], lr=9.0), 3.0, total_steps=50, pct_start=0.2
    )
    assert scheduler.state_dict() == expected.state_dict()
    found = rates(OneCycle(rise=0.25))
    assert max(found) == pytest.approx(2.0)
    assert found.index(max(found)) == 24


def test_cosine_rises_linearly_and_falls_to_its_floor() -> None:
    found = rates(Cosine(warmup=0.1, floor=0.25))
    assert found[:10] == pytest.approx([2 * (step + 1) / 10 for step in range(10)])
    assert found[10] == pytest.approx(2.0)
    assert found[55] == pytest.approx(2 * (0.25 + 0.75 / 2))  # half-way between step 10 and step 100
    assert found[-1] == pytest.approx(0.5, rel=1e-2)
    assert found[10:] == sorted(found[10:], reverse=True)


def test_steps_fall_at_their_shares_and_without_any_stay() -> None:
    found = rates(Steps(at=(0.75, 0.5), factor=0.1))
    assert found[49:51] == pytest.approx([2.0, 0.2])
    assert found[74:76] == pytest.approx([0.2, 0.02])
    assert set(rates(Steps())) == {2.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneCycle(rise=5), r"rise=5 must be a share .* divide by the number of epochs"),
        (lambda: Cosine(warmup=-0.1), "warmup=-0.1"),
        (lambda: Cosine(floor=1.0), "floor=1.0"),
        (lambda: Steps(at=(0.5, 100)), "at=100"),
    ],
)
def test_lengths_are_shares(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
