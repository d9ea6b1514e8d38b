"""Warnings that a run cannot avoid and nobody can act upon."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Inside, they are not shown."""
    with warnings.catch_warnings():
        # Lightning 2.6 walks its data loaders with a torch function that torch 2.15 deprecates.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        # So does its command line with one of jsonargparse's.
        warnings.filterwarnings(
            "ignore", r"\s*(``instantiate_classes``|By default only one Jsonarg)", DeprecationWarning
        )
        # It also warns of arguments from elsewhere than the command line of the process, which may have others.
        warnings.filterwarnings("ignore", r"LightningCLI's args parameter is intended to run", UserWarning)
        # A study's last word is its test; it has no use for a validation after each epoch.
        warnings.filterwarnings("ignore", r"You defined a `validation_step` but have no `val_dataloader`", UserWarning)
        # Nor has a recipe that holds nothing out, whose data module gives an empty list.
        warnings.filterwarnings("ignore", r"Total length of `list` across ranks is zero", UserWarning)
        # What a checkpoint holds for a test are the averaged weights; the others are for going on.
        warnings.filterwarnings(
            "ignore", r"You're using the WeightAveraging callback, but loading a checkpoint outside"
        )
        # The hook does nothing unless the strategy shards, which weight averaging is not for in any case.
        warnings.filterwarnings("ignore", r"You're using the WeightAveraging callback with a model that overrides")
        yield
