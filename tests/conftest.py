import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # the tensors are small: threads would only wait for one another

settings.register_profile("nifconv", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("nifconv")


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)
