"""Receptive fields of models whose layers return tokens, or maps with channels last."""

from collections.abc import Callable

import pytest
import timm
import torch
from timm.models.mlp_mixer import MlpMixer
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv.footprint import effective_receptive_field


class Tokens(nn.Module):
    """Patches of 2 pixels, tokens before them that hold no patch, one attention, and logits."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(2, 6, 2, 2)
        self.extra = nn.Parameter(torch.randn(1, extra, 6))
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)

    def tokens(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)  # (n, 6, *grid) -> (n, tokens, 6)
        z = torch.cat([self.extra.expand(len(x), -1, -1), patches], dim=1)
        return self.norm(z + self.attention(z, z, z)[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tokens(x).mean(1))


def by_jacobians(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The positive field of one unit `(channels,)` of a single input, from the full Jacobian of each sample."""
    total = torch.zeros(x.shape[2:], dtype=torch.float64)
    for sample in x:
        unit = function(sample[None])[0]
        jacobian = torch.autograd.functional.jacobian(lambda s: function(s[None])[0], sample)  # (channels, 2, *size)
        total += jacobian[unit > 0].sum(0).relu().sum(0).double()
    return total / total.sum()


@pytest.mark.parametrize("extra", [0, 1, 5])
@pytest.mark.parametrize("size", [(8, 8), (8, 12)])
def test_a_token_model_is_seen_as_by_its_jacobians(extra: int, size: tuple[int, int]) -> None:
    model, x = Tokens(extra).eval(), torch.randn(3, 2, *size)
    (field,) = effective_receptive_field(model, x, positive=True, batch_size=2)
    rows, columns = (n // 2 for n in size)
    centre = extra + rows // 2 * columns + columns // 2
    assert field.layer == "norm"
    assert_close(field.contribution, by_jacobians(lambda s: model.tokens(s)[:, centre], x), atol=1e-6, rtol=1e-4)
    assert (field.contribution > 0).double().mean() > 0.4  # attention sees all patches


def test_the_random_signs_of_a_single_channel_do_not_matter() -> None:
    model, x = Tokens(1).eval(), torch.randn(2, 2, 8, 8)
    model.add_module("norm", nn.Linear(6, 1))
    model.add_module("head", nn.Identity())
    (field,) = effective_receptive_field(model, x, layer="norm")
    slopes = [
        torch.autograd.functional.jacobian(lambda s: model.tokens(s[None])[0, 1 + 2 * 4 + 2, 0], sample) for sample in x
    ]
    expected = torch.stack(slopes).abs().double().sum((0, 1))
    assert_close(field.contribution, expected / expected.sum(), atol=1e-6, rtol=1e-4)


def test_a_grid_that_cannot_be_found_is_given_and_attention_has_two_outputs() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.transpose(2, 3)

    model, x = nn.Sequential(Turned(), Tokens(0)).eval(), torch.randn(2, 2, 8, 12)
    fields = [effective_receptive_field(model, x, layer="1.patches", grid=grid)[0] for grid in (None, (6, 4))]
    assert_close(fields[0].contribution, fields[1].contribution)  # a map of its own needs none
    (field,) = effective_receptive_field(model, x, layer="1.attention", grid=(6, 4))
    assert (field.contribution > 0).all()
    with pytest.raises(ValueError, match=r"returned tuple of \(2, 24, 6\), \(2, 24, 24\), .* others, grid=\(5, 7\)"):
        effective_receptive_field(model, x, layer="1.attention", grid=(5, 7))


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (6, 4)])
@pytest.mark.parametrize("channels", [5, 16])
def test_channels_are_first_or_last_as_the_aspect_ratio_says(size: tuple[int, int], channels: int) -> None:
    class Pooled(nn.Module):
        def __init__(self, last: bool) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(1, channels, 1), last

        def forward(self, x: Tensor) -> Tensor:
            y = nn.functional.avg_pool2d(self.conv(x), 2, ceil_mode=True)
            return y.permute(0, 2, 3, 1) if self.last else y

    first, last = Pooled(last=False), Pooled(last=True)
    last.load_state_dict(first.state_dict())
    x = torch.randn(2, 1, *size)
    fields = [effective_receptive_field(model, x, layer="", seed=1)[0] for model in (first, last)]
    assert fields[0].contribution.count_nonzero() == 4
    assert_close(fields[0].contribution, fields[1].contribution)


