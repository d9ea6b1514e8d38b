"""One notion of a model: a name, a function, a conversion, a baked model, a checkpoint, or the folder of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from nifconv._support.named import NamedModel
from nifconv.models._content import SUFFIXES, Content, checkpoints, read
from nifconv.models._load import build_base, check_fetching, in_dtype_of, named_base, rebuild


@dataclass(frozen=True)
class OpenedModel:
    """A model and where it came from.

    Attributes:
        name: what to call it in tables and messages.
        module: the model.
        weights: where its weights come from: "random (newly initialised)", "pretrained", or a file.
        fresh: builds it with newly initialised weights.
    """

    name: str
    module: nn.Module
    weights: str
    fresh: Callable[[], nn.Module]


def open_model(
    what: str | NamedModel,
    *,
    weights: str | Path | None = None,
    pretrained: bool = False,
    num_classes: int | None = None,
    in_channels: int | None = None,
    trust: bool = False,
) -> OpenedModel:
    """Opens whatever stands for a model.

    Args:
        what: a `NamedModel` or the name of one; or a file of `Conversion.save` or `Baked.save`, a checkpoint of
            `experiments.train`, or the folder of such a run, whose last checkpoint is used, or "hf://owner/name" or
            "hf://owner/name@revision" on the Hugging Face Hub: these say how to build their model.
        weights: a file with weights for it, local or on the Hub, full or compact, perhaps inside a checkpoint or with
            the prefixes that wrappers add. If the file says how its model was made from `what`, that model is built.
        pretrained, num_classes, in_channels: for a named model; see `NamedModel`.
        trust: do what a file asks for: call the function that it names, fetch other files; see `nifconv.load`.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: the named function does not return a module.
        ValueError: there is no such model, the file does not say what its model is, or the weights do not fit.
    """
    given = {"num_classes": num_classes, "in_channels": in_channels}
    if isinstance(what, NamedModel) or not is_file(what):
        named = what if isinstance(what, NamedModel) else NamedModel(what, num_classes, in_channels)
        start = "pretrained" if pretrained else "random (newly initialised)"
        if weights is None:
            return OpenedModel(named.name, named.build(pretrained=pretrained), start, named.build)
        return _with_weights(named, read(weights), pretrained, trust=trust)
    refused = [name for name, value in {**given, "pretrained": pretrained or None}.items() if value is not None]
    if refused:
        raise ValueError(f"{refused[0]}={given.get(refused[0], True)} is for a model given by name; {what!r} is a file")
    described = read(what)
    base = named_base(described, trust=trust)

    def fresh() -> nn.Module:
        return rebuild(described, build_base(described, base))[0]

    model = fresh()  # `fresh` builds newly initialised ones for a null distribution too; the weights come next
    content = described if weights is None else read(weights)
    content.load_into(model)
    return OpenedModel(what, model, content.source, fresh)


def is_file(what: str) -> bool:
    """Whether it means a file, a folder or a repository rather than a model by name."""
    return what.endswith(SUFFIXES) or "/" in what or (Path(what).is_dir() and bool(checkpoints(Path(what))))


def _with_weights(named: NamedModel, content: Content, pretrained: bool, *, trust: bool) -> OpenedModel:
    name = f"{named.name}, {content.path.name}"
    fresh: Callable[[], nn.Module] = named.build
    if content.description is None:
        model = named.build(pretrained=pretrained)
    else:
        described = content.made["base"]
        if described and described["name"] == named.name and named == NamedModel(named.name):
            named = NamedModel.from_spec(described)  # the user names the function, and the file its arguments
            check_fetching(content, named, trust=trust)

        def again() -> nn.Module:
            # A user's function may return the converted model, which `rebuild` leaves as it is.
            return rebuild(content, in_dtype_of(content, named.build()))[0]

        fresh = again
        model = fresh()
    content.load_into(model)
    return OpenedModel(name, model, content.source, fresh)
