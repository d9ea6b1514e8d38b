import os
from pathlib import Path

import pytest

from experiments.training.data import contents
from experiments.training.data.contents import digest

SIZES = (1000, 0, 24, 3000, 1, 500)


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    for number, size in enumerate(SIZES):
        (tmp_path / str(number)).write_bytes(os.urandom(size))
    return [(str(number), tmp_path / str(number)) for number in range(len(SIZES))]


def changed(files: list[tuple[str, Path]], place: int, length: int = 1) -> int:
    """How many of the bytes from a place on, in all files as if they were one, have another value now."""
    done, begin = 0, 0
    for _, path in files:
        content = bytearray(path.read_bytes())
        for at in range(max(place - begin, 0), min(place + length - begin, len(content))):
            content[at] ^= 1
            done += 1
        path.write_bytes(content)
        begin += len(content)
    return done


@pytest.mark.parametrize("block", [1, 7, 1000, 2**14])
def test_every_byte_of_small_files_counts(
    files: list[tuple[str, Path]], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_BLOCK", block)
    monkeypatch.setattr(contents, "_BLOCKS", sum(SIZES))
    before = digest(files)
    for place in (0, 999, 1000, 1023, 1024, 4023, 4024, 4025, sum(SIZES) - 1):
        assert changed(files, place) == 1
        assert digest(files) != before
        assert changed(files, place) == 1
    assert digest(files) == before


def test_of_large_files_any_stretch_of_a_step_counts(
    files: list[tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_BLOCK", 8)
    monkeypatch.setattr(contents, "_BLOCKS", 50)
    step, before, missed = -(-sum(SIZES) // 50), digest(files), 0
    for place in range(0, sum(SIZES) - step, 300):
        assert changed(files, place, step) == step
        assert digest(files) != before
        changed(files, place, step)
        changed(files, place)
        missed += digest(files) == before
        changed(files, place)
    assert missed > 0  # which the docstring says of shorter changes


def test_little_is_read_of_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = [tmp_path / name for name in "ab"]
    for path in huge:
        with path.open("wb") as file:
            file.truncate(2**35)  # without a byte on the disk
    read: list[int] = []
    opened = Path.open

    class Counted:
        def __init__(self, path: Path) -> None:
            self.file = opened(path, "rb")

        def __enter__(self) -> "Counted":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def seek(self, place: int) -> None:
            self.file.seek(place)

        def read(self, count: int) -> bytes:
            read.append(count)
            return self.file.read(count)

    monkeypatch.setattr(Path, "open", lambda path, _: Counted(path))
    digest([(path.name, path) for path in huge])
    assert sum(read) == 2**26
    assert len(read) == 2**12


def test_names_sizes_and_order_count_and_places_do_not(files: list[tuple[str, Path]], tmp_path: Path) -> None:
    before = digest(files)
    (tmp_path / "copy").mkdir()
    copies = []
    for name, path in files:
        copies.append((name, tmp_path / "copy" / f"{name} elsewhere"))
        copies[-1][1].write_bytes(path.read_bytes())
    assert digest(copies) == before
    for others in ([*files[1:], files[0]], [("other", files[0][1]), *files[1:]], [*files, ("more", None)], files[:-1]):
        assert digest(others) != before
    one, next_one = files[0][1], files[2][1]  # with an empty file between them
    content = one.read_bytes()
    one.write_bytes(content[:-1])
    next_one.write_bytes(content[-1:] + next_one.read_bytes())  # all together are the same bytes
    assert digest(files) != before


def test_what_is_not_read_counts_by_its_name() -> None:
    assert digest([("pipe:cat a", None)]) != digest([("pipe:cat b", None)])
