import io
import sys

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, footprint
from nifconv.footprint.figures import _curves, _galleries, _style
from nifconv.footprint.measures._statistics import quantiles

KINDS = ["mass", "depth", "kernels", "zoom", "principal", "variance"]


def survey_of(ndim: int, layers: int = 2, null: int = 0) -> footprint.Survey:
    layer = {1: FrequencyConv1d, 2: FrequencyConv2d, 3: FrequencyConv3d}[ndim]
    model = nn.Sequential(*(layer(3, 3, groups=3) for _ in range(layers)))
    return footprint.survey(model, torch.randn(1, 3, *(8, 7, 6)[:ndim]), null=null)


def drawn(figure: Figure) -> bytes:
    figure.savefig(buffer := io.BytesIO(), format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_draws_every_dimension(ndim: int, kind: str) -> None:
    assert drawn(survey_of(ndim, null=2).plot(kind)).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_one_stage_of_kernels_of_zeros_can_be_drawn(kind: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))
    nn.init.zeros_(model[1].weight)
    survey = footprint.survey(model, torch.randn(1, 1, 9, 9), null=2)
    assert drawn(survey.plot(kind, stage="1")).startswith(b"\x89PNG")


def test_mass_curves_show_each_stage_over_its_null_distribution() -> None:
    survey = survey_of(2, null=2)
    figure = survey.plot("mass")
    for axes, layer in zip(figure.axes, survey.layers, strict=True):
        null, trained = axes.get_lines()
        assert list(trained.get_xdata()) == list(layer.windows)
        assert_close(torch.as_tensor(trained.get_ydata()), quantiles(layer.mass_ratio.flatten(0, 1))[1])
        assert_close(torch.as_tensor(null.get_ydata()), layer.null.mass_band[1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["null distribution", "this model"]


def test_kernels_of_another_size_get_a_panel_of_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 5))
    survey = footprint.survey(model, torch.randn(1, 1, 9, 9), groups=lambda _: "all")
    titles = [axes.get_title() for axes in survey.plot("mass").axes]
    assert titles == ["all, kernels of 3 x 3", "all, kernels of 5 x 5"]


def test_two_surveys_share_the_panels() -> None:
    one, other = survey_of(2), survey_of(2)
    figure = _curves.mass_curves({"before": one.layers, "after": other.layers})
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 2]
    drawn(_curves.size_by_depth({"before": one.layers, "after": other.layers}))


def test_many_stages_are_cut_and_the_figure_says_so() -> None:
    layer = survey_of(1, layers=1).layers[0]
    layers = [footprint.LayerFootprint(f"{i}", "Conv1d", (8,), layer.taps, stage=f"s{i}") for i in range(30)]
    figure = _curves.mass_curves({"": layers})
    assert len(figure.axes) == _curves.MOST_PANELS
    assert "(24 of 30 panels)" in figure.get_supxlabel()
    gallery = _galleries.kernel_gallery(layers)
    assert len(gallery.axes) == _galleries.MOST_ROWS * _galleries.COLUMNS


def test_size_by_depth_is_the_median_of_each_layer() -> None:
    survey = survey_of(2, layers=3)
    axes = survey.plot("depth").axes[0]
    points = axes.containers[-1].lines[0]
    assert list(points.get_ydata()) == [layer.statistic("size90") for layer in survey.layers]
    assert axes.get_ylabel() == "size 90 %, pixels"


def test_kernels_are_drawn_about_their_centre_and_symmetric_about_zero() -> None:
    axes = Figure().subplots()
    kernel = torch.zeros(8, 7)
    kernel[4, 3] = -2.0
    _galleries.draw_kernel(axes, kernel)
    (image,) = axes.get_images()
    assert image.get_clim() == (-2.0, 2.0)
    assert tuple(image.get_extent()) == (-3.5, 3.5, 3.5, -4.5)
    assert list(axes.get_xticks()) == [-3, 0, 3]
    assert list(axes.get_yticks()) == [-4, 0, 3]


