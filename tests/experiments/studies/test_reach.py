"""The study of reach: its tasks, nets and measures are what the report says they are."""

import json

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from experiments.studies.reach import claims
from experiments.studies.reach.__main__ import STUDY
from experiments.studies.reach.config import SMOKE, Config
from experiments.studies.reach.cut import accuracy, cut, window_in_use
from experiments.studies.reach.tasks import (
    CONTROL,
    DISPLACED,
    PATHFINDER,
    Task,
    draws,
    needed_window,
    pathfinder,
    tasks,
)
from experiments.studies.reach.variants import GLOBAL, LOCAL_PRIOR, Variant, variants
from experiments.study.judge import Contrast
from nifconv import FrequencyConv2d

CONFIG = Config()
TASKS = {task.name: task for task in tasks(CONFIG)}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shown(task: Task, count: int = 200) -> tuple[Tensor, Tensor]:
    return draws(task)[1](count, generator())


@each_task
def test_canvases_are_balanced_and_of_the_stated_size(task: Task) -> None:
    images, labels = shown(task, 20)
    assert images.shape == (20, 1, task.size, task.size)
    assert labels.bincount().tolist() == [10, 10]


@pytest.mark.parametrize("distance", CONFIG.distances)
def test_windows_below_the_needed_one_never_hold_ink_of_both_digits(distance: int) -> None:
    task = Task(DISPLACED, distance, 48)
    # Full squares of 8 pixels see each other earliest; those of the task are no larger.
    first, second = torch.arange(8), distance + torch.arange(8)
    closest = (second.min() - first.max() + 1).item()
    assert needed_window(task) == closest
    assert needed_window(Task(CONTROL, 0, 48)) == 1


def test_the_classes_of_displaced_digits_are_transposed_places() -> None:
    images, labels = shown(TASKS["displaced digits, 16 px"])
    ink = (images[:, 0] > 0).float()
    # Ink at that offset along each axis, by way of the circular autocorrelation.
    right = (ink * ink.roll(-16, 2)).sum((1, 2))
    down = (ink * ink.roll(-16, 1)).sum((1, 2))
    assert torch.equal((down > right).long(), labels)


def test_the_control_shows_two_zeros_or_two_ones() -> None:
    images, labels = shown(TASKS[CONTROL])
    loaded = load_digits()
    pool = torch.from_numpy(loaded.images).flatten(1)
    kinds = torch.from_numpy(loaded.target)
    for label in (0, 1):
        ink = pool[kinds == label].sum(1)
        pairs = (ink[:, None] + ink).unique()
        assert torch.isin((16 * images[labels == label]).sum((1, 2, 3)).double().round(), pairs).all()


@pytest.mark.parametrize("reach", CONFIG.lengths)
def test_contours_are_as_long_as_the_task_says(reach: int) -> None:
    task = pathfinder(reach, CONFIG.contour_canvas)
    assert task.reach == reach
    assert task.distractors == 0


@each_task
def test_nets_of_a_task_differ_in_the_size_of_their_kernels_alone(task: Task) -> None:
    nets = {v: v.build(CONFIG) for v in variants(task, CONFIG.kernel_sizes)}
    of_features = {v: net for v, net in nets.items() if v.net != LOCAL_PRIOR}
    shapes = {tuple((name, p.shape) for name, p in net.named_parameters()) for net in of_features.values()}
    assert len(shapes) == 1
    assert {v.net for v in of_features} >= {"3x3", "7x7", GLOBAL}
    for variant, net in nets.items():
        spatial = [m for m in net.modules() if isinstance(m, FrequencyConv2d)]
        assert {m.kernel_size for m in spatial} == {variant.kernel_size and (variant.kernel_size,) * 2}
        assert {m.padding_mode for m in spatial} == {"circular"}


@each_task
def test_an_output_sees_as_many_pixels_as_its_field_of_view(task: Task) -> None:
    for variant in variants(task, CONFIG.kernel_sizes):
        net = variant.build(CONFIG).double().eval()
        seen = torch.rand(1, 1, task.size, task.size, dtype=torch.float64, requires_grad=True)
        # Without what switches pixels off, so that every pixel that is seen has a gradient.
        kept = (nn.Conv2d, FrequencyConv2d, nn.BatchNorm2d)
        nn.Sequential(*[m for m in net.modules() if isinstance(m, kept)])(seen)[..., 24, 24].sum().backward()
        rows = seen.grad[0, 0].abs().amax(1) > 1e-10 * seen.grad.abs().max()
        assert rows.sum() == variant.field


