"""Tar shards: that every sample arrives with its label, in an order that can be repeated and taken up again."""

import io
import tarfile
from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from experiments.tasks.batches import Batch
from experiments.training.data import streams, write_shards
from experiments.training.data.shards import ShardsData
from experiments.training.data.views import IMAGENET, Views

SHARDS, OF_A_SHARD = 4, 12
COUNT = SHARDS * OF_A_SHARD


def write(path: Path, numbers: range) -> None:
    """A shard of images in the grey of their number, which is their label, JPEG and PNG in turn."""
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            kind = ("jpg", "png")[number % 2]
            buffer = io.BytesIO()
            Image.new("RGB", (20, 30), (5 * number,) * 3).save(buffer, {"jpg": "JPEG", "png": "PNG"}[kind])
            for name, content in ((kind, buffer.getvalue()), ("cls", str(number).encode())):
                entry = tarfile.TarInfo(f"{number:04d}.{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((20, 30), 90).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


JPEG = jpeg()


def pack(path: Path, members: dict[str, bytes]) -> None:
    """One sample, 0."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"0.{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(SHARDS):
        write(folder / f"train-{shard:03d}.tar", range(shard * OF_A_SHARD, (shard + 1) * OF_A_SHARD))
    return folder


@pytest.fixture
def data(folder: Path) -> Callable[..., ShardsData]:
    def build(**changes: Any) -> ShardsData:
        options: dict[str, Any] = {
            "train": f"{folder}/train-{{000..003}}.tar",
            "train_samples": COUNT,
            "val": f"{folder}/train-{{001..002}}.tar",
            "val_samples": 2 * OF_A_SHARD,
            "classes": COUNT,
            "views": Views(size=8, test_size=8),
            "buffer": 10,
            "batch_size": 4,
        }
        return ShardsData(**options | changes)

    return build


def test_contents_change_with_the_shards_and_nothing_else(data: Callable[..., ShardsData], tmp_path: Path) -> None:
    def contents(folder: Path, remote: str = "") -> str:
        subject = data(train=f"{remote}{folder}/train-{{000..003}}.tar")
        subject.train_dataloader()
        return subject.contents

    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        for shard in range(SHARDS):
            write(folder / f"train-{shard:03d}.tar", range(OF_A_SHARD))
    before = contents(first)
    assert contents(second) == before  # the same shards elsewhere
    assert contents(first, "pipe:cat ") == contents(second, "pipe:cat ") != ""  # nothing is read for their sizes
    altered = bytearray((second / "train-002.tar").read_bytes())
    altered[len(altered) // 2] ^= 1  # of the same name and size
    (second / "train-002.tar").write_bytes(altered)
    assert contents(second) != before
    write(second / "train-002.tar", range(OF_A_SHARD // 2))
    assert contents(second) != before


def labels(batches: list[Batch]) -> list[int]:
    return torch.cat([labels for _, labels in batches]).tolist()


def greys(images: Tensor) -> list[int]:
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    return ((images * deviation + mean) * 255 / 5).mean((1, 2, 3)).round().int().tolist()


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other) > 0
    assert all(
        torch.equal(a, b) for first, second in zip(one, other, strict=True) for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_has_every_sample_once_with_its_label(data: Callable[..., ShardsData], workers: int) -> None:
    loader = data(workers=workers).train_dataloader()
    epochs = [list(loader), list(loader)]
    for batches in epochs:
        assert len(batches) == len(loader) == COUNT // 4
        assert sorted(labels(batches)) == list(range(COUNT))
        for images, numbers in batches:
            assert images.shape == (4, 3, 8, 8)
            assert greys(images) == numbers.tolist()
    first, second = (labels(batches) for batches in epochs)
    assert first != second
    runs = sum(after == before + 1 for before, after in pairwise(first))
    assert runs < COUNT / 4  # neighbours in a shard are not neighbours in a batch


def test_order_depends_on_the_seed_alone(data: Callable[..., ShardsData]) -> None:
    first = list(data().train_dataloader())
    torch.manual_seed(11)
    assert_same(first, list(data().train_dataloader()))
    assert labels(first) != labels(list(data(seed=1).train_dataloader()))


@pytest.mark.parametrize(("workers", "consumed"), [(0, 5), (2, 4), (2, 5)])
def test_a_state_goes_on_with_the_next_batch(data: Callable[..., ShardsData], workers: int, consumed: int) -> None:
    whole = data(workers=workers).train_dataloader()
    first = list(whole)
    saving = data(workers=workers).train_dataloader()
    assert_same(list(islice(saving, consumed)), first[:consumed])
    resumed = data(workers=workers).train_dataloader()
    resumed.load_state_dict(saving.state_dict())
    assert_same(list(resumed), first[consumed:])
    assert_same(list(resumed), list(whole))


def test_what_was_consumed_is_not_decoded_again(
    data: Callable[..., ShardsData], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    batch = streams.Stream._batch

    def counted(self: streams.Stream, samples: list[streams.Sample]) -> Batch:
        decoded.append(len(samples))
        return batch(self, samples)

    monkeypatch.setattr(streams.Stream, "_batch", counted)
    loader = data().train_dataloader()
    loader.load_state_dict({"epoch": 0, "consumed": 9, "batches": 12, "workers": 0})
    assert len(list(loader)) == len(decoded) == 3


def processes(build: Callable[[], ShardsData], loader: str, monkeypatch: pytest.MonkeyPatch) -> list[list[Batch]]:
    """What each of two processes loads."""
    loads = []
    for rank in range(2):
        monkeypatch.setattr(ShardsData, "_process", lambda _, rank=rank: (rank, 2))
        loads.append(list(getattr(build(), loader)()))
    return loads


def test_processes_share_the_shards(data: Callable[..., ShardsData], monkeypatch: pytest.MonkeyPatch) -> None:
    loads = processes(data, "train_dataloader", monkeypatch)
    assert [len(load) for load in loads] == [6, 6]
    assert sorted(labels(loads[0]) + labels(loads[1])) == list(range(COUNT))
    assert len({number // OF_A_SHARD for number in labels(loads[0])}) == 2


def test_uneven_shards_give_equally_many_batches(
    data: Callable[..., ShardsData], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = f"{folder}/train-{{000..002}}.tar"
    loads = processes(lambda: data(train=three, train_samples=36), "train_dataloader", monkeypatch)
    assert [len(load) for load in loads] == [4, 4]
    repeats = [max(Counter(labels(load)).values()) for load in loads]
    assert sorted(repeats) == [1, 2]  # one process has two shards, of which it needs 16 samples, the other one of 12


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_each_sample_once(
    data: Callable[..., ShardsData], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = list(range(OF_A_SHARD, 3 * OF_A_SHARD))
    whole = list(data(workers=workers, batch_size=10).val_dataloader())
    assert labels(whole) == numbers
    assert [len(batch[1]) for batch in whole] == [8, 8, 8]
    assert all(greys(images) == wanted.tolist() for images, wanted in whole)
    assert_same(whole, list(data(batch_size=10).test_dataloader()))
    if not workers:
        loads = processes(lambda: data(batch_size=5), "val_dataloader", monkeypatch)
        assert [len(load) for load in loads] == [3, 3]
        assert sorted(labels(loads[0]) + labels(loads[1])) == numbers


def test_augmentation_depends_on_seed_epoch_and_sample(data: Callable[..., ShardsData]) -> None:
    def views(seed: int, epochs: int, workers: int = 0) -> list[Tensor]:
        loader = data(seed=seed, workers=workers, views=Views(size=16, erasing=1.0)).train_dataloader()
        passes = [list(loader) for _ in range(epochs)]
        return [
            torch.cat([images for images, _ in batches])[torch.tensor(labels(batches)).argsort()] for batches in passes
        ]

    first, second = views(0, 2)
    assert torch.equal(first, views(0, 1, workers=2)[0])
    assert not torch.equal(first, second)
    assert not torch.equal(first, views(1, 1)[0])


def test_what_cannot_be_loaded_is_refused(data: Callable[..., ShardsData], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing .*b-1.tar. Copy the shards there, or make them with"):
        data(val=f"{tmp_path}/b-{{0..1}}.tar").val_dataloader()
    with pytest.raises(ValueError, match=r"names 4 shards, but each of 5 workers on each of 1 processes needs one"):
        data(workers=5).train_dataloader()
    with pytest.raises(ValueError, match="val_samples=30 must be the number of samples in"):
        list(data(val_samples=30).val_dataloader())
    with pytest.raises(ValueError, match="workers=0 must be 2, as when the state was saved"):
        data().train_dataloader().load_state_dict({"epoch": 0, "consumed": 9, "batches": 12, "workers": 2})
    tarfile.open(tmp_path / "empty.tar", "w").close()
    with pytest.raises(ValueError, match=r"empty.tar'\] hold no sample; each must hold some, or be left out"):
        next(iter(data(train=str(tmp_path / "empty.tar")).train_dataloader()))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"jpg": JPEG}, r"sample 0 of .*bad.tar holds \['jpg'\]; it must hold cls"),
        ({"webp": JPEG, "cls": b"0"}, r"sample 0 of .*bad.tar holds \['cls', 'webp'\]; it must hold .* jpg, jpeg, png"),
        ({"jpg": JPEG[:-200], "cls": b"0"}, r"sample 0 of .*bad.tar has a damaged jpg \(.*\); write"),
        ({"jpg": JPEG, "cls": b"cat"}, r"sample 0 of .*bad.tar has a damaged cls \(.*cat.*\)"),
        ({"jpg": JPEG, "cls": b"48"}, r"bad.tar has the label 48; it must be from 0 to 47, as classes=48"),
        ({"jpg": JPEG, "cls": b"-1"}, r"sample 0 of .*bad.tar has the label -1"),
    ],
)
def test_a_sample_that_cannot_be_used_is_named(
    data: Callable[..., ShardsData], tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    pack(tmp_path / "bad.tar", members)
    with pytest.raises(ValueError, match=message):
        next(iter(data(val=str(tmp_path / "bad.tar"), val_samples=1).val_dataloader()))


def test_other_members_are_left_alone(data: Callable[..., ShardsData], tmp_path: Path) -> None:
    pack(tmp_path / "more.tar", {"jpg": JPEG, "cls": b"3", "pyd": b"no pickle", "json": b"{"})
    assert labels(list(data(val=str(tmp_path / "more.tar"), val_samples=1).val_dataloader())) == [3]


def test_folders_are_written_to_shards(tmp_path: Path, data: Callable[..., ShardsData]) -> None:
    for name, grey in (("ant", 50), ("bee", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (20, 30), (grey,) * 3).save(tmp_path / "photos" / name / f"{number}.JPEG", quality=95)
    arguments = [str(tmp_path / "photos"), str(tmp_path / "out"), "--name", "val", "--per-shard", "4"]
    result = CliRunner().invoke(_command(), arguments)
    assert (result.exit_code, result.output) == (0, "10 samples\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"val-{n:06d}.tar" for n in range(3)]
    loader = data(val=f"{tmp_path}/out/val-{{000000..000002}}.tar", val_samples=10, classes=2).val_dataloader()
    batches = list(loader)
    numbers = labels(batches)
    assert Counter(numbers) == {0: 5, 1: 5}
    assert numbers != sorted(numbers)
    assert [grey > 25 for images, _ in batches for grey in greys(images)] == [bool(number) for number in numbers]


def test_images_that_cannot_be_read_again_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images" / "cat").mkdir(parents=True)
    for name in ("a.png", "b.bmp", "c.webp"):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / "cat" / name)
    with pytest.raises(ValueError, match=r"b\.bmp and 1 more images are not jpg, jpeg, png; convert them"):
        write_shards.write_shards(tmp_path / "images", tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def _command() -> Any:
    import typer

    app = typer.Typer()
    app.command()(write_shards.write_shards)
    return app