def test_a_1_d_map_of_tokens_takes_its_grid() -> None:
    class Line(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.avg_pool1d(x, 3, 1, 1).transpose(1, 2)  # (n, pixels, channels)

    x = torch.randn(2, 2, 9)
    (field,) = effective_receptive_field(Line(), x, grid=9)
    assert field.contribution.nonzero().flatten().tolist() == [3, 4, 5]
    (mistaken,) = effective_receptive_field(Line(), x)  # by default axis 1 is that of channels
    assert mistaken.contribution.count_nonzero() == 9


def smallest(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "ViT":
        return VisionTransformer(img_size=64, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5)
    if name == "ViT, 4 registers":
        return VisionTransformer(
            img_size=64, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5, reg_tokens=4
        )
    if name == "Mixer":
        return MlpMixer(img_size=64, patch_size=8, num_blocks=2, embed_dim=24, num_classes=5)
    if name == "Swin":
        return SwinTransformer(
            img_size=64, patch_size=4, window_size=4, embed_dim=12, depths=(2, 2), num_heads=(2, 2), num_classes=5
        )
    small = {"ResNet": "test_resnet", "ConvNeXt": "test_convnext"}[name]
    if not timm.is_model(small):
        pytest.skip(f"this timm has no {small}")
    return timm.create_model(small)


@pytest.mark.parametrize(
    ("name", "layer", "map_size"),
    [
        ("ResNet", "layer4", 2),
        ("ConvNeXt", "norm_pre", 2),
        ("ViT", "norm", 8),
        ("ViT, 4 registers", "norm", 8),
        ("Mixer", "norm", 8),
        ("Swin", "norm", 8),
    ],
)
def test_published_models_are_measured_by_default(name: str, layer: str, map_size: int) -> None:
    model = smallest(name).eval()
    x = torch.randn(2, 3, 64, 64)
    (field,) = effective_receptive_field(model, x, batch_size=1, positive=True)
    assert field.layer == layer
    assert tuple(field.contribution.shape) == (64, 64)
    assert 0.3 < field.gaussian <= 1

    def unit(sample: Tensor) -> Tensor:  # the features by timm's own interface, read without the code under test
        features = model.forward_features(sample)
        if features.dim() == 4:
            last = features.shape[1:3] == (map_size, map_size)  # Swin has channels last
            features = features.permute(0, 3, 1, 2) if last else features
            return features[:, :, map_size // 2, map_size // 2]
        centre = features.shape[1] - map_size**2 + map_size // 2 * map_size + map_size // 2
        return features[:, centre]

    expected = by_jacobians(unit, x)
    assert_close(field.contribution, expected, atol=1e-6, rtol=1e-3)


def test_tokens_on_the_last_axis_are_read_by_a_function() -> None:
    model, x = smallest("Mixer"), torch.randn(2, 3, 64, 64)
    name = "blocks.0.mlp_tokens"  # mixes tokens, `(n, channels, tokens)`
    (field,) = effective_receptive_field(model, x, layer=name, output=lambda y: y.transpose(1, 2))
    assert (field.contribution > 0).all()
    with pytest.raises(
        ValueError, match=rf"layer='{name}' returned \(2, 24, 64\), but must return a map \(2, channels"
    ):
        effective_receptive_field(model, x, layer=name)


def test_any_module_of_a_transformer_can_be_chosen() -> None:
    model, x = smallest("ViT"), torch.randn(2, 3, 64, 64)
    (patches,) = effective_receptive_field(model, x, layer="patch_embed")
    assert patches.side(1.0) == 15  # the patch after the centre, of 8 pixels
    (block,) = effective_receptive_field(model, x, layer="blocks.0.attn.proj")
    assert (block.contribution > 0).all()
    # Inside, queries and keys of all heads are on the channel axis.
    (queries,) = effective_receptive_field(model, x, layer="blocks.0.attn.qkv")
    assert (queries.contribution > 0).sum() == 64
