"""REPORT.md from results.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.study import markdown

_DAY = 24
_WHAT = (
    "A step is forward, loss and backward of one net on random images. The variants of a recipe take turns in one run. "
    "The time of all epochs is that of a step, divided by its images and multiplied by those of the recipe. It leaves "
    "out what happens beside the net: reading and augmenting images, which workers do meanwhile, the optimiser, which "
    "steps once for each batch of the recipe, and the evaluation after each epoch. A step of few images overstates "
    "what it costs to evaluate filters, which does not depend on the number of images."
)


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md, with all its numbers from the content of results.json."""
    sections = {
        "How it is measured": f"{_WHAT}\n\n{_conditions(data['settings'])}",
        **{recipe["name"]: _recipe(recipe) for recipe in data["recipes"]},
    }
    return markdown.report("What the recipes cost", sections, "python -m experiments.recipes cost")


def _conditions(settings: Mapping[str, Any]) -> str:
    number = "bfloat16 (autocast)" if settings["bfloat16"] else "float32"
    shared = "; the machine was shared, so that ratios are sounder than times" if settings["device"] == "cpu" else ""
    threads = f", {settings['threads']} thread(s)" if settings["device"] == "cpu" else ""
    return (
        f"Measured on {settings['processor']}{threads}{shared}; torch {settings['torch']}, {number}, "
        f"{settings['batch']} images in a step, medians of {settings['repeats']} steps and the quartiles around them. "
        "On other hardware: `python -m experiments.recipes cost --device cuda --bfloat16 --batch 128 --out FOLDER`."
    )


def _recipe(recipe: Mapping[str, Any]) -> str:
    header = (
        "variant",
        "learnable parameters",
        "step, s (quartiles)",
        "images per second",
        "times original",
        "all epochs, hours",
        "days",
    )
    intro = f"{recipe['title']}: {recipe['epochs']} epochs of {recipe['images']:,} images, {recipe['size']} pixels."
    return f"{intro}\n\n{markdown.table(header, _rows(recipe))}"


def _rows(recipe: Mapping[str, Any]) -> Iterator[list[str]]:
    for row in recipe["rows"]:
        seconds, hours = row["seconds"], row["hours"]
        yield [
            row["variant"],
            f"{row['parameters']:,}",
            f"{seconds['median']:.3f} ({seconds['low']:.3f} to {seconds['high']:.3f})",
            f"{row['images_per_second']:.1f}",
            f"{row['times_original']:.2f}",
            f"{hours:,.1f}",
            f"{hours / _DAY:,.1f}",
        ]