def test_cut_kernels_are_the_kernels_inside_the_window_and_whole_again_afterwards() -> None:
    task = TASKS["displaced digits, 22 px"]
    net = Variant(task, GLOBAL, None).build(CONFIG)
    layer = next(m for m in net.modules() if isinstance(m, FrequencyConv2d))
    taps = layer.filter.taps(48).detach()
    x = torch.randn(2, CONFIG.displaced_width, 48, 48)
    whole = layer(x)
    with cut(net, 7), torch.no_grad():
        found = layer(x)
    inside = torch.zeros(48, 48)
    inside[24 - 3 : 24 + 4, 24 - 3 : 24 + 4] = 1
    assert 0 < (taps * inside).norm() < 0.9 * taps.norm()
    kernel = (taps * inside)[..., 21:28, 21:28]
    padded = nn.functional.pad(x, (3, 3, 3, 3), mode="circular")
    expected = nn.functional.conv2d(padded, kernel, groups=CONFIG.displaced_width)
    torch.testing.assert_close(found, expected + (layer.bias.view(-1, 1, 1) if layer.bias is not None else 0))
    torch.testing.assert_close(layer(x), whole)


def test_accuracy_uses_the_statistics_of_the_images_and_leaves_the_net_alone() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        net[2].weight.copy_(torch.tensor([[-1.0], [1.0]]))
        net[2].bias.zero_()
    net.eval()
    # Running statistics would put all of these into class 1.
    images = torch.tensor([10.0, 11.0, 20.0, 21.0]).view(4, 1, 1, 1)
    assert accuracy(net, images, torch.tensor([0, 0, 1, 1])) == 1
    assert accuracy(net, images, torch.tensor([0, 1, 1, 1])) == 0.75
    assert net[0].running_mean.item() == 0
    assert not net.training


@pytest.mark.parametrize(
    ("accuracies", "whole", "expected"),
    [
        ([0.5, 0.6, 0.8, 1.0], 1.0, 11),
        ([0.8, 0.6, 0.8, 1.0], 1.0, 11),
        ([0.9, 0.9, 0.9, 1.0], 1.0, 3),
        ([0.5, 0.5, 0.5, 0.6], 1.0, 48),
        ([0.5, 0.5, 0.5, 0.5], 0.55, 0),
    ],
)
def test_the_window_in_use_keeps_half_of_the_gain(accuracies: list[float], whole: float, expected: int) -> None:
    assert window_in_use((3, 7, 11, 15), accuracies, 48, whole, 0.5) == expected


def rows(reach_to_value: dict[int, float], config: Config) -> list[dict[str, object]]:
    """Rows as `run.measure` makes them, whose values depend on the reach."""
    made = []
    for task in tasks(config):
        for variant in variants(task, config.kernel_sizes):
            size = {"value": 10 + reach_to_value.get(task.reach, 0.0), "mean": 10.0}
            runs = [{"accuracy": 0.7, "in_use": size["value"], "size90": size, "rms_radius": size}] * 2
            made.append({"name": variant.name, "runs": runs})
    return made


def test_slopes_and_excesses_are_those_of_the_values() -> None:
    values = claims.values(rows({reach: 2.0 * reach for reach in (*CONFIG.distances, *CONFIG.lengths)}, CONFIG))
    found = {c.label: c.by_seed(values)[0] for c in claims.contrasts(CONFIG)}
    slopes = [value for label, value in found.items() if label.startswith("slope")]
    assert len(slopes) == 9
    assert slopes == pytest.approx([2.0] * 9)
    over = [value for label, value in found.items() if "fresh" in label]
    assert over == pytest.approx([2.0 * CONFIG.distances[-1]] * 8)


def test_every_claim_has_contrasts_of_rows_that_exist() -> None:
    for config in (CONFIG, SMOKE):
        contrasts = list(claims.contrasts(config))
        values = claims.values(rows({}, config))
        assert {contrast.claim for contrast in contrasts} == set(claims.CLAIMS)
        assert all(set(contrast.weights) <= set(values) for contrast in contrasts)


def test_only_nets_that_cannot_see_both_digits_are_said_to_fail() -> None:
    falls = [contrast.label for contrast in claims.contrasts(CONFIG) if contrast.claim == "falls"]
    assert falls == [f"displaced digits, {d} px: {k}" for d, k in ((10, "3x3"), (16, "3x3"), (16, "7x7"))] + [
        f"displaced digits, 22 px: {k}" for k in ("3x3", "7x7")
    ]


def test_gains_compare_far_with_near() -> None:
    contrast: Contrast = next(c for c in claims.contrasts(CONFIG) if c.claim == "contours")
    near, far = CONFIG.lengths[0], CONFIG.lengths[-1]
    expected = {(far, GLOBAL): 1, (far, "3x3"): -1, (near, GLOBAL): -1, (near, "3x3"): 1}
    assert contrast.weights == {
        claims.key("accuracy", f"{PATHFINDER}, {reach} px: {net}"): sign for (reach, net), sign in expected.items()
    }


def test_the_report_states_the_parameters_of_each_family() -> None:
    data = json.loads((STUDY.folder / "results.json").read_text())
    for row in data["rows"]:
        row["parameters"] = {DISPLACED: 1234, PATHFINDER: 5678}.get(row["family"], 9999)
    assert "the same (displaced digits: 1,234, Pathfinder: 5,678)" in STUDY.report(data)
