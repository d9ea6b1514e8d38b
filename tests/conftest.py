import os

# The tensors are small: threads would only wait for one another. Before torch and NumPy, which read it once when they
# are imported; the processes that tests start read it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

settings.register_profile("nifconv", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("nifconv")


def pytest_configure(config: pytest.Config) -> None:
    # For pytest-xdist: files in the order in which they are found, which ends with many short ones. By its own order
    # files of few and long tests would come last, and one worker wait for the other.
    config.option.loadscopereorder = False


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)
