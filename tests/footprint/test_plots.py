import io
import sys

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, footprint
from nifconv.footprint import plots


def survey_of(ndim: int, layers: int = 2) -> footprint.Survey:
    layer = {1: FrequencyConv1d, 2: FrequencyConv2d, 3: FrequencyConv3d}[ndim]
    model = nn.Sequential(*(layer(3, 3, groups=3) for _ in range(layers)))
    return footprint.survey(model, torch.randn(1, 3, *(8, 7, 6)[:ndim]))


def drawn(figure: Figure) -> bytes:
    figure.savefig(buffer := io.BytesIO(), format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["mass", "kernels"])
def test_draws_every_dimension(ndim: int, kind: str) -> None:
    figure = survey_of(ndim).plot(kind)
    assert drawn(figure).startswith(b"\x89PNG")


def test_mass_curves_are_the_medians_in_the_order_of_the_layers() -> None:
    survey = survey_of(2)
    axes = survey.plot("mass").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "1"]
    for line, layer in zip(axes.get_lines(), survey.layers, strict=True):
        assert list(line.get_xdata()) == list(layer.windows)
        medians = layer.mass_ratio.flatten(0, 1).median(0).values
        torch.testing.assert_close(torch.as_tensor(line.get_ydata()), medians)


def test_many_layers_get_a_scale_instead_of_a_legend() -> None:
    figure = survey_of(2, layers=13).plot("mass")
    assert figure.axes[0].get_legend() is None
    assert len(figure.axes) == 2
    drawn(figure)


def test_kernels_are_drawn_about_their_centre_and_symmetric_about_zero() -> None:
    axes = Figure().subplots()
    kernel = torch.zeros(8, 7)
    kernel[4, 3] = -2.0
    plots.draw_kernel(axes, kernel)
    (image,) = axes.get_images()
    assert image.get_clim() == (-2.0, 2.0)
    assert tuple(image.get_extent()) == (-3.5, 3.5, 3.5, -4.5)
    assert list(axes.get_xticks()) == [-3, 0, 3]
    assert list(axes.get_yticks()) == [-4, 0, 3]


def test_the_gallery_begins_with_the_strongest_kernel() -> None:
    conv = nn.Conv2d(1, 12, 3)
    with torch.no_grad():
        conv.weight.mul_(torch.arange(1.0, 13.0).view(-1, 1, 1, 1) ** 3)
    figure = footprint.survey(conv, torch.randn(1, 1, 5, 5)).plot("kernels")
    image = figure.axes[0].get_images()[0].get_array()
    torch.testing.assert_close(torch.as_tensor(image.data), conv.weight[-1, 0].detach())


def test_a_kernel_of_zeros_can_be_drawn() -> None:
    axes = Figure().subplots()
    plots.draw_kernel(axes, torch.zeros(3, 3))
    assert axes.get_images()[0].get_clim() == (-1.0, 1.0)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_of(1)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"plots need matplotlib; install it with: pip install 'nifconv\[plot\]'"):
        survey.plot()
