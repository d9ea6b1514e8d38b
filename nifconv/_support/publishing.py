"""Models in a folder or on the Hugging Face Hub, with a model card that says what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from torch import Tensor

from nifconv._support import hub, saved
from nifconv._support.named import NamedModel

_CARD = """\
---
library_name: nifconv
tags:
- nifconv
- pytorch
- {kind}
---

# {title}

{what}

{base}

## How to load it

```python
import nifconv

model = nifconv.load({arguments}).model.eval()
```

{needs}

## What was {done}

```text
{report}
```

{mark}
"""
_MARK = (
    "<!-- Written by nifconv, and again whenever the model is saved here; take out this line to keep your own text. -->"
)
_CONVERTED = "convolutional network in which frequency convolutions have replaced others, as listed below."
_BAKED = "convolutional network whose frequency convolutions became plain ones again, as listed below."


class Publishable(ABC):
    """What can be saved in one file and printed as a report, such as a `Conversion`."""

    report: Any

    def __str__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        return str(self.report._repr_html_())

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:  # noqa: ARG002 - whatever a model takes
        """Says where the model is.

        Raises:
            TypeError: always.
        """
        # Easily forgotten: without this, `model = convert(model)` fails far away, as "object is not callable".
        name = type(self).__name__
        raise TypeError(f"a {name} holds the model and the report on it, and is not a model; call {name.lower()}.model")

    @abstractmethod
    def _content(self, base: str | NamedModel | None) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The tensors and the description that `save` writes."""

    def save_pretrained(
        self, save_directory: str | Path, *, base: str | NamedModel | None = None, repo_id: str | None = None
    ) -> None:
        """Writes `model.safetensors`, as `save` does, and a model card `README.md` into a folder.

        An existing card is replaced only if it still has the mark that nifconv leaves in its cards.

        Args:
            save_directory: the folder, created if it does not exist.
            base: see `save`.
            repo_id: "owner/name" on the Hub, for the card; by default the card says how to load the file itself.

        Raises:
            Exception: whatever `save` raises.
        """
        self._write(Path(save_directory), self._content(base), repo_id)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        base: str | NamedModel | None = None,
        commit_message: str = "Push model using nifconv",
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
    ) -> str:
        """Writes the model and a card, as `save_pretrained` does, into a repository on the Hugging Face Hub.

        Read it with `nifconv.load("hf://owner/name")`; every command takes that address for a model.

        Args:
            repo_id: "owner/name", or "name" under your own account; created if it does not exist.
            base: see `save`.
            commit_message: message of the single commit, which also replaces an earlier card.
            private: whether a new repository is private; by default what its owner has set.
            token: by default that of `hf auth login` or of the variable HF_TOKEN.
            revision: the branch, created if it does not exist; the main branch by default.

        Returns:
            The address of the commit.

        Raises:
            ImportError: huggingface_hub is not installed.
            Exception: whatever `save` or huggingface_hub raises.
        """
        api = hub.required("push_to_hub")
        content = self._content(base)  # first, so that a model which cannot be saved leaves no empty repository
        repo_id = api.create_repo(repo_id, private=private, token=token, exist_ok=True).repo_id
        if revision is not None:
            api.create_branch(repo_id, branch=revision, token=token, exist_ok=True)
        with TemporaryDirectory() as folder:
            self._write(Path(folder), content, repo_id if revision is None else f"{repo_id}@{revision}")
            return str(
                api.upload_folder(
                    repo_id=repo_id, folder_path=folder, commit_message=commit_message, token=token, revision=revision
                )
            )

    def _write(self, folder: Path, content: tuple[Mapping[str, Tensor], dict[str, Any]], repo_id: str | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        saved.write(folder / hub.FILE, *content)
        path = folder / "README.md"
        if not path.exists() or _MARK in path.read_text(encoding="utf-8"):  # its owner may have written more there
            path.write_text(_card(content[1], str(self), repo_id), encoding="utf-8")


def _card(description: Mapping[str, Any], report: str, repo_id: str | None) -> str:
    """The model card: YAML for the Hub's search, then what the model is, how to load it, and the report."""
    baked = "baked" in description
    named = None if description["base"] is None else NamedModel.from_spec(description["base"])
    address = f'"{hub.FILE}"' if repo_id is None else f'"{hub.PREFIX}{repo_id}"'
    needs = "It needs nifconv and safetensors." if repo_id is None else "It needs nifconv with its extra `hub`."
    # The Hub's own field `base_model` takes only repositories, and a model named in a library is not one.
    if named is None:
        base = "Base model: not recorded."
        arguments = f"{address}, base_model"
        needs += " `base_model` is a model of the architecture that was converted, with any weights."
    else:
        given = {key: value for key, value in named.to_spec().items() if key != "name"}
        details = ", ".join(f"{key}={value!r}" for key, value in given.items())
        base = f"Base model: `{named.name}`" + (f" with `{details}`." if details else ".")
        arguments = address
        if named.is_code:
            arguments += ", trust=True"
            needs += f" Loading calls `{named.name}`, which has to be on your machine: read it before you trust it."
    return _CARD.format(
        kind="baked" if baked else "frequency-convolution",
        done="baked" if baked else "converted",
        title=(repo_id or "").partition("@")[0] or (named.name if named else "Model"),
        what="A " + (_BAKED if baked else _CONVERTED),
        base=base,
        arguments=arguments,
        needs=needs,
        report=report,
        mark=_MARK,
    )
