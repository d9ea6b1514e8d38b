"""Pathfinder: what the picture says, and that nothing but the picture's contours says it."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from experiments.tasks.pathfinder import Pathfinder, Scenes

TASKS = {
    "6 px": Pathfinder(length=2),
    "14 px": Pathfinder(),
    "18 px": Pathfinder(length=5, distractors=1),
    "64 px": Pathfinder(size=64, length=10, distractors=4, distractor_length=3),
    "128 px": Pathfinder(size=128, length=20, distractors=6, distractor_length=5),
}
COUNTS = {"64 px": 60, "128 px": 20}
each_task = pytest.mark.parametrize("name", TASKS)
BOUND = 0.535
"""On 4000 canvases, chance is within 0.5 +- 0.008 (standard error)."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(task: Pathfinder, count: int) -> tuple[Tensor, Tensor, Scenes]:
    scenes = task.scenes(count, generator())
    labels = torch.arange(count) % 2
    return task.draw(scenes, labels), labels, scenes


def on_torus(difference: Tensor, size: int) -> Tensor:
    return (difference - size * (difference / size).round()).norm(dim=-1)


def visible_dots(scenes: Scenes, labels: Tensor) -> Tensor:
    return torch.stack([scenes.dots[i, [0, 1 if label else 2]] for i, label in enumerate(labels)])


@pytest.fixture(scope="module")
def many() -> tuple[Tensor, Tensor, Scenes]:
    return draw(TASKS["14 px"], 4000)


def accuracy(features: Tensor, labels: Tensor, *, linear: bool) -> float:
    """Of five-fold cross-validation."""
    # On one scale, since iterations on sums of squares of pixels take long to converge.
    model = (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
        if linear
        else HistGradientBoostingClassifier(max_iter=60)
    )
    predicted = cross_val_predict(model, features.numpy(), labels.numpy(), cv=5)
    return float(np.mean(predicted == labels.numpy()))


@each_task
def test_batches_are_balanced_and_depend_on_the_generator_alone(name: str) -> None:
    task = TASKS[name]
    images, labels = task(10, generator(3))
    torch.manual_seed(17)
    again, same = task(10, generator(3))
    other, _ = task(10, generator(4))
    assert torch.equal(images, again)
    assert torch.equal(labels, same)
    assert not torch.equal(images, other)
    assert labels.sum() == 5
    assert images.shape == (10, 1, task.size, task.size)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert 0.9 < images.max() <= 1


def test_the_order_of_the_labels_is_random() -> None:
    drawn = [tuple(Pathfinder()(6, generator(seed))[1].tolist()) for seed in range(8)]
    assert len(set(drawn)) > 4


@each_task
def test_following_the_contour_from_a_dot_leads_to_the_other_one_in_class_1_alone(name: str) -> None:
    task = TASKS[name]
    _, labels, scenes = draw(task, COUNTS.get(name, 200))
    for dashes, dots, label in zip(scenes.dashes, visible_dots(scenes, labels), labels, strict=True):
        ends = dashes.clone()
        place = dots[0]
        walked = 0
        while True:
            # The nearest end of a dash not yet walked; the dot sits at the first one, then there is a gap each time.
            away = on_torus(ends.flatten(0, 1) - place, task.size)
            nearest = int(away.nan_to_num(math.inf).argmin())
            if not away[nearest] <= (task.gap if walked else 0) + 1e-3:
                break
            dash, side = divmod(nearest, 2)
            place = dashes[dash, 1 - side]
            ends[dash] = math.nan
            walked += 1
        assert walked == task.length
        assert (on_torus(place - dots[1], task.size) < 1e-3) == bool(label)


@each_task
def test_in_the_picture_steps_of_two_pixels_join_the_dots_in_class_1_alone(name: str) -> None:
    task = TASKS[name]
    images, labels, scenes = draw(task, COUNTS.get(name, 200))
    for image, dots, label in zip(images[:, 0], visible_dots(scenes, labels), labels, strict=True):
        inked = cKDTree((image > 0.2).nonzero().numpy(), boxsize=task.size)
        pairs = inked.query_pairs(2.25, output_type="ndarray")
        _, parts = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(inked.n, inked.n)))
        away, nearest = inked.query((dots % task.size).numpy())
        assert away.max() < 1
        assert (parts[nearest[0]] == parts[nearest[1]]) == bool(label)


@each_task
def test_the_foreign_end_is_as_far_as_the_own_one(name: str) -> None:
    _, _, scenes = draw(TASKS[name], COUNTS.get(name, 200))
    first, joined, apart = scenes.dots.unbind(1)
    torch.testing.assert_close((joined - first).norm(dim=1), (apart - first).norm(dim=1), rtol=1e-4, atol=1e-4)


