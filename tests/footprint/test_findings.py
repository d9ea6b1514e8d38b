"""The sentences at the beginning of a page."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nifconv.footprint import MEASURES, LayerFootprint, NullDistribution, ReceptiveField
from nifconv.footprint.page import _findings
from nifconv.footprint.page._findings import findings
from tests.footprint.kernels import box, delta, gaussian


def layer(name: str, taps: Tensor, size: tuple[int, int] = (40, 40)) -> LayerFootprint:
    return LayerFootprint(name, "Conv2d", size, taps.float())


def with_null(found: LayerFootprint, draws: int, **statistics: Sequence[float]) -> LayerFootprint:
    """The layer beside copies that measure the given values, in turn; of other measures, what the layer does."""
    drawn = {
        measure.name: torch.tensor(
            [statistics.get(measure.name, [found.statistic(measure.name)])[i % 2 - 2 :][0] for i in range(draws)]
        ).double()
        for measure in MEASURES
    }
    return replace(found, null=NullDistribution(draws, drawn, torch.zeros(3, len(found.windows))))


def cross(side: int) -> Tensor:
    """A kernel that rings: weight on both axes, and a little everywhere."""
    taps = torch.full((1, 1, side, side), 0.01)
    taps[..., side // 2, :] = taps[..., :, side // 2] = 1
    return taps


def test_the_largest_layer_is_named_with_its_window_and_map() -> None:
    layers = [layer("small", box((21, 21), 3)), layer("wide", box((21, 21), 9)), layer("3 x 3", torch.ones(1, 1, 3, 3))]
    found = _findings.largest(layers)
    assert found.layer is layers[1]
    assert found.text == (
        "“wide”: 90 % of the absolute weight of its kernels lies within a window of 9 pixels, on a map of 40 x 40. "
        "A window of 3 pixels is enough in 1 of 2 layers with larger kernels."
    )


def test_of_layers_of_one_size_the_one_with_the_larger_radius_is_the_largest() -> None:
    flat, peaked = box((21, 21), 9), box((21, 21), 9)
    peaked[..., 10, 10] = 2
    assert _findings.largest([layer("peaked", peaked), layer("flat", flat)]).layer.name == "flat"


def test_the_share_of_the_map_is_an_area_and_at_most_all_of_it() -> None:
    layers = [layer("a", box((9, 9), 9), (4, 18)), layer("b", delta((9, 9)), (10, 10)), layer("c", delta((9, 9)))]
    found = _findings.map_share(layers)
    assert found.text == (
        "The window that holds 90 % of a kernel covers 1 % of its map in the median layer and 50 % in “a”, the most."
    )


def test_without_a_null_distribution_it_says_that_training_is_unknown() -> None:
    found = _findings.training([layer("a", delta((9, 9)))])
    assert found.warning
    assert found.text.startswith("Unknown: the survey has no null distribution")


@pytest.mark.parametrize("draws", [2, 9, 18])
def test_too_few_copies_are_a_warning_however_large_z(draws: int) -> None:
    found = with_null(layer("a", box((21, 21), 9)), draws, rms_radius=[0.5, 0.6])
    effect = found.null.effect("rms_radius", found.statistic("rms_radius"))
    assert effect.z > 19
    assert not effect.is_evidence
    finding = _findings.training([found])
    assert finding.warning
    assert f"{draws} re-initialised copies of each layer are too few" in finding.text
    assert f"p cannot fall below {2 / (draws + 1):.2g}" in finding.text


def test_what_training_changed_is_counted_in_both_directions() -> None:
    wide = box((21, 21), 9)
    radius = layer("", wide).statistic("rms_radius")
    layers = [
        with_null(layer("grown", wide), 19, rms_radius=[1.0, 1.1]),
        with_null(layer("shrunk", wide), 19, rms_radius=[9.0, 9.5]),
        with_null(layer("same", wide), 19, rms_radius=[radius - 0.1, radius + 0.1]),
    ]
    found = _findings.training(layers)
    assert not found.warning
    assert (
        "Against 19 re-initialised copies of each, kernels are larger in 1 of 3 layers and smaller in 1 " in found.text
    )
    effect = layers[0].null.effect("rms_radius", radius)
    assert f"The clearest is “grown”: {radius:.2f} px against {effect.mean:.2f} px, z = {effect.z:+.1f}." in found.text
    assert (
        _findings.training(layers[2:]).text
        == "No layer differs clearly in rms radius from its 19 re-initialised copies."
    )


def test_ringing_is_found_and_its_origin_told_apart() -> None:
    rings, round_ = layer("rings", cross(41)), layer("round", gaussian((41, 41), 6.0, 6.0))
    value = rings.statistic("cross_preference")
    assert _findings.ringing([round_]).text == (
        f"None: cross preference is at most {round_.statistic('cross_preference'):.1f}, in “round”; 1 means no ringing."
    )
    assert _findings.ringing([layer("tiny", delta((5, 5)))]).text.startswith("Cannot be seen")
    found = _findings.ringing([rings, round_])
    assert found.layer is rings
    assert found.text == (
        f"Kernels of 1 of 2 layers put their tails on the axes; cross preference is {value:.1f} in “rings”, "
        "where 1 means no ringing."
    )
    for before, origin in ((5.0, "it comes with the parametrisation, not from training"), (1.0, "training brought it")):
        found = _findings.ringing([with_null(rings, 20, cross_preference=[before, before])])
        assert found.text.endswith(f" Re-initialised copies of it measure {before:.1f}: {origin}.")


def test_changes_are_of_layers_that_both_sides_have() -> None:
    sizes = {"a": (9, 5), "b": (3, 5), "c": (3, 5), "d": (3, 3)}
    before = [layer(name, box((21, 21), first)) for name, (first, _) in sizes.items()]
    after = [layer(name, box((21, 21), last)) for name, (_, last) in sizes.items()]
    moved = [replace(found, map_size=(20, 20)) for found in after]
    found = _findings.changes(("first", before), ("last", after))
    assert found.topic == "From “first” to “last”"
    assert found.text == ("Kernels grew in 2 of 4 layers and shrank in 1 (size 90 %). Most in “a”: from 9 to 5 px.")
    assert _findings.changes(("a", before), ("b", before)).text == (
        "Kernels grew in 0 of 4 layers and shrank in 0 (size 90 %)."
    )
    assert _findings.changes(("a", before), ("b", moved)).text == "No layer is in both, by its name and map size."


def test_a_field_is_told_by_half_and_nearly_all_of_it() -> None:
    shares = torch.zeros(10, 10).double()
    shares[5, 5], shares[4, 4] = 0.75, 0.25
    field = ReceptiveField("conv", shares, 1)
    found = _findings.receptive_field(field)
    assert found.topic == "Receptive field of “conv”"
    assert found.text == (
        "Of all that reaches its central unit from an input of 10 x 10, half comes from the central 1 px (1 % of the "
        f"area) and 99 % from 3 px (9 % of the area). The field is {100 * field.gaussian:.0f} % Gaussian."
    )
    dead = _findings.receptive_field(ReceptiveField("", shares * torch.nan, 1))
    assert (dead.text, dead.warning) == ("No pixel of 10 x 10 contributes.", True)


def test_kernels_of_zeros_are_said_to_be_none() -> None:
    for topic in (_findings.largest, _findings.map_share):
        assert topic([layer("a", torch.zeros(1, 1, 3, 3))]).text == "There is no kernel to measure."


def test_of_many_surveys_the_first_and_the_last_are_told() -> None:
    epochs = {f"epoch {i}": [layer("a", box((21, 21), 2 * i + 1))] for i in range(5)}
    found = findings(epochs, {})
    assert found[0].text.endswith("Most in “a”: from 1 to 9 px.")
    assert {finding.survey for finding in found} == {"", "epoch 0", "epoch 4"}
    assert [finding.topic for finding in findings({"": epochs["epoch 1"]}, {})] == [
        "Largest kernels",
        "Use of the map",
        "What training changed",
        "Ringing",
    ]
