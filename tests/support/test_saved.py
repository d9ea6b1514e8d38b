import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nifconv._support import saved as _files
from nifconv._support.files import replacing

DESCRIPTION = {"of": ["a", 1, None, True], "nested": {"size": [3, 3]}}


def tensors() -> dict[str, Tensor]:
    weight = torch.randn(3, 4)
    return {
        "weight": weight,
        "tied": weight,
        "transposed": torch.randn(4, 3).T,
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 2),
        "half": torch.randn(3).bfloat16(),
        "count": torch.tensor([1, 2]),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "file.safetensors"
    _files.write(path, tensors(), DESCRIPTION)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = tensors()
    path = tmp_path / "file.safetensors"
    _files.write(path, written, DESCRIPTION)
    read, description = _files.read(path)
    assert description == DESCRIPTION
    assert set(read) == set(written)
    for name, value in written.items():
        assert torch.equal(read[name], value)
        assert read[name].dtype == value.dtype
    assert [p.name for p in tmp_path.iterdir()] == ["file.safetensors"]


def test_a_file_is_readable_as_others_are_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    target, link = tmp_path / "target.safetensors", tmp_path / "link.safetensors"
    link.symlink_to(target)
    _files.write(link, tensors(), DESCRIPTION)
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert link.is_symlink()
    assert _files.read(target)[1] == DESCRIPTION


def test_what_is_flushed_to_the_disk_is_the_file_that_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_ino))
    path = tmp_path / "file.safetensors"
    _files.write(path, tensors(), DESCRIPTION)
    assert flushed == [path.stat().st_ino]


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def other() -> None:
        with replacing(path) as file:
            file.write(b"other, and longer")

    with replacing(path) as file:
        file.write(b"one")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert path.read_bytes() == b"other, and longer"
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"/nowhere' is not a folder; create it"):
        _files.write(tmp_path / "nowhere" / "file.safetensors", tensors(), DESCRIPTION)


def test_tensors_that_are_one_are_stored_once(saved: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved, framework="pt") as file:
        assert "tied" not in file.keys()  # noqa: SIM118
    read, _ = _files.read(saved)
    assert torch.equal(read["tied"], read["weight"])


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(saved: Path, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"not a complete safetensors file.*copy or save it again"):
        _files.read(saved)


def test_an_altered_value_is_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="was altered since it was saved: its checksum differs"):
        _files.read(saved)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_torch_save_is_named_as_such(zipped: bool, tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "sd.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"sd\.pt' was written by torch\.save, .*give a file from Conversion\.save or"):
        _files.read(tmp_path / "sd.pt")


def rewritten(path: Path, change: Any) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    change(metadata)
    save_file(load_file(path), path, metadata=metadata)


def test_an_altered_description_is_refused(saved: Path) -> None:
    rewritten(saved, lambda metadata: metadata.update(nifconv=metadata["nifconv"].replace("nested", "tested")))
    with pytest.raises(ValueError, match="its checksum differs"):
        _files.read(saved)


def test_a_file_of_another_program_is_refused(saved: Path) -> None:
    rewritten(saved, lambda metadata: metadata.pop("nifconv"))
    with pytest.raises(ValueError, match=r"does not say how its model was made; give a file from Conversion\.save"):
        _files.read(saved)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1}'])
def test_an_unreadable_description_is_refused(saved: Path, text: str) -> None:
    rewritten(saved, lambda metadata: metadata.update(nifconv=text))
    with pytest.raises(ValueError, match="has an unreadable description"):
        _files.read(saved)


def test_a_format_of_the_future_is_refused(saved: Path) -> None:
    def change(metadata: dict[str, str]) -> None:
        content = json.loads(metadata["nifconv"])
        metadata["nifconv"] = json.dumps({**content, "format": 99})

    rewritten(saved, change)
    with pytest.raises(ValueError, match="has format 99, but this nifconv reads format 2"):
        _files.read(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors' is not a file; give one that nifconv saved"):
        _files.read(tmp_path / "nothing.safetensors")


def test_what_is_not_a_tensor_is_refused_and_an_older_file_survives(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(TypeError, match="'extra' holds a dict; only tensors can be stored"):
        _files.write(saved, {"extra": {}}, DESCRIPTION)  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="JSON"):
        _files.write(saved, tensors(), {"of": object()})
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def test_without_safetensors_the_remedy_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for action in (lambda: _files.read(saved), lambda: _files.write(saved, {}, {})):
        with pytest.raises(ImportError, match="saving and loading need safetensors; install it"):
            action()


@pytest.mark.parametrize("length", [0x0280, 0x4B50])
def test_a_header_whose_length_begins_like_a_pickle_or_a_zip_is_read(length: int, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    _files.write(path, {"x": torch.zeros(2)}, {"note": ""})
    missing = length - int.from_bytes(path.read_bytes()[:8], "little")
    _files.write(path, {"x": torch.zeros(2)}, {"note": "n" * missing})
    assert path.read_bytes()[:8] == length.to_bytes(8, "little")
    assert _files.read(path)[1] == {"note": "n" * missing}


def test_a_description_nested_without_end_is_refused(saved: Path) -> None:
    rewritten(saved, lambda metadata: metadata.update(nifconv="[" * 100_000))
    with pytest.raises(ValueError, match="has an unreadable description"):
        _files.read(saved)


@pytest.mark.parametrize("aliases", [{"tied": "nothing"}, []])
def test_a_list_of_tensors_that_are_not_there_is_refused(aliases: Any, saved: Path) -> None:
    def change(metadata: dict[str, str]) -> None:
        content = {**json.loads(metadata["nifconv"]), "aliases": aliases}
        content.pop("checksum")
        from safetensors.torch import load_file

        content["checksum"] = _files._checksum(load_file(saved), content)
        metadata["nifconv"] = json.dumps(content)

    rewritten(saved, change)
    with pytest.raises(ValueError, match="has an unreadable list of tensors"):
        _files.read(saved)