def test_one_large_tap_does_not_leave_the_rest_white() -> None:
    kernel = torch.ones(20, 20)
    kernel[10, 10] = 1000.0
    assert _style.color_limit(kernel) == 1.0
    assert _style.color_limit(kernel[8:13, 8:13]) == 1000.0
    only = torch.zeros(20, 20)
    only[10, 10] = 3.0
    assert _style.color_limit(only) == 3.0
    assert _style.color_limit(torch.zeros(3, 3)) == 1.0


def test_all_kernels_of_a_gallery_have_one_scale_and_zoomed_ones_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 7))
    with torch.no_grad():
        model[1].weight.zero_()[..., 3, 3] = 1.0
    survey = footprint.survey(model, torch.randn(1, 1, 19, 19))
    frames = [survey.plot(kind).axes[:: _galleries.COLUMNS] for kind in ("kernels", "zoom")]
    assert [axes.get_xlim() for axes in frames[0]] == [(-3.5, 3.5), (-3.5, 3.5)]
    assert [axes.get_xlim() for axes in frames[1]] == [(-1.5, 1.5), (-0.5, 0.5)]


def test_a_small_kernel_on_a_large_map_has_all_its_colours_when_it_is_enlarged() -> None:
    conv = nn.Conv2d(1, 1, 21)
    with torch.no_grad():
        conv.weight.zero_()[0, 0, 9:12, 9:12] = torch.arange(1.0, 10.0).view(3, 3)
    survey = footprint.survey(conv, torch.randn(1, 1, 21, 21))
    whole, zoomed = (survey.plot(kind).axes[0].get_images()[0].get_clim()[1] for kind in ("kernels", "zoom"))
    assert whole == 1.0  # nine taps are the largest 2 %
    assert zoomed == 9.0


def test_the_gallery_begins_with_the_strongest_kernel() -> None:
    conv = nn.Conv2d(1, 12, 3)
    with torch.no_grad():
        conv.weight.mul_(torch.arange(1.0, 13.0).view(-1, 1, 1, 1) ** 3)
    figure = footprint.survey(conv, torch.randn(1, 1, 5, 5)).plot("kernels")
    image = figure.axes[0].get_images()[0].get_array()
    torch.testing.assert_close(torch.as_tensor(image.data), conv.weight[-1, 0].detach())


def test_names_with_dollars_and_of_any_length_can_be_titles() -> None:
    layer = survey_of(2, layers=1).layers[0]
    name = "$_{$" + "a.very.long.name" * 9
    named = footprint.LayerFootprint(name, "Conv2d", (8, 7), layer.taps, stage=name)
    drawn(_curves.mass_curves({name: [named]}))
    depth = _curves.size_by_depth({name: [named]})
    drawn(depth)
    assert depth.axes[0].get_xticklabels()[0].get_text() == r"\$_{\$a.ve..very.long.name"
    drawn(_galleries.variance_maps([named]))
    drawn(footprint.ReceptiveField(name, torch.ones(3, 3) / 9, 1).plot())


def test_null_distributions_of_two_surveys_have_the_colors_of_these() -> None:
    one, other = survey_of(2, null=2), survey_of(2, null=2)
    axes = _curves.size_by_depth({"before": one.layers, "after": other.layers}).axes[0]
    assert [bars.lines[0].get_color() for bars in axes.containers] == [c for c in _style.COLORS[:2] for _ in range(2)]


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_not_finite_are_drawn_after_the_others(kind: str, ndim: int) -> None:
    layer = survey_of(ndim, layers=1).layers[0]
    layer.taps[0, 0].fill_(torch.inf)
    layer.taps[1, 0].view(-1)[1] = torch.nan
    drawn(footprint.Survey((layer,), ()).plot(kind))
    assert _style.strongest(layer, layer.kernels - 2).isfinite().all()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_of(1)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for kind in KINDS:
        with pytest.raises(ImportError, match=r"plots need matplotlib; install it with: pip install 'nifconv\[plot\]'"):
            survey.plot(kind)
