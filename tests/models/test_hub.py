"""Models in folders and on the Hub, which here is a folder: huggingface_hub's functions copy into it and out of it."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from nifconv import ImplicitFilter, bake, convert, load
from nifconv.cli._app import app
from nifconv.models import NamedModel, open_model

OWN = """
from pathlib import Path
from torch import nn

def net(num_classes=2):
    Path("called").touch()
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, num_classes),
    )
"""
NET = "nets_on_the_hub:net"
LOGIN = "hf_of_mine"
X = torch.randn(2, 3, 9, 8)


class Hub:
    """Repositories as folders, `root/owner/name/revision`, and what was asked of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: dict[str, Any] = {}

    def create_repo(self, repo_id: str, *, private: bool | None, token: str | None, exist_ok: bool) -> Any:
        repo_id = repo_id if "/" in repo_id else f"me/{repo_id}"
        (self.root / repo_id / "main").mkdir(parents=True, exist_ok=exist_ok)
        self.asked["create"] = (private, token)
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def create_branch(self, repo_id: str, *, branch: str, token: str | None, exist_ok: bool) -> None:
        (self.root / repo_id / branch).mkdir(exist_ok=exist_ok)
        self.asked["branch"] = token

    def upload_folder(
        self, *, repo_id: str, folder_path: str, commit_message: str, token: str | None, revision: str | None
    ) -> str:
        target = self.root / repo_id / (revision or "main")
        assert target.is_dir()
        shutil.copytree(folder_path, target, dirs_exist_ok=True)
        self.asked["upload"] = (commit_message, token)
        return f"{repo_id} at {revision}"

    def hf_hub_download(self, repo_id: str, filename: str, *, revision: str | None, token: str | None) -> str:
        file = self.root / repo_id / (revision or "main") / filename
        self.asked["download"] = token
        if not file.exists():
            raise huggingface_hub.errors.LocalEntryNotFoundError(f"404 for {repo_id}\nand more")
        return str(file)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    stand_in = Hub(tmp_path / "hub")
    for name in ("create_repo", "create_branch", "upload_folder", "hf_hub_download"):
        monkeypatch.setattr(huggingface_hub, name, getattr(stand_in, name))
    return stand_in


@pytest.fixture(autouse=True)
def _own_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets_on_the_hub.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_on_the_hub", raising=False)


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))


