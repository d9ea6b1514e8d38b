import csv
import io
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nifconv import footprint


def surveyed(null: int = 0) -> footprint.Survey:
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.Conv2d(4, 2, 3))
    return footprint.survey(model, torch.randn(1, 1, 9, 9), null=null)


def test_csv_has_a_line_for_each_layer_and_reads_back(tmp_path: Path) -> None:
    survey = surveyed(null=2)
    text = survey.to_csv(tmp_path / "survey.csv")
    assert (tmp_path / "survey.csv").read_text() == text == survey.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["0", "1"]
    assert rows[0]["map_size"] == "9x9"
    for row, layer in zip(rows, survey.layers, strict=True):
        assert float(row["rms_radius"]) == pytest.approx(layer.values("rms_radius").quantile(0.5).item())
        assert float(row["rms_radius_low"]) <= float(row["rms_radius"]) <= float(row["rms_radius_high"])
        assert float(row["rms_radius_null_mean"]) == pytest.approx(layer.null.statistics["rms_radius"].mean().item())
        assert float(row["rms_radius_p"]) <= 1


def test_without_a_null_distribution_there_are_no_columns_for_them() -> None:
    header = surveyed().to_csv().splitlines()[0]
    assert "null" not in header
    for measure in footprint.MEASURES:
        assert measure.name in header.split(",")


def test_names_with_commas_and_quotes_survive() -> None:
    layer = surveyed().layers[0]
    name = 'a,"b"\nc'
    survey = footprint.Survey((footprint.LayerFootprint(name, "Conv2d", (9, 9), layer.taps),), ())
    assert next(csv.DictReader(io.StringIO(survey.to_csv())))["name"] == name


def test_a_data_frame_has_the_same_content() -> None:
    pytest.importorskip("pandas")
    survey = surveyed(null=2)
    frame = survey.to_dataframe()
    assert list(frame["name"]) == ["0", "1"]
    assert list(frame.columns) == survey.to_csv().splitlines()[0].split(",")


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_dataframe needs pandas; install it with: pip install pandas"):
        surveyed().to_dataframe()


def test_results_are_short_in_a_console() -> None:
    survey = surveyed(null=2)
    assert repr(survey) == "Survey(Sequential, 2 layers, null=2)"
    assert repr(footprint.Survey((), ())) == "Survey(0 layers, null=0)"
    assert repr(survey.layers[0]) == (
        "LayerFootprint('0', Conv2d, map 9 x 9, 4 kernels of 5 x 5, null=NullDistribution(draws=2))"
    )
    both = footprint.compare({"before": surveyed(), "after": survey})
    assert repr(both) == (
        "Comparison(surveys={'before': Survey(Sequential, 2 layers, null=0), "
        "'after': Survey(Sequential, 2 layers, null=2)})"
    )
    (field,) = footprint.effective_receptive_field(nn.Conv2d(1, 1, 3, padding=1), torch.randn(2, 1, 9, 9))
    assert repr(field) == "ReceptiveField('', input 9 x 9, inputs=2)"


def test_a_survey_prints_as_a_table_of_at_most_100_columns() -> None:
    taps = torch.randn(4, 4, 224, 224)
    name = "a.very.long.name.of.a.layer.in.a.deep.model"
    layer = footprint.survey(nn.Conv2d(4, 4, 21), torch.zeros(1, 4, 30, 30), null=3).layers[0]
    wide = footprint.LayerFootprint(name, "Conv2d", (224, 224), taps, null=layer.null)
    survey = footprint.Survey((layer, wide), ("idle",), {"null": 3})
    lines = str(survey).splitlines()
    assert max(map(len, lines)) <= 100
    text = str(survey)
    assert "a.very.l..n.a.deep.model" in text
    assert "Did not run: idle." in text
    assert "(3 re-initialisations)" in text
    size = layer.statistic("size90")
    z = layer.null.effect("size90", size).z
    assert f"{size:.0f} ({z:+.0f})" in next(line for line in lines if line.startswith("Conv2d"))


def test_a_survey_without_layers_prints_its_header() -> None:
    survey = footprint.survey(nn.Linear(2, 2), torch.randn(1, 2))
    assert str(survey).splitlines()[-1] == "Medians over the kernels of each layer."


def test_notebooks_show_a_table_with_escaped_names() -> None:
    layer = surveyed().layers[0]
    evil = footprint.LayerFootprint("<b>&", "Conv2d", (9, 9), layer.taps)
    html = footprint.Survey((evil,), ("<i>",))._repr_html_()
    assert "<td>&lt;b&gt;&amp;</td><td>9x9</td><td>5x5</td>" in html
    assert f"<td>{layer.statistic('rms_radius'):.2f}</td>" in html
    assert "<b>" not in html
    assert "<i>" not in html
