"""Crops and augmentation of photographs."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from experiments.training.data.views import IMAGENET, Views
from tests.experiments.published import made_up


@pytest.mark.parametrize("ratio", [0.5, 0.95, 1.0])
def test_the_centre_crop_is_the_stated_share_of_the_shorter_side(ratio: float) -> None:
    ramp = np.broadcast_to(np.arange(240, dtype=np.uint8)[None, :, None], (200, 240, 3))
    image = Views(test_size=50, crop_ratio=ratio).evaluation()(Image.fromarray(ramp))
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    columns = ((image * deviation + mean) * 255).mean((0, 1))
    assert image.shape == (3, 50, 50)
    assert (columns[-1] - columns[0]).item() == pytest.approx(200 * ratio * 49 / 50, abs=3)
    assert columns.mean().item() == pytest.approx(119.5, abs=2)


def test_policies_and_erasing_change_training_alone() -> None:
    image = Image.fromarray(made_up(1, 1, (64, 64, 3), 0)[0][0])

    def view(views: Views) -> Tensor:
        torch.manual_seed(3)
        return views.training()(image)

    plain = view(Views(size=32))
    assert torch.equal(plain, view(Views(size=32)))
    for changed in (Views(size=32, policy="trivial"), Views(size=32, policy="rand"), Views(size=32, erasing=1.0)):
        assert not torch.equal(plain, view(changed))
        assert torch.equal(changed.evaluation()(image), Views(size=32).evaluation()(image))
    assert (view(Views(size=32, erasing=1.0)) == 0).sum() > 3 * 10
    with pytest.raises(ValueError, match=r"crop_ratio=1.2 must be above 0 and at most 1"):
        Views(crop_ratio=1.2)
    with pytest.raises(ValueError, match=r"magnitude=31 must be from 0 to 30"):
        Views(magnitude=31)
