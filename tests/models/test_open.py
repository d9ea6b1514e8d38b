"""Whatever stands for a model is opened, and files build their models again."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from nifconv import FrequencyConv2d, ImplicitFilter, bake, compact_state_dict, convert, frozen, load
from nifconv._support import saved
from nifconv.conversion import describe
from nifconv.models import DESCRIPTION, NamedModel, checkpoints, is_file, open_model, read

OWN = """
from torch import nn
from nifconv import FrequencyConv2d, ImplicitFilter, convert, frozen

def net(num_classes=2, stride=1):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, stride=stride), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, num_classes),
    )

def converted():
    return convert(net()).model

def with_frozen():
    return nn.Sequential(FrequencyConv2d(3, 3, filter=frozen(ImplicitFilter, seed=1)))

class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.unused, self.used = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.used(x)

def skipping():
    return Skipping()

def nested():
    model = nn.Module()
    model.net = nn.Conv2d(3, 3, 3)
    return model
"""
NET = "nets_to_open:net"
X = torch.randn(2, 3, 9, 8)


@pytest.fixture(autouse=True)
def _own_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets_to_open.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_to_open", raising=False)


def same(one: nn.Module, other: nn.Module) -> None:
    assert torch.equal(one.eval()(X), other.eval()(X))


def test_a_conversion_of_a_library_model_needs_no_other_model() -> None:
    conversion = convert(NamedModel("resnet18", num_classes=5).build(), where="layer1.*")
    conversion.save("a.safetensors")
    x = torch.randn(1, 3, 32, 32)
    for model in (load("a.safetensors").model, open_model("a.safetensors").module):
        assert torch.equal(model.eval()(x), conversion.model.eval()(x))
    opened = open_model("a.safetensors")
    assert opened.weights == "a.safetensors"
    assert not torch.equal(opened.fresh().eval()(x), opened.module.eval()(x))


def test_the_base_may_be_named_when_saving() -> None:
    from torchvision.models import squeezenet1_1

    conversion = convert(squeezenet1_1(num_classes=3), where="features.3.expand3x3")
    conversion.save("unnamed.safetensors")
    with pytest.raises(ValueError, match=r"'unnamed\.safetensors' does not say which model was converted; .*base="):
        load("unnamed.safetensors")
    conversion.save("a.safetensors", base=NamedModel("squeezenet1_1", num_classes=3))
    assert load("a.safetensors").report.replaced[0].name == "features.3.expand3x3"


def test_a_base_that_cannot_be_read_is_refused_with_its_file() -> None:
    convert(NamedModel(NET).build()).save("a.safetensors")
    tensors, description = saved.read("a.safetensors")
    saved.write("a.safetensors", tensors, {**description, "base": {"name": 5}})
    with pytest.raises(
        ValueError, match=r"'a\.safetensors' has an incomplete description \(\{'name': 5\} does not name"
    ):
        load("a.safetensors")


def test_a_function_named_by_a_file_is_called_only_on_trust() -> None:
    conversion = convert(NamedModel(NET, num_classes=4).build())
    conversion.save("a.safetensors")
    for refuse in (lambda: load("a.safetensors"), lambda: open_model("a.safetensors")):
        with pytest.raises(ValueError, match=r"was made from 'nets_to_open:net', a function that is called only if"):
            refuse()
    same(load("a.safetensors", trust=True).model, conversion.model)
    same(open_model("a.safetensors", trust=True).module, conversion.model)
    # The name given by the user says that the function may be called; the file knows its arguments.
    same(open_model(NET, weights="a.safetensors").module, conversion.model)


def test_a_function_that_returns_the_converted_model_takes_its_weights() -> None:
    conversion = convert(NamedModel(NET).build())
    conversion.save("a.safetensors")
    same(open_model("nets_to_open:converted", weights="a.safetensors").module, conversion.model)


@pytest.mark.parametrize("whole", [True, False])
def test_a_baked_model_is_saved_and_loaded(whole: bool) -> None:
    named = NamedModel(NET, arguments={"stride": 1 if whole else 2})
    converted = convert(named.build(), where="*", kernel_size=None if whole else 5).model
    baked = bake(converted, X, tolerance=0.01 if whole else 0.0)
    baked.save("baked.safetensors")
    for loaded in (load("baked.safetensors", trust=True), load("baked.safetensors", named.build())):
        same(loaded.model, baked.model)
        assert loaded.report == baked.report
        assert not [m for m in loaded.model.modules() if isinstance(m, FrequencyConv2d)]
    load("baked.safetensors", trust=True).save("again.safetensors")
    assert Path("again.safetensors").read_bytes() == Path("baked.safetensors").read_bytes()


def test_layers_that_were_not_baked_come_back_too() -> None:
    converted = convert(NamedModel("nets_to_open:skipping").build(), where=["unused", "used"]).model
    baked = bake(converted, X)
    assert [layer.name for layer in baked.report.kept] == ["unused"]
    baked.save("baked.safetensors")
    loaded = load("baked.safetensors", trust=True)
    assert torch.equal(loaded.model.unused(X), converted.unused(X))
    same(loaded.model, baked.model)
    assert loaded.report.kept[0].name == "unused"
    model = NamedModel("nets_to_open:skipping").build()
    own = bake(convert(model, where=["unused", "used"], filter=lambda o, i, n=2: ImplicitFilter(o, i, n)).model, X)
    with pytest.raises(ValueError, match=r"filter=<function .* cannot be written into a file"):
        own.save("own.safetensors")


def test_a_baked_bare_layer() -> None:
    layer = FrequencyConv2d(3, 3, 4, filter=ImplicitFilter)
    baked = bake(layer, X)
    baked.save("baked.safetensors")
    same(load("baked.safetensors", nn.Conv2d(3, 3, 3)).model, baked.model)


def test_another_model_is_not_that_which_was_baked() -> None:
    baked = bake(convert(NamedModel(NET).build()).model, X)
    baked.save("baked.safetensors")
    with pytest.raises(ValueError, match=r"was saved from another model: there is nothing at '1'; give a base_model"):
        load("baked.safetensors", nn.Sequential(nn.Conv2d(3, 8, 3)))


def checkpoint(model: nn.Module, prefix: str = "net.") -> dict[str, Any]:
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    return {"state_dict": state, "epoch": 3, DESCRIPTION: describe(model)}


def test_a_checkpoint_and_the_folder_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    models = [convert(NamedModel(NET, num_classes=3).build()).model for _ in range(3)]
    for step, model in zip((5, 40, 9), models, strict=True):
        torch.save(checkpoint(model), tmp_path / "run" / "checkpoints" / f"epoch=1-step={step}.ckpt")
    found = checkpoints(tmp_path / "run")
    assert [path.stem for path in found] == ["epoch=1-step=5", "epoch=1-step=9", "epoch=1-step=40"]
    same(open_model("run", trust=True).module, models[1])
    same(open_model(str(found[0]), trust=True).module, models[0])
    same(open_model(NET, weights="run").module, models[1])


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda m: {"state_dict": {f"module.{k}": v for k, v in m.state_dict().items()}},
        lambda m: {"model": {f"net._orig_mod.{k}": v for k, v in m.state_dict().items()}},
        lambda m: torch.compile(m).state_dict(),
        lambda m: AveragedModel(m).state_dict(),
        lambda m: nn.DataParallel(torch.compile(m)).state_dict(),
    ],
)
def test_what_trainers_put_before_names_is_taken_off(wrapped: Any) -> None:
    model = NamedModel(NET).build()
    torch.save(wrapped(model), "a.pt")
    same(open_model(NET, weights="a.pt").module, model)


def test_a_part_that_is_called_like_a_prefix_stays() -> None:
    model = NamedModel("nets_to_open:nested").build()
    torch.save({f"module.{name}": value for name, value in model.state_dict().items()}, "a.pt")
    assert torch.equal(open_model("nets_to_open:nested", weights="a.pt").module.net.weight, model.net.weight)


def test_compact_checkpoints() -> None:
    model = NamedModel("nets_to_open:with_frozen").build()
    nn.init.ones_(model[0].bias)
    torch.save(compact_state_dict(model), "compact.pt")
    same(open_model("nets_to_open:with_frozen", weights="compact.pt").module, model)


def test_new_weights_for_a_saved_conversion() -> None:
    conversion = convert(NamedModel(NET).build())
    conversion.save("a.safetensors")
    with torch.no_grad():
        for parameter in conversion.model.parameters():
            parameter.mul_(2)
    save_file(conversion.model.state_dict(), "b.safetensors")
    same(open_model("a.safetensors", weights="b.safetensors", trust=True).module, conversion.model)


def test_weights_are_said_to_be_random_or_published(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_model(NET).weights == "random (newly initialised)"
    monkeypatch.setattr(NamedModel, "build", lambda self, pretrained=False: nn.Linear(1, 1 + pretrained))
    opened = open_model("resnet18", pretrained=True)
    assert (opened.weights, opened.module.out_features, opened.fresh().out_features) == ("pretrained", 2, 1)


def test_what_is_a_file() -> None:
    assert is_file("a.pt")
    assert is_file("runs/a")
    assert not is_file("timm:lcnet_050.ra2_in1k")
    Path("resnet18").mkdir()
    assert not is_file("resnet18")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "a.pt does not exist; give the file with the state dict"),
        ({}, "a.pt holds a dict; it must hold a state_dict, tensors by name"),
        ({"state_dict": {}}, "a.pt holds a dict"),
        ({3: torch.zeros(1)}, "a.pt has the key 3; it must hold a state_dict"),
        ({"a": torch.zeros(1)}, r"a.pt does not fit the model: .*Missing key.*; name the model it was saved from"),
    ],
)
def test_weights_that_are_none(content: object, expected: str) -> None:
    if content is not None:
        torch.save(content, "a.pt")
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        open_model(NET, weights="a.pt")


@pytest.mark.parametrize(
    ("what", "options", "expected"),
    [
        ("a.bin", {}, r"'a\.bin'|unknown model"),
        ("absent.pt", {}, "absent.pt does not exist"),
        ("runs/absent", {}, "runs/absent does not exist; give the file with the state dict, or the folder of a run"),
        ("plain.pt", {}, "'plain.pt' does not say what its weights belong to; give the model by name"),
        ("plain.pt", {"num_classes": 3}, "num_classes=3 is for a model given by name; 'plain.pt' is a file"),
        ("plain.pt", {"pretrained": True}, "pretrained=True is for a model given by name"),
        ("./empty", {}, r"empty holds no checkpoint \(\*\.ckpt\)"),
        (NET, {"weights": "a.txt"}, r"a\.txt has the suffix '\.txt'; use one of \.safetensors"),
    ],
)
def test_files_that_say_nothing(what: str, options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    torch.save(NamedModel(NET).build().state_dict(), "plain.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        open_model(what, **options)


def test_broken_files_and_code_are_refused() -> None:
    for name, expected in (("a.safetensors", "is not a safetensors file"), ("a.pt", "cannot be read with weights")):
        Path(name).write_bytes(b"not weights at all")
        with pytest.raises(ValueError, match=expected):
            read(Path(name))
    torch.save(NamedModel(NET).build(), "evil.pt")
    with pytest.raises(ValueError, match="cannot be read with weights_only=True"):
        read(Path("evil.pt"))


def test_a_plain_safetensors_file_does_not_say_how() -> None:
    save_file({"a": torch.zeros(1)}, "a.safetensors")
    assert read(Path("a.safetensors")).description is None
    with pytest.raises(ValueError, match="does not say how its model was made"):
        load("a.safetensors")


def test_frozen_filters_of_a_trusted_file_keep_their_gain() -> None:
    conversion = convert(NamedModel(NET).build(), filter=frozen(ImplicitFilter, seed=2))
    conversion.save("a.safetensors")
    first, second = (compact_state_dict(m) for m in (conversion.model, load("a.safetensors", trust=True).model))
    assert all(torch.equal(first[name], second[name]) for name in first)
