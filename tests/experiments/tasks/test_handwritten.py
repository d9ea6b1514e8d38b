"""The handwritten digits: three disjoint pools, their pixels, and batches of them."""

import pytest
import torch

from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, SIDE, digit_pools, subset


def test_no_image_is_in_two_pools() -> None:
    pools = digit_pools()
    parts = [pool.images.flatten(1) for pool in (pools.train, pools.validation, pools.test)]
    assert len(torch.cat(parts)) == len(torch.cat(parts).unique(dim=0))
    assert len(pools.test) > len(pools.validation) >= len(pools.train) > 400
    assert pools.test.images.shape[1:] == (1, SIDE, SIDE)
    assert pools.train.labels.unique().tolist() == list(range(CLASSES))


def test_the_images_are_those_of_their_labels() -> None:
    # A nearest-mean classifier is right on most digits if images and labels are still paired.
    pools = digit_pools()
    train, test = pools.train, pools.test
    means = torch.stack([train.images[train.labels == c].mean(0).flatten() for c in range(CLASSES)])
    nearest = torch.cdist(test.images.flatten(1), means).argmin(1)
    assert (nearest == test.labels).float().mean() > 0.8
    assert train.images.mean().abs() < 1e-5
    assert train.images.std().item() == pytest.approx(1)


def test_pixels_are_the_images_before_their_normalisation() -> None:
    pools = digit_pools()
    pixels = pools.pixels(pools.test.images)
    assert (pixels.min().item(), pixels.max().item()) == pytest.approx((0, 1))
    torch.testing.assert_close((pixels - pools.mean) / pools.deviation, pools.test.images, rtol=0, atol=1e-5)


def test_training_images_depend_on_the_seed_alone() -> None:
    pool = digit_pools().train
    one, same, other = (subset(pool, 100, seed) for seed in (3, 3, 4))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)
    assert len(one.images.flatten(1).unique(dim=0)) == 100


def test_batches_pass_over_all_images_in_new_orders() -> None:
    chosen = subset(digit_pools().train, 30, 0)
    digits = chosen.images, chosen.labels
    shuffled, ordered = Batches(*digits, 10, seed=1), Batches(*digits, 20)
    first, second = [torch.cat([images for images, _ in shuffled]) for _ in range(2)]
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten(1).unique(dim=0), chosen.images.flatten(1).unique(dim=0))
    assert torch.equal(torch.cat([labels for _, labels in ordered]), chosen.labels)
    assert [len(ordered), len(Batches(*digits, 20, seed=1))] == [2, 1] == [len(list(ordered)), 1]
