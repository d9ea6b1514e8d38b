"""The survey of a model: its kernels at the map sizes at which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import nn

from nifconv._support import forward
from nifconv._support.arguments import integer, torch_module
from nifconv._support.randomness import draw_seed
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._null import NullCollector
from nifconv.footprint._reinitialize import check_different, reinitialized, reinitialized_model
from nifconv.footprint._result import Survey
from nifconv.footprint._sources import Subject, find_subjects
from nifconv.footprint.measures._kernels import Kernels

T = TypeVar("T")
Size = tuple[int, ...]
Groups = Callable[[str], str] | Mapping[str, str]
Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Wraps a loop to show its progress, such as `tqdm.tqdm` or `rich.progress.track`."""


def survey(
    model: nn.Module,
    example_input: forward.ExampleInput,
    *,
    null: int = 0,
    seed: int = 0,
    fresh: Callable[[], nn.Module] | None = None,
    groups: Groups | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Runs the model once, in eval mode without gradients, and measures the kernels of its spatial convolutions.

    `FrequencyConv` layers are evaluated at the size of the map that reaches them; `nn.ConvNd` layers are measured by
    their weights. 1x1 convolutions have no extent and are left out, as are transposed convolutions. An `LCConv` block
    is listed with its combined kernels under its own name, and with its spatial filters under `name.spatial`; only
    with these if it has one depthwise filter per channel, of which all combined kernels are multiples.

    Args:
        model: any module. Its weights and its train/eval state do not change.
        example_input: the model's argument, a tuple or list of its positional arguments, or a mapping of its keyword
            arguments.
        null: number of re-initialised copies of each layer in the null distribution, which separates what training did
            from what was there before: 20 or more, or 0 for none. Copies are re-initialised by the
            `reset_parameters` of the filter or `nn.ConvNd`.
        seed: seed of the re-initialisations; the global random state is neither used nor changed.
        fresh: function that builds an untrained model. The null distribution is then that of whole models, with the
            initialisation that they apply themselves. Give it if the model has its own: measures do not depend on the
            scale of the weights, but most depend on whether they are uniform, as in `nn.ConvNd`, or Gaussian.
        groups: function from a layer's name to its stage; or a mapping from stages to patterns of names, such as
            `{"early": "layer[12].*"}`, of which the first match counts, and "other" if there is none. By default the
            name up to the first part with a digit.
        progress: wraps the loop over the layers, or over the models built by `fresh`, such as `rich.progress.track`.

    Raises:
        TypeError: `model` is not a module, `example_input` has another type, `null` or `seed` is not an integer,
            `groups` is neither a function nor a mapping, or `fresh` is not callable or builds something else.
        ValueError: `null` is below 0, a layer cannot be re-initialised or is on the meta device, or `fresh` builds
            another architecture, returns `model` itself, or builds the same weights twice.
        Exception: whatever the model raises on the example input.

    >>> from torchvision.models import resnet18
    >>> found = survey(resnet18(), torch.randn(1, 3, 64, 64))
    >>> [layer.name for layer in found.stages["layer2"]][:2], found.layers[0].map_size
    (['layer2.0.conv1', 'layer2.0.conv2'], (64, 64))
    """
    torch_module("model", model)
    _check_null(null, seed, fresh)
    stage_of = _stage_function(groups)
    subjects = find_subjects(model)
    # A dict as an ordered set: a block and its spatial filters share the module that is called with the map.
    seen = forward.map_sizes(model, example_input, {subject.probe: None for subject in subjects})
    jobs = [(subject, size) for module, size in seen for subject in subjects if subject.probe is module]
    with forward.evaluating(model), torch.no_grad():
        if null and fresh is not None:
            layers = _measure_with_models(model, jobs, stage_of, null, seed, fresh, progress)
        else:
            layers = [_measure(*job, stage_of, null, seed) for job in _watched(jobs, progress)]
    run = {module for module, _ in seen}
    not_run = tuple(subject.name for subject in subjects if subject.probe not in run)
    return Survey(tuple(layers), not_run, _settings(model, example_input, null, seed, fresh, groups))


def _check_null(null: object, seed: object, fresh: object) -> None:
    if integer("null", null) < 0:
        raise ValueError(
            f"null={null} must be at least 0, the number of re-initialised copies; use 20 or more, or 0 for none"
        )
    integer("seed", seed)
    # A module is callable too, but it is the model and not a function that builds one.
    if fresh is not None and (isinstance(fresh, nn.Module) or not callable(fresh)):
        raise TypeError(f"fresh={type(fresh).__name__} must be a function that builds the model, such as lambda: Net()")


def _settings(
    model: nn.Module, example_input: forward.ExampleInput, null: int, seed: int, fresh: object, groups: Groups | None
) -> dict[str, Any]:
    return {
        "model": type(model).__name__,
        "input": _describe(example_input),
        "null": null,
        "seed": seed,
        "null distribution": "re-initialised " + ("models" if fresh else "layers"),
        "groups": _describe_groups(groups),
        "torch": torch.__version__,  # its random numbers, and so the null distribution, may change between releases
    }


def default_stage(name: str) -> str:
    """The name up to the first part with a digit; without one, its first part.

    >>> default_stage("layer1.0.conv2"), default_stage("features.3.1.block.0"), default_stage("stem")
    ('layer1', 'features.3', 'stem')
    """
    parts = name.split(".")
    for index, part in enumerate(parts):
        if any(character.isdigit() for character in part):
            return ".".join(parts[: index + 1])
    return parts[0]


def _measure(subject: Subject, size: Size, stage_of: Callable[[str], str], null: int, seed: int) -> LayerFootprint:
    layer = _footprint(subject, size, stage_of)
    if null == 0:
        return layer
    collector = _collector(layer)
    for draw in range(null):
        # The seed depends on the name and not on the position, so that other layers may come and go.
        copy = reinitialized(subject.module, draw_seed(seed, subject.name, draw))
        collector.add(subject.taps(copy, size))
    return replace(layer, null=collector.finish())


def _measure_with_models(
    surveyed: nn.Module,
    jobs: Sequence[tuple[Subject, Size]],
    stage_of: Callable[[str], str],
    null: int,
    seed: int,
    fresh: Callable[[], nn.Module],
    progress: Progress | None,
) -> list[LayerFootprint]:
    layers = [_footprint(*job, stage_of) for job in jobs]
    collectors = [_collector(layer) for layer in layers]
    before: nn.Module | None = None
    # Models outside, layers inside: each model is built once, and only two are in memory at a time.
    for draw in _watched(range(null), progress):
        model = reinitialized_model(fresh, draw_seed(seed, draw), surveyed)
        if before is not None:
            check_different(before, model)
        before = model
        modules = dict(model.named_modules())
        for (subject, size), collector in zip(jobs, collectors, strict=True):
            if not isinstance(modules.get(subject.name), type(subject.module)):
                raise ValueError(
                    f"fresh() has no {subject.kind} {subject.name!r}; it must build the architecture that is surveyed"
                )
            collector.add(subject.taps(modules[subject.name], size))
    return [replace(layer, null=found.finish()) for layer, found in zip(layers, collectors, strict=True)]


def _footprint(subject: Subject, size: Size, stage_of: Callable[[str], str]) -> LayerFootprint:
    taps = subject.taps(subject.module, size)
    return LayerFootprint(subject.name, subject.kind, size, taps, subject.periodic, stage_of(subject.name))


def _collector(layer: LayerFootprint) -> NullCollector:
    return NullCollector(layer.name, Kernels(layer.taps, layer.periodic))


def _watched(jobs: Sequence[T], progress: Progress | None) -> Iterable[T]:
    return progress(jobs) if progress else jobs


def _stage_function(groups: Groups | None) -> Callable[[str], str]:
    if groups is None:
        return default_stage
    if isinstance(groups, Mapping):
        patterns = dict(groups)
        # fnmatchcase, since fnmatch follows the file system and ignores case on Windows.
        return lambda name: next((stage for stage, p in patterns.items() if fnmatchcase(name, p)), "other")
    if callable(groups):
        return groups
    raise TypeError(
        f"groups={groups!r} must be a function from a layer's name to its stage, or a mapping from stages to patterns "
        'such as {"early": "layer[12].*"}'
    )


def _describe_groups(groups: Groups | None) -> Any:
    return dict(groups) if isinstance(groups, Mapping) else "by name" if groups is None else "by function"


def _describe(example_input: forward.ExampleInput) -> list[list[int]]:
    values = list(example_input.values()) if isinstance(example_input, Mapping) else example_input
    tensors = [values] if isinstance(values, torch.Tensor) else values
    return [list(value.shape) for value in tensors if isinstance(value, torch.Tensor)]  # nested ones are left out
