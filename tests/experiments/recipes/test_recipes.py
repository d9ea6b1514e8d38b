"""The recipes hold the published values, run, and can be started as their README says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import EMAWeightAveraging
from timm.optim import Lamb
from torchvision import datasets
from typer.testing import CliRunner

from experiments.nets.resnet_lc import resnet_lc
from experiments.recipes.__main__ import app
from experiments.recipes.catalogue import FOLDER, ORIGINAL, RECIPES, SMOKE, Recipe
from experiments.study.report import render
from experiments.training.loop.quiet import expected_warnings
from nifconv import FrequencyConv2d, LCConv2d, count_parameters
from tests.experiments import commands
from tests.experiments.published import COLOURS, write_cifar, write_photographs

PLAIN = 269_722 - 267_696
"""Parameters of norms and head."""
BATCHES = {"cifar10": 256, "imagenet100": 512, "imagenet1k_convnext": 4096, "imagenet1k_rsb_a2": 2048}
CONVNEXT = {
    "model.optimizer.class_path": "torch.optim.AdamW",
    "model.optimizer.init_args.weight_decay": 0.05,
    "model.loss": "softmax",
    "model.label_smoothing": 0.1,
    "model.mixing.mixup": 0.8,
    "model.mixing.cutmix": 1.0,
    "net.name": "timm:convnext_tiny",
    "net.arguments.drop_path_rate": 0.1,
    "net.conversion.filter": "niff-big",
    "data.init_args.views.policy": "rand",
    "data.init_args.views.magnitude": 27,
    "data.init_args.views.erasing": 0.25,
    "data.init_args.views.crop_ratio": 0.875,
    "trainer.max_epochs": 300,
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "cifar10": {
        "model.optimizer.class_path": "torch.optim.SGD",
        "model.optimizer.init_args.lr": 1e-2,
        "model.optimizer.init_args.momentum": 0.9,
        "model.optimizer.init_args.nesterov": True,
        "model.optimizer.init_args.weight_decay": 1e-2,
        "model.schedule.init_args.warmup": 0.0,
        "model.schedule.init_args.floor": 0.0,
        "model.loss": "softmax",
        "model.label_smoothing": 0.1,
        "model.mixing": None,
        "model.decay_norm_and_bias": True,
        "data.init_args.validation": 0,
        "trainer.max_epochs": 75,
    },
    "imagenet100": {**CONVNEXT, "model.optimizer.init_args.lr": 5e-4, "data.init_args.classes": 100},
    "imagenet1k_convnext": {**CONVNEXT, "model.optimizer.init_args.lr": 4e-3, "data.init_args.classes": 1000},
    "imagenet1k_rsb_a2": {
        "model.optimizer.class_path": "timm.optim.Lamb",
        "model.optimizer.init_args.lr": 5e-3,
        "model.optimizer.init_args.weight_decay": 0.02,
        "model.loss": "sigmoid",
        "model.label_smoothing": 0.0,
        "model.mixing.mixup": 0.1,
        "model.mixing.cutmix": 1.0,
        "net.name": "timm:resnet50",
        "net.arguments.drop_path_rate": 0.05,
        "net.conversion.filter": "niff-small",
        "data.init_args.views.magnitude": 21,
        "data.init_args.views.erasing": 0.0,
        "data.init_args.views.crop_ratio": 0.95,
        "trainer.callbacks": None,
        "trainer.max_epochs": 300,
    },
}
WARM_UP_EPOCHS = {"cifar10": 0, "imagenet100": 20, "imagenet1k_convnext": 20, "imagenet1k_rsb_a2": 5}
TINY = {
    "imagenet100": "{drop_path_rate: 0.1, depths: [1, 1, 1, 1], dims: [4, 8, 16, 32]}",
    "imagenet1k_rsb_a2": "{drop_path_rate: 0.05, layers: [1, 1, 1, 1], channels: [4, 8, 16, 32]}",
}
every = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


@pytest.fixture(scope="module")
def parser() -> Any:
    return RECIPES[0].prepare(ORIGINAL).parser


def parsed(parser: Any, args: list[str]) -> Any:
    with expected_warnings():
        return parser.parse_args(args)


def test_every_file_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {recipe.name for recipe in RECIPES}
    listed = CliRunner().invoke(app, [], env={"COLUMNS": "120"}).output
    assert "--config experiments/recipes/NAME.yaml" in listed
    for recipe in RECIPES:
        assert re.search(rf"{recipe.name} .* {recipe.images:,} ", listed)


@every
def test_the_published_values_are_set(recipe: Recipe, parser: Any) -> None:
    config = parsed(parser, ["--config", str(recipe.path)])
    plain = config.as_dict()
    for key, value in PUBLISHED[recipe.name].items():
        found: Any = plain
        for part in key.split("."):
            found = found[part]
        assert found == value, key
    assert config.model.schedule.class_path == "experiments.training.loop.schedules.Cosine"
    assert config.model.schedule.init_args.warmup * config.trainer.max_epochs == pytest.approx(
        WARM_UP_EPOCHS[recipe.name]
    )
    assert batch(config) == BATCHES[recipe.name]
    assert config.out == f"runs/{recipe.name}"


def batch(config: Any) -> int:
    devices = 1 if config.trainer.devices == "auto" else int(config.trainer.devices)
    return devices * config.data.init_args.batch_size * config.trainer.accumulate_grad_batches


def test_weights_are_averaged_as_published(parser: Any) -> None:
    for name in ("imagenet100", "imagenet1k_convnext"):
        config = parsed(parser, ["--config", str(FOLDER / f"{name}.yaml")])
        (callback,) = config.trainer.callbacks
        assert callback.class_path.endswith(EMAWeightAveraging.__name__)
        assert callback.init_args.decay == 0.9999


def test_the_two_convnext_recipes_differ_in_data_batch_and_rate_alone() -> None:
    one, other = (yaml.safe_load((FOLDER / f"{n}.yaml").read_text()) for n in ("imagenet100", "imagenet1k_convnext"))
    for config in (one, other):
        del config["out"], config["model"]["optimizer"]["init_args"]["lr"], config["trainer"]["accumulate_grad_batches"]
        del config["model"]["schedule"]["init_args"]["floor"]
    assert (one["data"]["init_args"].pop("classes"), one["data"]["init_args"].pop("class_list")) == (
        100,
        "data/imagenet100.txt",
    )
    assert one == other


@pytest.mark.parametrize("expansion", [1, 8])
def test_frozen_nets_of_cifar_learn_the_published_counts(expansion: int, parser: Any) -> None:
    config = parsed(parser, ["--config", str(RECIPES[0].path), f"--net.arguments.expansion={expansion}"])
    count = count_parameters(parser.instantiate_classes(config).net.build(10, 3))
    assert (count.pointwise, count.frozen) == (32_512 * expansion, 267_696 * expansion)
    assert count.learnable == 32_512 * expansion + PLAIN


def test_variants_of_cifar_are_what_they_are_called() -> None:
    nets = {variant: RECIPES[0].prepare(variant).model.net for variant in RECIPES[0].variants}
    counts = {variant: count_parameters(net) for variant, net in nets.items()}
    assert counts["frozen 3x3, E = 8"].frozen == 8 * 267_696
    assert counts["learned 3x3, E = 8"].learnable == 8 * (267_696 + 32_512) + PLAIN
    assert counts["frozen 3x3, E = 128"].frozen == 128 * 267_696
    assert counts["frozen frequency filters, E = 8"].pointwise == 8 * 32_512
    assert counts["frozen frequency filters, E = 8"].learnable == 8 * 32_512 + PLAIN
    assert counts[ORIGINAL] == count_parameters(resnet_lc(20, 16))
    sizes = {
        m.spatial.kernel_size for m in nets["frozen frequency filters, E = 8"].modules() if isinstance(m, LCConv2d)
    }
    assert sizes == {None}


@pytest.mark.parametrize(("name", "blocks"), [("imagenet1k_convnext", 18), ("imagenet1k_rsb_a2", 13)])
def test_the_original_has_no_frequency_filters_and_the_recipe_has(name: str, blocks: int) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    for variant, expected in ((ORIGINAL, 0), ("recipe", blocks)):
        net = recipe.prepare(variant).model.net
        assert sum(isinstance(module, FrequencyConv2d) for module in net.modules()) == expected


def test_lamb_steps_are_those_of_a_mean_over_the_classes(parser: Any) -> None:
    config = parsed(parser, ["--config", str(FOLDER / "imagenet1k_rsb_a2.yaml")])
    given = config.model.optimizer.init_args
    torch.manual_seed(0)
    start, gradients = torch.randn(4, 3), [3 * torch.randn(4, 3) * scale for scale in (1, 1e-5, 1e-6)]
    ends = []
    for classes, eps, norm in ((1, 1e-6, 1.0), (1000, given.eps, given.max_grad_norm)):
        weight = torch.nn.Parameter(start.clone())
        optimizer = Lamb([weight], lr=given.lr, weight_decay=given.weight_decay, eps=eps, max_grad_norm=norm)
        for gradient in gradients:
            weight.grad = classes * gradient
            optimizer.step()
        ends.append(weight.detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-5, atol=1e-6)


def fit(recipe: str, root: Path, out: Path, *more: str) -> None:
    options = ("--out", str(out), "--data.root", str(root), "--data.batch_size", "2", "--data.workers", "0")
    quiet = ("--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false")
    config = str(FOLDER / f"{recipe}.yaml")
    commands.run(["fit", "--config", config, "--limit", "2", *options, *quiet, *more])


def test_the_cifar_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, "labels")
    run = tmp_path / "run"
    fit("cifar10", tmp_path, run)
    state = commands.last(run)
    assert state["global_step"] == 2
    assert len(state["lr_schedulers"]) == 1
    commands.run(["test", "--config", str(run / "config.yaml")])


@pytest.mark.parametrize("name", TINY)
def test_the_imagenet_recipes_run(name: str, tmp_path: Path) -> None:
    write_photographs(tmp_path)
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(COLOURS))
    run = tmp_path / "run"
    options = ("--data.classes", "3", "--data.class_list", str(classes), "--net.arguments", TINY[name])
    views = ("--data.views.size", "64", "--data.views.test_size", "64")
    fit(name, tmp_path, run, *options, *views)
    state = commands.last(run)
    assert state["global_step"] == 1  # one batch is not full before the epoch ends
    assert ("averaging_state" in state) == (name == "imagenet100")
    commands.run(["test", "--config", str(run / "config.yaml")])


@pytest.mark.parametrize(
    ("name", "parameters"), [("imagenet1k_convnext", 28_930_408), ("imagenet1k_rsb_a2", 18_280_128)]
)
def test_the_whole_net_has_gradients_at_another_size(name: str, parameters: int) -> None:
    net = next(recipe for recipe in RECIPES if recipe.name == name).prepare("recipe").model.net
    assert count_parameters(net).learnable == parameters
    net(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def documented() -> list[list[str]]:
    """The arguments of every training in the README."""
    blocks = re.findall(r"```bash\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").replace("$seed", "1").splitlines()
    return [shlex.split(line.split("experiments.train ")[1]) for line in lines if "experiments.train " in line]


def test_every_documented_command_is_one_of_ours_and_keeps_the_batch(parser: Any) -> None:
    found = documented()
    names = set()
    for command, flag, file, *rest in found:
        assert flag == "--config"
        if command == "test":
            assert file == "runs/cifar10/config.yaml"
            continue
        assert command == "fit"
        assert (FOLDER / Path(file).name).resolve() == (FOLDER.parents[1] / file).resolve()
        config = parsed(parser, ["--config", str(FOLDER.parents[1] / file), *rest])
        assert batch(config) == BATCHES[Path(file).stem]
        names.add(Path(file).stem)
    assert names == set(BATCHES)


def test_the_documented_variants_are_those_that_are_measured(parser: Any) -> None:
    file = "experiments/recipes/cifar10.yaml"
    arguments = [
        parsed(parser, args[1:]).net.arguments for args in documented() if args[:3] == ["fit", "--config", file]
    ]
    for variant, options in RECIPES[0].variants.items():
        assert parsed(parser, ["--config", file, *options]).net.arguments in arguments, variant


def test_a_smoke_run_measures_all_variants(tmp_path: Path) -> None:
    with expected_warnings():
        done = CliRunner().invoke(app, ["cost", "--smoke", "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    data = json.loads((tmp_path / "results.json").read_text())
    rows = data["recipes"][0]["rows"]
    assert [row["variant"] for row in rows] == list(SMOKE[0].variants)
    for row in rows:
        assert row["hours"] == pytest.approx(row["seconds"]["median"] / data["settings"]["batch"] * 50_000 * 75 / 3600)
    assert rows[-1]["times_original"] == 1
    written = (tmp_path / "REPORT.md").read_text()
    (tmp_path / "REPORT.md").unlink()
    CliRunner().invoke(app, ["cost", "--redraw", "--out", str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "REPORT.md").read_text() == written


def test_redrawing_needs_results(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["cost", "--redraw", "--out", str(tmp_path)], env={"COLUMNS": "300"})
    assert refused.exit_code == 2
    assert f"{tmp_path} has no results.json; run without --redraw" in refused.output


def test_the_committed_report_is_that_of_the_committed_results() -> None:
    data = json.loads((FOLDER / "results.json").read_text())
    assert (FOLDER / "REPORT.md").read_text() == render(FOLDER / "REPORT.md.j2", data=data)
    assert [recipe["name"] for recipe in data["recipes"]] == [recipe.name for recipe in RECIPES]