def test_the_class_moves_one_dot_and_nothing_else() -> None:
    task = Pathfinder()
    scenes = task.scenes(50, generator())
    zero, one = (task.draw(scenes, torch.full((50,), label)) for label in (0, 1))
    differs = (zero != one)[:, 0].nonzero()
    places = torch.stack([on_torus(differs[:, 1:] - scenes.dots[differs[:, 0], dot], task.size) for dot in (1, 2)])
    assert places.min(0).values.max() < task.dot + 1


def leaving(scenes: Scenes, dots: Tensor, size: int) -> Tensor:
    """Unit vectors `(n, 2, 2)` in which the contours leave the dots, from the nearest ends of dashes."""
    away = on_torus(scenes.dashes.flatten(1, 2).unsqueeze(1) - dots.unsqueeze(2), size)
    nearest = away.argmin(2)
    assert away.amin(2).max() < 1e-3
    ends = scenes.dashes.flatten(1, 2)
    here, there = (ends.gather(1, place.unsqueeze(2).expand(-1, -1, 2)) for place in (nearest, nearest ^ 1))
    return nn.functional.normalize(there - here, dim=2)


def test_ink_distance_places_and_directions_at_the_dots_do_not_tell_the_class(
    many: tuple[Tensor, Tensor, Scenes],
) -> None:
    images, labels, scenes = many
    dots = visible_dots(scenes, labels)
    size = images.shape[-1]
    step = dots[:, 1] - dots[:, 0]
    step = step - size * (step / size).round()
    distance = step.norm(dim=1, keepdim=True)
    ink = torch.stack([images.mean((1, 2, 3)), images.square().mean((1, 2, 3)), images.amax((1, 2, 3))], 1)
    angle = torch.atan2(step[:, :1].abs(), step[:, 1:].abs())
    places = [angle, step, dots[:, 0] % size, dots[:, 1] % size]
    first, second = leaving(scenes, dots, size).unbind(1)
    between = torch.stack([(first * second).sum(1), first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]], 1)
    # Not places and directions together: whether a contour leaves towards the other dot is the question itself.
    for seen in (places, [first, second, between]):
        for linear in (True, False):
            assert abs(accuracy(torch.cat([ink, distance, *seen], 1), labels, linear=linear) - 0.5) < BOUND - 0.5


@each_task
def test_contours_leave_either_second_dot_in_the_same_direction(name: str) -> None:
    task = TASKS[name]
    scenes = task.scenes(COUNTS.get(name, 200), generator())
    joined, apart = (leaving(scenes, scenes.dots[:, [0, place]], task.size)[:, 1] for place in (1, 2))
    torch.testing.assert_close(joined, apart, rtol=0, atol=1e-3)


def test_pixels_and_their_autocorrelation_within_8_px_do_not_tell_the_class_linearly(
    many: tuple[Tensor, Tensor, Scenes],
) -> None:
    images, labels, _ = many
    correlation = torch.fft.irfft2(torch.fft.rfft2(images[:, 0]).abs().square())
    near = correlation.roll((8, 8), (1, 2))[:, :17, :17]
    for features in (images, near):
        assert abs(accuracy(features.flatten(1), labels, linear=True) - 0.5) < BOUND - 0.5


def test_each_pixel_has_the_same_mean_in_both_classes(many: tuple[Tensor, Tensor, Scenes]) -> None:
    images, labels, _ = many
    zero, one = images[labels == 0, 0], images[labels == 1, 0]
    error = (zero.var(0) / len(zero) + one.var(0) / len(one)).sqrt()
    scores = (zero.mean(0) - one.mean(0)) / error
    assert scores.abs().max() < 4.5
    assert scores.std().item() == pytest.approx(1, abs=0.15)


def test_reach_is_the_length_of_the_contour() -> None:
    task = Pathfinder(length=4, turn=0)
    scenes = task.scenes(5, generator())
    assert task.reach == 14
    torch.testing.assert_close((scenes.dots[:, 1] - scenes.dots[:, 0]).norm(dim=1), torch.full((5,), 14.0))


def test_contours_turn_as_much_as_they_may() -> None:
    task = Pathfinder(length=5, distractors=0, turn=0.6)
    scenes = task.scenes(300, generator())
    direction = scenes.dashes[:, :5, 1] - scenes.dashes[:, :5, 0]
    turns = torch.cosine_similarity(direction[:, 1:], direction[:, :-1], dim=-1).clamp(-1, 1).acos()
    assert 0.5 < turns.max() < 0.6 + 1e-3


def test_settings_that_join_contours_are_refused() -> None:
    with pytest.raises(ValueError, match=r"clearance=3 must be above gap \+ dot and above dash, here 3\.5"):
        Pathfinder(clearance=3)


def test_settings_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match=r"length=30.*leaves its contours no room"):
        Pathfinder(size=16, length=30)(2, generator())
