"""Tasks on embedded digits: that labels are what the pixels show, and that nothing of the test is in the training."""

from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from experiments.tasks.canvas import compose
from experiments.tasks.cluttered import ClutteredDigits
from experiments.tasks.handwritten import DIGIT, Digits, split_digits
from experiments.training.data.drawn import DrawnData
from experiments.training.data.embedded import (
    CentredDigitsData,
    ClutteredDigitsData,
    DigitsData,
    DisplacedDigitsData,
    PathfinderData,
)
from experiments.training.data.loader import Loader
from experiments.training.data.module import ImageData, IndexedData

MODULES = {
    "digits": lambda **options: DigitsData(**options),
    "digits, enlarged": lambda **options: DigitsData(size=32, **options),
    "displaced": lambda **options: DisplacedDigitsData(samples=160, held_out=80, **options),
    "centred": lambda **options: CentredDigitsData(samples=160, held_out=80, **options),
    "cluttered": lambda **options: ClutteredDigitsData(samples=160, held_out=80, **options),
    "contours": lambda **options: PathfinderData(samples=160, held_out=80, **options),
}
every = pytest.mark.parametrize("name", MODULES)


def loaded(loader: Any) -> tuple[Tensor, Tensor]:
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def rows(images: Tensor) -> set[tuple[float, ...]]:
    return {tuple(image.flatten().tolist()) for image in images}


@every
def test_a_module_says_what_it_loads(name: str) -> None:
    data = MODULES[name](batch_size=40)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert isinstance(loader, Loader)
        images, labels = loaded(loader)
        assert images.shape[1:] == (data.channels, data.size, data.size)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert set(labels.tolist()) == set(range(data.classes))


@every
def test_training_validation_and_test_share_no_image(name: str) -> None:
    data = MODULES[name](batch_size=40)
    parts = [rows(loaded(part)[0]) for part in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


@every
def test_the_seed_changes_training_only(name: str) -> None:
    one, other = (MODULES[name](batch_size=40, seed=seed) for seed in (0, 1))
    assert not torch.equal(loaded(one.train_dataloader())[0], loaded(other.train_dataloader())[0])
    for part in ("val_dataloader", "test_dataloader"):
        loaders = getattr(one, part)(), getattr(other, part)()
        first, second = (loaded(loader)[0] for loader in loaders)
        assert torch.equal(first, second)
        assert torch.equal(first, loaded(loaders[0])[0])  # a second pass is the same


@pytest.mark.parametrize("name", ["displaced", "centred", "cluttered", "contours"])
def test_each_epoch_has_new_images(name: str) -> None:
    loader = MODULES[name](batch_size=40).train_dataloader()
    if name == "centred":
        assert not torch.equal(loaded(loader)[1], loaded(loader)[1])
    else:
        assert not rows(loaded(loader)[0]) & rows(loaded(loader)[0])


@pytest.mark.parametrize("name", ["displaced", "cluttered", "contours"])
def test_classes_are_balanced(name: str) -> None:
    data = MODULES[name](batch_size=40)
    for loader, count in ((data.train_dataloader(), 160), (data.val_dataloader(), 80), (data.test_dataloader(), 80)):
        assert loaded(loader)[1].bincount().tolist() == [count // data.classes] * data.classes


def test_plain_digits_are_the_images_of_their_labels() -> None:
    source = load_digits()
    known = {tuple(image): int(label) for image, label in zip(source.data, source.target, strict=True)}
    pools = split_digits()
    for pool in (pools.train, pools.validation, pools.test):
        for image, label in zip(pool.images, pool.labels, strict=True):
            assert known[tuple((image * 16).flatten().tolist())] == label
    assert len(pools.train) + len(pools.validation) + len(pools.test) == len(known)
    images, labels = loaded(DigitsData(batch_size=40).test_dataloader())
    affine = (pools.test.images - images.mean()) / (pools.test.images.std() / images.std())
    assert torch.equal(labels, pools.test.labels)
    assert torch.corrcoef(torch.stack([affine.flatten(), images.flatten()]))[0, 1] > 0.9999


def test_plain_digits_have_mean_0_and_variance_1() -> None:
    for size in (DIGIT, 32):
        images = loaded(DigitsData(size=size, batch_size=1).train_dataloader())[0]
        torch.testing.assert_close(images.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(images.std(), torch.tensor(1.0), atol=1e-4, rtol=0)


def test_the_digit_in_the_clutter_is_that_of_the_label() -> None:
    pool = split_digits().test
    images, labels = ClutteredDigits(pool, 32, 0)(200, torch.Generator().manual_seed(0))
    nearest = KNeighborsClassifier(1).fit(pool.images.flatten(1).numpy(), pool.labels.numpy())
    for image, label in zip(images, labels, strict=True):
        windows = image[0].unfold(0, DIGIT, 1).unfold(1, DIGIT, 1).flatten(0, 1).flatten(1)
        whole = windows[windows.sum(1) == image.sum()].numpy()
        distances, _ = nearest.kneighbors(whole)
        assert distances.min() == 0
        assert nearest.predict(whole[distances.argmin()][None])[0] == label


def test_clutter_adds_pieces_and_leaves_the_digit() -> None:
    pool = split_digits().test
    plain, labels = ClutteredDigits(pool, 32, 0)(100, torch.Generator().manual_seed(1))
    strewn, same = ClutteredDigits(pool, 32, 8)(100, torch.Generator().manual_seed(1))
    assert torch.equal(labels, same)
    assert (strewn >= plain).all()
    added = ((strewn > plain).sum((1, 2, 3))).float()
    assert 20 < added.mean() < 8 * 16  # eight pieces of 4x4 pixels, not all of which are ink
    assert strewn.max() <= 1


def test_clutter_is_cut_from_the_pool_alone() -> None:
    pool = split_digits().train
    blank = Digits(pool.images * 0, pool.labels)
    images, _ = ClutteredDigits(blank, 32, 8)(4, torch.Generator().manual_seed(0))
    assert images.sum() == 0


def test_compose_wraps_around_and_shows_the_brighter_image() -> None:
    images = torch.stack([torch.full((2, 2), 0.5), torch.tensor([[1.0, 0.0], [0.0, 0.0]])]).unsqueeze(0)
    canvas = compose(images, torch.tensor([[[3, 3], [0, 0]]]), 4)[0, 0]
    expected = torch.zeros(4, 4)
    expected[3, 3] = expected[3, 0] = expected[0, 3] = 0.5
    expected[0, 0] = 1.0
    assert torch.equal(canvas, expected)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DigitsData(size=7), "size=7 must be 8"),
        (lambda: DisplacedDigitsData(distances=(10, 30)), r"distances=\(10, 30\) must be between 8.* and 24"),
        (lambda: DisplacedDigitsData(distances=()), r"distances=\(\) must be between 8"),
        (lambda: ClutteredDigitsData(size=4), "canvas=4 must have room for a digit of 8 pixels"),
        (lambda: ClutteredDigitsData(pieces=-1), "pieces=-1 must not be negative"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_command_line_configures_a_module() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(ImageData, "data")
    where = "experiments.training.data.embedded"
    parsed = parser.parse_args(
        [f"--data={where}.DisplacedDigitsData", "--data.distances=[12,24]", "--data.batch_size=16", "--data.seed=3"]
    )
    data = parser.instantiate(parsed).data
    assert isinstance(data, DrawnData)
    assert isinstance(data, IndexedData)
    assert (data.classes, data.batch_size, data.seed) == (4, 16, 3)
    assert data.distances == (12, 24)
