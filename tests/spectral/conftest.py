import pytest

from tests.spectral.operands import CASES


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param
