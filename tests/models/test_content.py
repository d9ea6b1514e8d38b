"""Files that are damaged, incomplete or of another kind; they are refused alike, whoever reads them."""

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import convert, load
from nifconv._support import saved
from nifconv.models import DESCRIPTION, NamedModel, open_model, read

BASE = {"name": "squeezenet1_1"}
STEP = {"plan": {}, "layers": ["0"]}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ({"conversions": [], "gains": {}}, "'base'"),
        ({"base": BASE, "gains": {}}, "'conversions'"),
        ([BASE], "list"),
        ("resnet18", "str"),
        ({"base": "resnet18", "conversions": [STEP], "gains": {}}, "'resnet18' does not name a model"),
        ({"base": {"num_classes": 3}, "conversions": [STEP], "gains": {}}, "does not name a model"),
        ({"base": {**BASE, "arguments": [1]}, "conversions": [STEP], "gains": {}}, "does not name a model"),
        ({"base": BASE, "conversions": {"plan": {}}, "gains": {}}, "conversions is a dict, not a list|string indices"),
        ({"base": BASE, "conversions": [3], "gains": {}}, "int"),
        ({"base": BASE, "conversions": [{"plan": {}}], "gains": {}}, "'layers'"),
        ({"base": BASE, "conversions": [{"plan": {}, "layers": [["0"]]}], "gains": {}}, r"layers holds \['0'\], which"),
        ({"base": BASE, "conversions": [{"plan": "all", "layers": []}], "gains": {}}, "plan is a str, not a dict"),
        ({"base": BASE, "conversions": [{"baked": 3}], "gains": {}}, "baked is a int, not a dict"),
        ({"base": BASE, "conversions": [], "gains": []}, "gains is a list, not a dict"),
        ({"base": BASE, "conversions": [], "gains": {}, "baked": {}}, "'report'"),
        ({"base": BASE, "conversions": [], "gains": {}, "baked": {}, "report": {"layers": 3}}, "int"),
    ],
)
def test_an_incomplete_description_is_refused_alike(description: Any, found: str) -> None:
    state = net().state_dict()
    saved.write("a.safetensors", state, description)
    torch.save({"state_dict": state, DESCRIPTION: description}, "a.ckpt")
    readers = (
        (lambda: load("a.safetensors", net()), "a.safetensors"),
        (lambda: open_model("a.safetensors"), "a.safetensors"),
        (lambda: open_model("squeezenet1_1", weights="a.safetensors"), "a.safetensors"),
        (lambda: open_model("a.ckpt"), "a.ckpt"),
        (lambda: open_model("squeezenet1_1", weights="a.ckpt"), "a.ckpt"),
    )
    for reader, name in readers:
        with pytest.raises(ValueError, match=rf"'{name}' has an incomplete description \(.*({found})"):
            reader()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"epoch": 3}, "holds a int at 'epoch'"),
        ({"optimizer": {"lr": 1.0}, DESCRIPTION: {"base": BASE, "conversions": [], "gains": {}}}, "a dict at 'optim"),
        ({"model": {"layer": {"weight": torch.zeros(1)}}}, "holds a dict at 'layer'"),
    ],
)
def test_what_is_not_a_state_dict_is_refused(content: Any, found: str) -> None:
    torch.save(content, "a.pt")
    for reader in (lambda: open_model("a.pt"), lambda: open_model("squeezenet1_1", weights="a.pt")):
        with pytest.raises(ValueError, match=f"{found}.*; it must hold a state_dict, tensors by name"):
            reader()


def test_what_modules_add_to_their_state_is_no_obstacle() -> None:
    torch.save({"0.weight": torch.zeros(1), "0._extra_state": {"scale": 2}}, "a.pt")
    content = read("a.pt")
    assert content.tensors["0._extra_state"] == {"scale": 2}
    assert content.numbers == 1


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (IndexError("pop from empty list"), ValueError, r"a\.pt cannot be read with weights_only=True: pop from empty"),
        (AssertionError(), ValueError, r"a\.pt cannot be read with weights_only=True: AssertionError; save the state"),
        (struct.error("unpack requires 8 bytes"), ValueError, r"a\.pt cannot be read .*: unpack requires 8 bytes"),
        (KeyError("storage"), ValueError, r"a\.pt cannot be read .*: 'storage'"),
        (MemoryError("no room"), MemoryError, "no room"),
    ],
)
def test_whatever_a_damaged_pickle_raises_names_the_file(
    raised: Exception, expected: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise raised

    torch.save(net().state_dict(), "a.pt")
    monkeypatch.setattr(torch, "load", damaged)
    with pytest.raises(expected, match=message):
        read("a.pt")


def test_a_pickle_that_takes_from_an_empty_list_is_refused() -> None:
    Path("a.pt").write_bytes(b"\x80\x02a.")  # protocol 2, append, stop
    with pytest.raises(ValueError, match=r"a\.pt cannot be read with weights_only=True"):
        read("a.pt")


def test_a_file_may_have_any_of_the_suffixes() -> None:
    conversion = convert(NamedModel("squeezenet1_1").build(), where="features.3.expand3x3")
    conversion.save("a.pt")
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(open_model("a.pt").module.eval()(x), conversion.model.eval()(x))
