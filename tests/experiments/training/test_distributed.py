from pathlib import Path

import pytest
import torch

from tests.experiments import commands

SHARDED = (
    *("--trainer.strategy", "ModelParallelStrategy", "--trainer.strategy.data_parallel_size", "2"),
    *("--trainer.strategy.tensor_parallel_size", "1", "--trainer.strategy.save_distributed_checkpoint", "false"),
)
# The net has LayerNorm: BatchNorm sees half of the batch on each process, and SyncBatchNorm needs an accelerator.
CASES = {
    "ddp, learned bank": ("--net.conversion", "{bank: 32, kernel_size: 3}", "--trainer.strategy", "ddp"),
    "fsdp, frozen bank": ("--net.conversion", "{bank: 32, frozen: 1}", *SHARDED),
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_two_processes_learn_what_one_with_the_double_batch_learns(tmp_path: Path, options: tuple[str, ...]) -> None:
    more = (*options[:2], "--data.workers", "0", "--checkpoints.every_n_steps", "3")
    two = commands.arguments(tmp_path / "two", *more, *options[2:], "--trainer.devices", "2", "--data.batch_size", "16")
    commands.start_together(two, processes=2)
    commands.run(commands.arguments(tmp_path / "one", *more, "--data.batch_size", "32"))
    curve = commands.logged(tmp_path / "one", "loss_step")
    assert len(curve) == 16
    assert curve[0] != curve[1]
    assert commands.logged(tmp_path / "two", "loss_step") == pytest.approx(curve, rel=1e-5)
    for column in ("val_loss", "val_accuracy"):
        assert commands.logged(tmp_path / "two", column) == pytest.approx(
            commands.logged(tmp_path / "one", column), rel=1e-5
        )
    one, other = commands.last(tmp_path / "one"), commands.last(tmp_path / "two")
    assert len(other["exact_resume"]["random"]) == 2
    torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=1e-4, atol=1e-6)
