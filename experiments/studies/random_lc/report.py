"""What the report says besides the numbers of results.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from experiments.studies.random_lc import variants
from experiments.studies.random_lc.variants import FREQUENCY, FROZEN_PLAIN, PLAIN, SMALLEST, Variant
from experiments.study.report import Data
from experiments.tasks.handwritten import CLASSES, SIDE


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    config = data["settings"]
    expansions, studied, rates = config["expansions"], config["studied"], config["learning_rates"]
    by_name = {row["name"]: row for row in data["rows"]}
    grid = variants.grid(config["sizes"], expansions)
    plain, narrow = variants.matched(expansions)

    def rows(chosen: Iterable[Variant]) -> list[Any]:
        return [by_name[variant.name] for variant in chosen]

    return {
        "v": variants,
        "classes": CLASSES,
        "side": SIDE,
        "rates": [f"rate {rate:g}" for rate in rates],
        "edge": [one["net"] for one in data["tuning"] if one["learning_rate"] in (min(rates), max(rates))],
        "expansion": rows([PLAIN, FROZEN_PLAIN, *(one for one in grid if one.family in (SMALLEST, FREQUENCY))]),
        "sizes": rows(one for one in grid if one.family != FREQUENCY),
        "matched": rows(
            [
                *(Variant(SMALLEST, False, e) for e in expansions),
                Variant(FREQUENCY, False, expansions[-1]),
                *plain,
                *narrow,
            ]
        ),
        "attacked": [row for row in data["rows"] if "attacked" in row["runs"][0]],
        "attacks": list(by_name[PLAIN.name]["runs"][0]["attacked"]),
        "activated": rows(net for one in variants.activated(studied) for net in (replace(one, activated=False), one)),
        "shared": rows(
            net for one in variants.shared(expansions, studied) for net in (replace(one, shared=False), one)
        ),
        "ladder": rows(variants.ladder(studied)),
    }