def by_its_card(card: Path, **given: object) -> nn.Module:
    """What the lines of Python in a model card build."""
    (code,) = re.findall(r"```python\n(.*?)```", card.read_text(), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 3
    names = dict(given)
    exec(code, names)  # noqa: S102 - the point of the card
    model = names["model"]
    assert isinstance(model, nn.Module)
    assert not model.training
    return model


def same(one: nn.Module, other: nn.Module) -> None:
    assert torch.equal(one.eval()(X), other.eval()(X))


def test_a_conversion_of_a_library_model_goes_through_the_hub(hub: Hub) -> None:
    conversion = convert(NamedModel("resnet18", num_classes=5).build(), where="layer1.*")
    told = conversion.push_to_hub("me/converted", commit_message="First", private=True, token=LOGIN)
    assert told == "me/converted at None"
    assert hub.asked == {"create": (True, LOGIN), "upload": ("First", LOGIN)}
    assert sorted(path.name for path in (hub.root / "me/converted/main").iterdir()) == [
        "README.md",
        "model.safetensors",
    ]
    x = torch.randn(1, 3, 32, 32)
    expected = conversion.model.eval()(x)
    card = hub.root / "me/converted/main/README.md"
    for model in (
        load("hf://me/converted", token=LOGIN).model,
        open_model("hf://me/converted").module,
        by_its_card(card),
    ):
        assert torch.equal(model.eval()(x), expected)
    text = card.read_text()
    assert "Base model: `resnet18` with `num_classes=5`." in text
    assert str(conversion.report) in text
    data = huggingface_hub.ModelCard(text).data
    assert data.library_name == "nifconv"
    assert data.tags == ["nifconv", "pytorch", "frequency-convolution"]


def test_a_baked_model_goes_through_the_hub(hub: Hub) -> None:
    base = small()
    baked = bake(convert(base).model, X, tolerance=0.01)
    baked.push_to_hub("plain")  # under one's own account
    same(load("hf://me/plain", base).model, baked.model)
    card = hub.root / "me/plain/main/README.md"
    same(by_its_card(card, base_model=base), baked.model)
    assert "Base model: not recorded." in card.read_text()
    assert baked.report.summary in card.read_text()
    assert huggingface_hub.ModelCard(card.read_text()).data.tags == ["nifconv", "pytorch", "baked"]


def test_a_revision_is_in_the_address_or_beside_it(hub: Hub) -> None:
    base = small()
    one, two = convert(base), convert(base, to="dense")
    one.push_to_hub("me/net")
    two.push_to_hub("me/net", revision="dense", token=LOGIN)
    assert hub.asked["branch"] == LOGIN
    same(load("hf://me/net", base).model, one.model)
    same(load("hf://me/net@dense", base).model, two.model)
    card = hub.root / "me/net/dense/README.md"
    assert card.read_text().count("me/net@dense") == 1
    assert "\n# me/net\n" in card.read_text()
    same(by_its_card(card, base_model=base), two.model)
    same(load("hf://me/net", base, revision="dense").model, two.model)
    with pytest.raises(ValueError, match=r"'hf://me/net@dense' and revision='main' give the revision twice; leave one"):
        load("hf://me/net@dense", base, revision="main")


def test_no_code_of_the_hub_runs_without_trust(hub: Hub, tmp_path: Path) -> None:
    conversion = convert(NamedModel(NET).build(), where="1")
    conversion.push_to_hub("me/own")
    (tmp_path / "called").unlink()
    for read in (load, open_model):
        with pytest.raises(ValueError, match=rf"made from '{NET}', a function that is called only if you trust"):
            read("hf://me/own")
    assert not (tmp_path / "called").exists()
    same(open_model("hf://me/own", trust=True).module, conversion.model)
    card = hub.root / "me/own/main/README.md"
    same(by_its_card(card), conversion.model)
    assert f"Loading calls `{NET}`" in card.read_text()


def test_commands_take_an_address(hub: Hub) -> None:
    convert(NamedModel(NET).build(), where="1").push_to_hub("me/own")
    done = CliRunner().invoke(app, ["inspect", "hf://me/own", "--trust", "--input-size", "9"])
    assert done.exit_code == 0, done.output
    assert "hf://me/own" in done.output
    refused = CliRunner().invoke(app, ["inspect", "hf://me/absent"])
    assert refused.exit_code == 2
    assert "'hf://me/absent' could not be fetched" in " ".join(refused.output.replace("│", " ").split())
    assert hub.asked["download"] is None


def test_weights_of_a_named_model_may_be_on_the_hub(hub: Hub) -> None:
    model = NamedModel(NET).build()
    (hub.root / "other/plain/main").mkdir(parents=True)
    save_file(model.state_dict(), hub.root / "other/plain/main/model.safetensors")
    same(open_model(NET, weights="hf://other/plain").module, model)
    done = CliRunner().invoke(app, ["inspect", NET, "--weights", "hf://other/plain", "--input-size", "9"])
    assert done.exit_code == 0, done.output
    with pytest.raises(ValueError, match=r"model\.safetensors' does not say how its model was made"):
        load("hf://other/plain", model)


def test_an_address_may_be_a_path(hub: Hub) -> None:
    base = small()
    conversion = convert(base)
    conversion.push_to_hub("me/net", revision="v1")
    same(load(Path("hf://me/net@v1"), base).model, conversion.model)
    assert set(hub.asked) == {"create", "branch", "upload", "download"}


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("address", ["hf://me", "hf://me/net/more", "hf://me/net@", "hf:///net"])
def test_an_address_names_an_owner_and_a_model(address: str) -> None:
    with pytest.raises(ValueError, match=rf"'{address}' is not an address on the Hub; write hf://owner/name or"):
        load(address)


@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_give_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"'hf://me/absent' could not be fetched: 404 for me/absent; check its"):
        load("hf://me/absent")


def test_a_path_has_no_revision_and_no_token() -> None:
    with pytest.raises(
        ValueError, match=r"revision='v1' has no meaning for 'a\.safetensors'; give hf://owner/name, or"
    ):
        load("a.safetensors", revision="v1")
    with pytest.raises(ValueError, match=r"token='\.\.\.' has no meaning for 'a\.safetensors'"):
        load("a.safetensors", token=LOGIN)


def test_a_model_that_cannot_be_saved_leaves_no_repository(hub: Hub) -> None:
    def mine(*shape: int) -> ImplicitFilter:
        return ImplicitFilter(*shape)

    with pytest.raises(ValueError, match="mine"):
        convert(small(), filter=mine).push_to_hub("me/mine")
    assert not hub.root.exists()


def test_without_the_extra_an_error_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"hf://me/net needs huggingface_hub; .* pip install 'nifconv\[hub\]'"):
        load("hf://me/net")
    with pytest.raises(ImportError, match=r"push_to_hub needs huggingface_hub; .* pip install 'nifconv\[hub\]'"):
        convert(small()).push_to_hub("me/net")


def test_a_folder_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    conversion, folder = convert(small()), tmp_path / "new" / "folder"
    conversion.save_pretrained(folder, base=NET)
    text = (folder / "README.md").read_text()
    assert f"# {NET}" in text
    assert f"Base model: `{NET}`." in text
    # The card is ours until its owner takes it over.
    bake(conversion.model, X).save_pretrained(folder)
    assert "## What was baked" in (folder / "README.md").read_text()
    own = text.replace("<!-- Written by nifconv", "My words\n<!-- ")
    (folder / "README.md").write_text(own)
    conversion.save_pretrained(folder)
    assert (folder / "README.md").read_text() == own
    (folder / "README.md").unlink()
    conversion.save_pretrained(folder)
    base = small()
    monkeypatch.chdir(folder)
    same(by_its_card(Path("README.md"), base_model=base), conversion.model)
    conversion.save_pretrained(tmp_path / "other", base="resnet18", repo_id="me/net")
    assert 'nifconv.load("hf://me/net")' in (tmp_path / "other" / "README.md").read_text()
