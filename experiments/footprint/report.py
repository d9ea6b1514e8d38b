"""REPORT.md: every number from the content of results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    settings = data["settings"]
    net = data["convnext_tiny"]
    lines = [
        "# How local are the published filters before any training?",
        "",
        "Published curves of kernel mass come from a window that is labelled 9 and is 8 pixels wide, from -4 to +3",
        "about the centre, and partly from layers evaluated on maps they never run at. Here the same numbers are",
        "computed their way, and beside them the mass within exact centred windows. All filters are untrained: what is",
        "seen is the prior of a small network of frequency, not anything that was learned.",
        "",
        "## The published filter with the published (PyTorch's default) initialisation",
        "",
        f"Means over {settings['layers']} layers; rebuilt after the published code, without this library.",
        "",
        "| filter | map | at label 9, their way | std of layers | within 9 x 9 | within 7 x 7 | known at label 9 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    expected = {int(size): value for size, value in settings["expected"].items()}
    for row in data["published"]:
        cells = [_share(row[key]) for key in ("label_9", "label_9_std_of_layers", "exact_9", "exact_7")]
        lines.append(f"| {row['filter']} | {row['map']} | {' | '.join(cells)} | {_share(expected.get(row['map']))} |")
    lines += _beside_trained(data)
    lines += [
        "",
        "## ResNet-50 converted by this library, at the sizes its layers run at",
        "",
        f"`convert(resnet50(), filter=...)` on inputs of {settings['input_size']} pixels. The filters of this library",
        "start from another initialisation, in which no direction of the trunk dominates. The first share is again",
        "computed their way. These filters ring: outside 9 x 9, most of their mass lies on the axes (3 pixels wide),",
        "and the signs of neighbours there differ. That is a jump of the parametrisation at the Nyquist frequency, not",
        "reach.",
        "",
        "| filter | map | layers | at label 9, their window | within 9 x 9 | within 7 x 7 | size 90 %, px (median) "
        "| of the mass outside 9 x 9, on the axes | neighbours of opposite sign there |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in data["resnet50"]:
        cells = [_share(row[key]) for key in ("label_9", "exact_9", "exact_7")]
        lines.append(
            f"| {row['filter']} | {row['map']} | {row['layers']} | {' | '.join(cells)} | {row['size90']:.0f} "
            f"| {_share(row['on_cross'])} | {_share(row['sign_alternation'])} |"
        )
    lines += [
        "",
        "![Mass within centred windows of both filters, stage by stage](mass.png)",
        "",
        "On a map smaller than the window a share has no meaning of its own: within 9 x 9 is the whole map.",
        "",
        "## What a survey costs",
        "",
        f"ConvNeXt-T converted with `niff_big`, {net['layers']} layers with {net['kernels']:,} kernels, beside "
        f"{settings['null']} re-initialised copies: {net['seconds_of_survey']:.1f} s for the survey, "
        f"{net['seconds_of_page']:.1f} s for the page of {net['megabytes']:.1f} MB, {settings['threads']} threads. "
        f"A converted ResNet-50 without them takes {data['resnet50'][0]['seconds_of_survey']:.1f} s.",
        "",
        "The seconds depend on what else the processor does. Run it: `python -m experiments.footprint`.",
        "",
    ]
    return "\n".join(lines)


def _beside_trained(data: Mapping[str, Any]) -> list[str]:
    """The published curves of the trained ResNet-50 over those of the untrained filter on the same grid."""
    untrained = {row["map"]: row["by_label"] for row in data["published"] if row["filter"] == "niff_small"}
    labels = list(next(iter(untrained.values())))
    lines = [
        "",
        "## The published trained filter beside it",
        "",
        "Mass at each label in the authors' figure of a ResNet-50 trained on ImageNet (read to within 0.02), and in",
        "brackets that of its filter before any training, on the same grid. Where the two agree, the locality of the",
        "trained kernels is that of the parametrisation.",
        "",
        f"| stage | grid | {' | '.join(labels)} |",
        f"|---|---:|{'---:|' * len(labels)}",
    ]
    for stage, given in data["trained"].items():
        before = untrained.get(given["map"], {})
        pairs = zip(given["by_label"], labels, strict=True)
        cells = [f"{_share(value)} ({_share(before.get(label))})" for value, label in pairs]
        lines.append(f"| {stage} | {given['map']} | {' | '.join(cells)} |")
    return lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
