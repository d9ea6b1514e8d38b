"""What `load` builds by itself from a file: base models in their precision, and none for which files are fetched."""

import inspect
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import bake, convert, load
from nifconv._support import saved
from nifconv.models import NamedModel, open_model
from nifconv.models import read as read_content

X = torch.randn(1, 3, 32, 32)
NAME = "timm:lcnet_050"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def described(base: Any) -> None:
    """Writes a file that is whole, and says that its model was made of `base`."""
    convert(NamedModel("squeezenet1_1").build(), where="features.3.expand3x3").save("a.safetensors")
    tensors, description = saved.read("a.safetensors")
    saved.write("a.safetensors", tensors, {**description, "base": base})


READERS = (load, open_model, lambda path: open_model(NAME, weights=path))


@pytest.mark.parametrize(
    "arguments",
    [
        {"pretrained": True, "pretrained_cfg": {"url": "http://127.0.0.1:9/evil.pth"}},
        {"checkpoint_path": "elsewhere.pth"},
        {"pretrained_cfg_overlay": {"file": "elsewhere.pth"}, "cache_dir": "elsewhere"},
        {"weights_backbone": "DEFAULT"},
    ],
)
@pytest.mark.parametrize("read", READERS)
def test_no_file_makes_a_library_fetch_another(
    arguments: dict[str, Any], read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    described({"name": NAME, "arguments": arguments})

    def built(_self: NamedModel) -> nn.Module:
        raise AssertionError("the base model was built")

    monkeypatch.setattr(NamedModel, "build", built)
    first = sorted(arguments)[0]
    with pytest.raises(ValueError, match=rf"'a\.safetensors' gives '{NAME}' the arguments {first}.*give trust=True"):
        read("a.safetensors")


def test_a_trusted_file_says_how_its_base_model_is_built() -> None:
    model = NamedModel("squeezenet1_1", arguments={"weights": None, "progress": False}).build()
    conversion = convert(model, where="features.3.expand3x3")
    conversion.save("a.safetensors")
    assert torch.equal(load("a.safetensors").model.eval()(X), conversion.model.eval()(X))
    described({"name": "squeezenet1_1", "arguments": {"weights": "V9"}})
    with pytest.raises(ValueError, match=r"names 'squeezenet1_1', which cannot be built \(.*no weights='V9'"):
        load("a.safetensors", trust=True)


def test_all_arguments_by_which_timm_fetches_are_known() -> None:
    import timm

    harmless = {"model_name", "scriptable", "exportable", "no_jit", "kwargs"}
    fetching = [name for name in inspect.signature(timm.create_model).parameters if name not in harmless]
    assert NamedModel("a", arguments=dict.fromkeys(fetching, "b")).fetching == sorted(fetching)


@pytest.mark.parametrize("name", ["squeezenet1_1", NAME])
@pytest.mark.parametrize("read", READERS[:2])
def test_a_base_model_that_no_memory_holds_is_refused(name: str, read: Any) -> None:
    described({"name": name, "num_classes": 10**13})
    with pytest.raises(ValueError, match=rf"'a\.safetensors' names '{name}', which cannot be built .*; give the model"):
        read("a.safetensors")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (NAME, {"num_classes": 3 * 10**6}),  # 15 GB
        (NAME, {"num_classes": 10**5, "in_chans": 2 * 10**8}),
        ("timm:vit_tiny_patch16_224", {"img_size": 2**17}),  # of positions, in one tensor
        ("timm:vit_tiny_patch16_224", {"depth": 10**9}),
        ("timm:swin_tiny_patch4_window7_224", {"img_size": 9600, "window_size": 300}),  # of pairs of places
        ("regnet_y_400mf", {"num_classes": 10**7}),
    ],
)
@pytest.mark.parametrize("read", [load, open_model, "weights"])
def test_a_base_model_far_larger_than_its_file_is_refused_before_it_takes_memory(
    name: str, arguments: dict[str, Any], read: Any
) -> None:
    def by_weights(path: str) -> object:
        return open_model(name, weights=path)

    described({"name": name, "arguments": arguments})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ValueError,
        match=rf"'a\.safetensors' names '{name}', which cannot be built \(.*more than 3\d\d MiB\); give the model "
        r"that was converted, or trust=True",
    ):
        (by_weights if read == "weights" else read)("a.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB


def test_a_trusted_file_may_name_a_large_base_model() -> None:
    described({"name": "squeezenet1_1", "num_classes": 200_000})  # 400 MB
    with pytest.raises(ValueError, match=r"which cannot be built .*or trust=True if you trust the file"):
        load("a.safetensors")
    with pytest.raises(ValueError, match=r"does not fit the model at classifier.1.bias: .* \(1000,\) in the file"):
        load("a.safetensors", trust=True)


@pytest.mark.parametrize("forge", [lambda x: x.expand(10**9), lambda x: torch.empty(10**9, device="meta")])
def test_a_file_counts_the_numbers_that_it_holds(forge: Any) -> None:
    """A view repeats one number, and a tensor without memory has none."""
    described({"name": NAME, "arguments": {"num_classes": 3 * 10**6}})
    tensors, description = saved.read("a.safetensors")
    torch.save({"nifconv": description, "state_dict": {**tensors, "large": forge(torch.zeros(1))}}, "a.pt")
    assert read_content("a.pt").numbers < 2 * 10**6
    with pytest.raises(ValueError, match=rf"names '{NAME}', which cannot be built .*more than 3\d\d MiB"):
        open_model("a.pt")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("baked", [False, True])
def test_a_named_model_comes_back_in_its_precision(dtype: torch.dtype, baked: bool) -> None:
    x = X.to(dtype)
    made: Any = convert(NamedModel("squeezenet1_1", num_classes=3).build().to(dtype), where="features.3.expand3x3")
    made = bake(made.model, x) if baked else made
    made.save("a.safetensors")
    expected = made.model.eval()(x)
    readers = (
        lambda path: load(path).model,
        lambda path: open_model(path).module,
        lambda path: open_model("squeezenet1_1", weights=path).module,
    )
    for read in readers:
        model = read("a.safetensors").eval()
        assert {p.dtype for p in model.parameters()} == {dtype}
        assert torch.equal(model(x), expected)
    fresh = open_model("a.safetensors").fresh()
    assert {p.dtype for p in fresh.parameters()} == {dtype}


def test_a_model_in_two_precisions_needs_a_base_model() -> None:
    model = NamedModel("squeezenet1_1").build()
    model.features[12].double()
    convert(model, where="features.3.expand3x3").save("a.safetensors")
    with pytest.raises(
        ValueError, match=r"torch\.float64 .* in the file, torch\.float32 .*; give a base_model .*dtype"
    ):
        load("a.safetensors")
    assert load("a.safetensors", model).model.features[12].squeeze.weight.dtype == torch.float64


def test_a_compiled_model_is_named_by_what_is_compiled() -> None:
    model = NamedModel("squeezenet1_1").build()
    for options in ({}, {"base": "squeezenet1_1"}):
        baked = bake(convert(torch.compile(model), where="_orig_mod.features.3.expand3x3").model, X)
        baked.save("a.safetensors", **options)
        loaded = load("a.safetensors").model
        assert torch.equal(loaded.eval()(X), baked.model._orig_mod.eval()(X))


def test_a_model_that_was_only_named_is_opened_and_not_loaded() -> None:
    convert(NamedModel("squeezenet1_1").build(), where="features.3.expand3x3").save("a.safetensors")
    tensors, description = saved.read("a.safetensors")
    saved.write("a.safetensors", tensors, {**description, "conversions": []})
    with pytest.raises(ValueError, match=r"'a\.safetensors' was neither converted nor baked; open it with"):
        load("a.safetensors")
