"""Letters on clutter: balanced, reproducible, of disjoint fonts, readable, and sharp."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch
from matplotlib import font_manager
from torch import Tensor, nn

from experiments.tasks.glyphs import CLASSES, LETTERS, TEST, TRAIN, VALIDATION, Glyphs, _letters
from experiments.tasks.handwritten import digit_pools

PLAIN = {"turn": 0.0, "shear": 0.0, "shift": 0.0, "scale": (0.7, 0.7), "leaves": 0, "noise": 0.0}


def drawn(count: int = 260, seed: int = 0, **settings: Any) -> tuple[Tensor, Tensor]:
    return Glyphs(**settings)(count, torch.Generator().manual_seed(seed))


def test_images_are_colours_and_classes_are_balanced() -> None:
    images, labels = drawn()
    assert images.shape == (260, 3, 32, 32)
    assert 0 <= images.min() <= images.max() <= 1
    assert labels.bincount().tolist() == [10] * CLASSES
    assert not torch.equal(labels, labels.sort().values)


def test_the_generator_decides_everything() -> None:
    torch.manual_seed(0)
    one = drawn(seed=5)
    torch.manual_seed(1)
    assert torch.equal(one[0], drawn(seed=5)[0])
    assert not torch.equal(one[0], drawn(seed=6)[0])


def test_fonts_are_those_of_matplotlib_and_in_one_pool_each() -> None:
    fonts = [*TRAIN, *VALIDATION, *TEST]
    assert len(set(fonts)) == len(fonts) == 21
    folder = Path(mpl.get_data_path(), "fonts", "ttf")
    assert all((folder / f"{name}.ttf").is_file() for name in fonts)
    # None of those for mathematics, symbols or missing characters, which have no capital letters of their own.
    families = {font_manager.get_font(folder / f"{name}.ttf").family_name for name in fonts}
    assert not {name for name in families if any(word in name for word in ("Siz", "NonUni", "Display", "Last"))}


def test_no_two_fonts_have_the_same_letters() -> None:
    flat = _letters((*TRAIN, *VALIDATION, *TEST)).flatten(1)
    assert (torch.cdist(flat, flat) + torch.eye(len(flat)) * 99).min() > 1


def test_letters_are_where_and_as_tall_as_they_should_be() -> None:
    letters = _letters(TRAIN)[:, LETTERS.index("H")]
    inked = (letters > 0.5).any(2)
    assert all(40 <= rows <= 46 for rows in inked.sum(1).tolist())
    centre = inked.float().argmax(1) + (inked.sum(1) - 1) / 2
    assert (centre - 31.5).abs().max() <= 1


def test_the_letter_is_the_label_s() -> None:
    """Without any jitter the image is the letter of one of the fonts, in one colour on another."""
    images, labels = drawn(**PLAIN)
    gray = images.mean(1)
    gray = (gray - gray.flatten(1).median(1).values[:, None, None]).abs()
    gray = gray / gray.flatten(1).amax(1)[:, None, None]
    templates = nn.functional.interpolate(_letters(TRAIN), 33, mode="area")[..., :32, :32]
    flat = templates.permute(1, 0, 2, 3).flatten(2).flatten(0, 1)  # (letters * fonts, pixels), letter by letter
    guessed = torch.cdist(gray.flatten(1), flat).argmin(1) // len(TRAIN)
    assert (guessed == labels).float().mean() > 0.9


@pytest.mark.parametrize(
    ("setting", "value"),
    [("turn", 30.0), ("shear", 0.4), ("shift", 6.0), ("scale", (0.3, 0.9)), ("leaves", 6), ("noise", 0.1)],
)
def test_every_jitter_changes_the_images(setting: str, value: object) -> None:
    plain, changed = drawn(26, **PLAIN), drawn(26, **{**PLAIN, setting: value})
    assert torch.equal(plain[1], changed[1])
    assert (plain[0] - changed[0]).abs().mean() > 0.005


def test_letters_differ_from_their_background_in_brightness() -> None:
    images, _ = drawn(**{**PLAIN, "contrast": 0.5, "scale": (1.0, 1.0)})
    gray = images.mean(1).flatten(1)
    contrast = gray.amax(1) - gray.amin(1)
    assert contrast.median() > 0.4
    assert contrast.quantile(0.05) > 0.2  # colours end at black and white


def above_half_band(images: Tensor) -> float:
    """The share of the energy, but for the mean, at frequencies above half the Nyquist frequency on either axis."""
    power = torch.fft.fft2(images - images.mean((-2, -1), keepdim=True)).abs().square().mean((0, 1))
    frequency = torch.fft.fftfreq(images.shape[-1]).abs()
    high = torch.maximum(frequency[:, None], frequency) > 0.25
    return (power[high].sum() / power.sum()).item()


def test_images_have_energy_where_enlarged_digits_have_none() -> None:
    assert above_half_band(drawn(noise=0.0)[0]) > 10 * above_half_band(digit_pools(32).train.images)
