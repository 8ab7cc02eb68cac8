"""Patches of a real, tiny UNet: what they change, and that they are gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from nodes import model_patches
from nodes.diffusion import families, frequencies, options
from nodes.diffusion.network import Inputs
from nodes.diffusion.unet import UNet
from nodes.diffusion.unet_patches import patched
from nodes.types import Model, Source

MODEL = Model(Source(Path("model"), "d", "unet", "sd15"))
X, T = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([500.0, 500.0])
INPUTS = Inputs(torch.randn(2, 77, 32, generator=torch.Generator().manual_seed(2)))


@pytest.fixture(scope="module")
def unet() -> UNet:
    """Three levels, of 32, 64 and 128 channels."""
    torch.manual_seed(1)
    module = UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(32, 64, 128),
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    return UNet(module.eval(), families.family_named("sd15"), torch.device("cpu"), torch.float32)


def answer(unet: UNet, model: Model = MODEL, **extras: str) -> torch.Tensor:
    with torch.no_grad(), patched(unet, options.unet_patches(model)) as network:
        return network(X, T, Inputs(INPUTS.context, extras=extras))


def reference(unet: UNet, b1: float, b2: float, s1: float, s2: float, *, version: int) -> torch.Tensor:
    """FreeU at the concatenations themselves, each found by its two widths."""
    scales = {128: (b1, s1), 64: (b2, s2)}
    joins = iter([128, 128, 128, 64, 64, 32])  # the backbone's width at each join, from the middle up

    def join(tensors: Any, dim: int = 0) -> torch.Tensor:
        h, skip = tensors
        width = next(joins)
        assert h.shape[1] == width
        if width in scales:
            b, s = scales[width]
            mean = h.mean(1, keepdim=True)
            span = mean.amax((2, 3), keepdim=True) - mean.amin((2, 3), keepdim=True)
            factor = b if version == 1 else (b - 1) * (mean - mean.amin((2, 3), keepdim=True)) / span + 1
            h = torch.cat([h[:, : width // 2] * factor, h[:, width // 2 :]], dim=1)
            skip = frequencies.scaled(skip, s, 1.0, 1)
        return torch.cat([h, skip], dim=dim)

    with ExitStack() as stack:
        for block in unet.module.up_blocks:
            for resnet in block.resnets:
                width = {256: 128, 192: 128, 128: 64, 96: 64, 64: 32}[resnet.in_channels]

                def before(_: Any, args: Any, width: int = width) -> Any:
                    return (join((args[0][:, :width], args[0][:, width:]), 1), *args[1:])

                stack.callback(resnet.register_forward_pre_hook(before).remove)
        with torch.no_grad():
            return unet(X, T, INPUTS)


@pytest.mark.parametrize(("node", "version"), [(model_patches.freeu, 1), (model_patches.freeu_v2, 2)])
def test_freeu_scales_backbone_and_skips_by_width(unet: UNet, node: Any, version: int) -> None:
    found = answer(unet, node(model=MODEL, b1=1.5, b2=1.3, s1=0.5, s2=0.3))

    torch.testing.assert_close(found, reference(unet, 1.5, 1.3, 0.5, 0.3, version=version), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, answer(unet), atol=1e-3)


@pytest.mark.parametrize("node", [model_patches.freeu, model_patches.freeu_v2])
def test_freeu_by_one_changes_nothing(unet: UNet, node: Any) -> None:
    torch.testing.assert_close(answer(unet, node(model=MODEL, b1=1.0, b2=1.0, s1=1.0, s2=1.0)), answer(unet))


def test_patches_are_gone_afterwards(unet: UNet) -> None:
    before = answer(unet)

    answer(unet, model_patches.freeu(model=MODEL), self_attention="values")

    assert torch.equal(answer(unet), before)


def test_without_self_attention_each_place_keeps_its_own_value(unet: UNet) -> None:
    layer = unet.module.mid_block.attentions[0].transformer_blocks[0].attn1
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))

    blind = answer(unet, self_attention="values")
    handle.remove()

    [(hidden, out)] = seen
    torch.testing.assert_close(out, layer.to_out[0](layer.to_v(hidden)))
    assert not torch.allclose(blind, answer(unet), atol=1e-4)


def test_a_patched_network_is_otherwise_the_same(unet: UNet) -> None:
    with patched(unet, []) as network:
        assert isinstance(network, UNet)
        assert vars(network) == vars(unet)
