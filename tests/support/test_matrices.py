import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close

from nifconv._support.matrices import bmm


def operands(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """The second one is a transposed view, as the weights of a 1x1 convolution are."""
    torch.manual_seed(0)
    a, weights = torch.randn(3, 4, 5, dtype=dtype), torch.randn(2, 3, 5, dtype=dtype)
    return a.requires_grad_(), weights.requires_grad_().permute(1, 2, 0)


def test_gradients_lie_as_the_operands_do() -> None:
    a, b = operands()
    dy = torch.randn(3, 4, 2, dtype=torch.float64)
    for shared in (a, a[:1].expand(3, -1, -1)):
        da, db = torch.autograd.grad(bmm(shared, b), (shared, b), dy)
        assert db.stride() == b.stride() != db.contiguous().stride()
        for found, expected in zip((da, db), torch.autograd.grad(torch.bmm(shared, b), (shared, b), dy), strict=True):
            assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_derivatives(dtype: torch.dtype) -> None:
    assert torch.autograd.gradcheck(bmm, operands(dtype))
    assert torch.autograd.gradgradcheck(bmm, operands(dtype))
    assert_close(bmm(*operands(dtype)), torch.bmm(*operands(dtype)))


def test_gradients_of_several_losses_at_once() -> None:
    a, b = operands()
    y, several = bmm(a, b), torch.randn(2, 3, 4, 2, dtype=torch.float64)
    found = torch.autograd.grad(y, (a, b), several, is_grads_batched=True, retain_graph=True)
    for number, dy in enumerate(several):
        for many, one in zip(found, torch.autograd.grad(y, (a, b), dy, retain_graph=True), strict=True):
            assert_close(many[number], one)


@pytest.mark.filterwarnings("ignore:`torch.jit")  # which torch uses for derivatives in forward mode
def test_transformations_see_an_ordinary_product() -> None:
    a, b = (t.detach() for t in operands())
    expected = torch.bmm(a, b)
    assert_close(torch.vmap(lambda a: bmm(a, b))(torch.stack([a, 2 * a])), torch.stack([expected, 2 * expected]))
    assert_close(torch.func.jvp(lambda a: bmm(a, b), (a,), (a,))[1], expected)
    assert_close(make_fx(bmm)(a, b)(2 * a, b), 2 * expected)
