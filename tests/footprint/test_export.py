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


def test_without_fresh_draws_there_are_no_columns_for_them() -> None:
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
