"""`nifconv inspect --every-epoch`: kernels over a training."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nifconv import footprint
from nifconv.conversion import describe
from nifconv.models import DESCRIPTION, NamedModel
from tests.cli.test_inspect import ME, inspect, message


def test_kernels_over_a_training(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for step in (4, 12):
        model = NamedModel(f"{ME}:small").build()
        nn.init.dirac_(model.stem.weight)
        state = {f"net.{name}": value for name, value in model.state_dict().items()}
        content = {"state_dict": state, DESCRIPTION: describe(model)}
        torch.save(content, run / "checkpoints" / f"epoch=0-step={step}.ckpt")
    html, csv, data = (tmp_path / name for name in ("a.html", "a.csv", "a.json"))
    common = [str(run), "--every-epoch", "--trust", "--input-size", "8"]
    result = inspect(*common, "--html", str(html))
    assert result.exit_code == 0, result.output
    assert "step=12.ckpt" in html.read_text()
    (run / "footprint").mkdir()
    survey = footprint.survey(NamedModel(f"{ME}:small").build(), torch.zeros(1, 3, 8, 8)).to_dict()
    for epoch in (0, 2, 10):
        survey["layers"][0]["measures"]["size90"][1] = epoch + 1
        (run / "footprint" / f"epoch={epoch}.json").write_text(json.dumps(survey))
    result = inspect(*common, "--csv", str(csv), "--json", str(data))
    assert result.exit_code == 0, result.output
    (stem,) = (line.split() for line in result.output.splitlines() if line.startswith("stem"))
    assert stem == ["stem", "8x8", "1", "3", "11"]
    assert list(json.loads(data.read_text())["surveys"]) == ["epoch 0", "epoch 2", "epoch 10"]
    assert len(csv.read_text().splitlines()) == 1 + 3 * 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["resnet18", "--every-epoch"], "'resnet18' is not the folder of a run: it holds no checkpoint"),
        (["resnet18", "--every-epoch", "--erf"], "it takes the folder of a run alone"),
    ],
)
def test_what_has_no_training_is_refused(arguments: list[str], expected: str) -> None:
    result = inspect(*arguments)
    assert result.exit_code == 2
    assert expected in message(result)
