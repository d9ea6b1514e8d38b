from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def smoke_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a study to the folder of its smoke run, which is made once."""

    @cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        threads = torch.get_num_threads()
        import_module(f"experiments.studies.{name}.__main__").STUDY.main(out=folder, smoke=True)
        torch.set_num_threads(threads)
        return folder

    return make
