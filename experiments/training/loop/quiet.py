"""Warnings that a run cannot avoid and a user cannot act upon."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Hides these warnings within the context."""
    with warnings.catch_warnings():
        # Lightning 2.6 walks its data loaders with a torch function that torch 2.15 deprecates.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        # So does its command line with one of jsonargparse's.
        warnings.filterwarnings(
            "ignore", r"\s*(``instantiate_classes``|By default only one Jsonarg)", DeprecationWarning
        )
        # It also warns of arguments that do not come from the command line of the process.
        warnings.filterwarnings("ignore", r"LightningCLI's args parameter is intended to run", UserWarning)
        # Studies test at the end and need no validation after each epoch.
        warnings.filterwarnings("ignore", r"You defined a `validation_step` but have no `val_dataloader`", UserWarning)
        # Nor do recipes that hold nothing out, whose data module gives an empty list.
        warnings.filterwarnings("ignore", r"Total length of `list` across ranks is zero", UserWarning)
        # A test uses the averaged weights of a checkpoint; the others serve to resume.
        warnings.filterwarnings(
            "ignore", r"You're using the WeightAveraging callback, but loading a checkpoint outside"
        )
        # The hook does nothing unless the strategy shards, which weight averaging does not support in any case.
        warnings.filterwarnings("ignore", r"You're using the WeightAveraging callback with a model that overrides")
        yield
