"""Patches of a real, tiny UNet: what they change, and that they are gone afterwards."""

from __future__ import annotations

import copy
import itertools
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from nodes import model_patches
from nodes.diffusion import families, frequencies, options, unet_attention
from nodes.diffusion.network import Inputs, Watched
from nodes.diffusion.unet import UNet
from nodes.diffusion.unet_patches import NO_SIDES, patched
from nodes.types import Cond, Conditioning, Model, Source

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


def answer(unet: UNet, model: Model = MODEL, sides: Any = NO_SIDES, x: torch.Tensor = X, **extras: Any) -> torch.Tensor:
    inputs = Inputs(INPUTS.context, extras=extras, sides=("positive", "negative"), sigma=3.0)
    with torch.no_grad(), patched(unet, options.unet_patches(model), sides) as network:
        return network(x, T, inputs)


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
        assert vars(network).items() >= vars(unet).items()


def through(unet: UNet, layer: Any, model: Model, **given: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """A layer's input and output in one call of the patched network."""
    inputs = Inputs(INPUTS.context, sides=("positive", "negative"), sigma=3.0)
    found: list[Any] = []
    first = layer.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    with torch.no_grad(), patched(unet, options.unet_patches(model), **given) as network:
        last = layer.register_forward_hook(lambda _, __, out: found.append(out))
        network(X, T, inputs)
    first.remove()
    last.remove()
    return found[0], found[1]


def first_block(unet: UNet) -> Any:
    return unet.module.down_blocks[0].attentions[0].transformer_blocks[0]


def test_hypertile_lets_places_see_their_own_tile_only(unet: UNet) -> None:
    layer = first_block(unet).attn1

    x, out = through(unet, layer, model_patches.hyper_tile(model=MODEL, tile_size=64, swap_size=1))

    places = torch.arange(16 * 16).view(16, 16)
    for rows, columns in itertools.product((slice(0, 8), slice(8, 16)), repeat=2):
        tile = places[rows, columns].flatten()
        with torch.no_grad():
            torch.testing.assert_close(out[:, tile], layer(x[:, tile]), rtol=1e-4, atol=1e-5)


def test_hypertile_goes_as_deep_as_it_is_told(unet: UNet) -> None:
    deep = model_patches.hyper_tile(model=MODEL, tile_size=32, swap_size=1, max_depth=1)
    scaled = model_patches.hyper_tile(model=MODEL, tile_size=32, swap_size=1, max_depth=1, scale_depth=True)
    layer = unet.module.down_blocks[1].attentions[0].transformer_blocks[0].attn1  # 8 x 8 places
    with torch.no_grad():
        x, tiles = through(unet, layer, deep)
        whole_x, whole = through(unet, layer, scaled)

        torch.testing.assert_close(
            tiles.view(2, 8, 8, -1)[:, :4, :4],
            layer(x.view(2, 8, 8, -1)[:, :4, :4].flatten(1, 2)).view(2, 4, 4, -1),
            rtol=1e-4,
            atol=1e-5,
        )
        torch.testing.assert_close(whole, layer(whole_x), rtol=1e-4, atol=1e-5)


def test_merged_tokens_share_an_answer(unet: UNet) -> None:
    layer = first_block(unet).attn1

    x, out = through(unet, layer, model_patches.tome_patch_model(model=MODEL, ratio=0.5))

    with torch.no_grad():
        whole = layer(x)
    for sample, exact in zip(out, whole, strict=True):
        assert len(sample.unique(dim=0)) == 128  # of 256
        alone = (sample - exact).abs().amax(-1) < 1e-5
        assert 32 <= alone.sum() < 192  # those that nothing was merged into


def test_tokens_that_are_alike_merge_into_themselves(unet: UNet) -> None:
    layer = first_block(unet).attn1
    twins = torch.randn(1, 32, 1, 32, generator=torch.Generator().manual_seed(3)).expand(-1, -1, 8, -1).flatten(1, 2)

    fewer, whole, back = unet_attention._merge(twins, 16, 16, ratio=0.5, draw=torch.Generator().manual_seed(1))

    assert fewer.shape == (1, 128, 32)
    assert whole is twins
    torch.testing.assert_close(back(fewer), twins)
    with torch.no_grad():
        torch.testing.assert_close(back(layer(fewer, encoder_hidden_states=whole)), layer(twins), rtol=1e-4, atol=1e-5)


NEGATIVE = Conditioning((Cond(torch.randn(1, 40, 32, generator=torch.Generator().manual_seed(5))),))


def test_normalized_guidance_by_hand(unet: UNet) -> None:
    layer = first_block(unet).attn2
    model = model_patches.normalized_attention_guidance(model=MODEL, nag_scale=4.0, nag_alpha=0.5, nag_tau=1.01)

    x, out = through(unet, layer, model, sides={"negative": NEGATIVE})

    def gathered(context: torch.Tensor) -> torch.Tensor:
        q, k, v = (layer.head_to_batch_dim(t) for t in (layer.to_q(x[:1]), layer.to_k(context), layer.to_v(context)))
        return layer.batch_to_head_dim(layer.get_attention_scores(q, k) @ v)

    with torch.no_grad():
        assert NEGATIVE.parts[0].tokens is not None
        assert INPUTS.context is not None
        toward, away = gathered(INPUTS.context[:1]), gathered(NEGATIVE.parts[0].tokens)
        found = toward * 4 - away * 3
        ratio = found.norm(1, -1, keepdim=True) / toward.norm(1, -1, keepdim=True)
        assert (ratio > 1.01).any()
        found = torch.where(ratio > 1.01, found / ratio * 1.01, found)
        torch.testing.assert_close(out[:1], layer.to_out[0]((found + toward) / 2), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            out[1:], layer(x[1:], encoder_hidden_states=INPUTS.context[1:]), rtol=1e-4, atol=1e-5
        )


def test_normalized_guidance_without_a_negative_changes_nothing(unet: UNet) -> None:
    guided = model_patches.normalized_attention_guidance(model=MODEL)

    assert torch.equal(answer(unet, guided), answer(unet))
    assert not torch.allclose(answer(unet, guided, {"negative": NEGATIVE}), answer(unet), atol=1e-4)


def test_skipped_blocks_add_nothing(unet: UNet) -> None:
    silent = copy.deepcopy(unet.module)
    for i, block in enumerate(unet_attention.blocks(silent)):
        if i in (0, 3):
            for layer in (block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]):
                torch.nn.init.zeros_(layer.weight)
                torch.nn.init.zeros_(layer.bias)
    reference = UNet(silent, families.family_named("sd15"), torch.device("cpu"), torch.float32)

    found = answer(unet, skipped_blocks=(0, 3, 99))

    torch.testing.assert_close(found, answer(reference), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, answer(unet), atol=1e-4)


def test_the_middle_is_watched(unet: UNet) -> None:
    watched = Watched()
    layer = unet.module.mid_block.attentions[0].transformer_blocks[0].attn1
    given: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: given.append(args[0]))

    plain = answer(unet, watch=watched)
    handle.remove()

    with torch.no_grad():
        q, k = (layer.head_to_batch_dim(t(given[0])) for t in (layer.to_q, layer.to_k))
        received = layer.get_attention_scores(q, k).view(2, -1, 16, 16).mean(1).sum(1)
    torch.testing.assert_close(watched.attention["positive"].flatten(1), received[:1])
    torch.testing.assert_close(watched.attention["negative"].flatten(1), received[1:])
    assert watched.attention["negative"].shape == (1, 4, 4)
    assert torch.equal(plain, answer(unet))


def test_deep_shrink_computes_the_rest_at_another_size(unet: UNet) -> None:
    sizes: list[list[int]] = []
    layers = [unet.module.down_blocks[1].resnets[0], unet.module.mid_block, unet.module.up_blocks[2].resnets[1]]
    handles = [one.register_forward_pre_hook(lambda _, args: sizes.append(list(args[0].shape[-2:]))) for one in layers]

    found = answer(unet, model_patches.patch_model_add_downscale(model=MODEL, block_number=2, end_percent=1.0))
    for handle in handles:
        handle.remove()

    # Hooks that were there first see what the patch is given: block 3 is the next, and comes in at half its size.
    assert sizes == [[8, 8], [2, 2], [16, 16]]
    assert found.shape == X.shape


@pytest.mark.parametrize("size", [(16, 16), (25, 37)])
@pytest.mark.parametrize("after_skip", [True, False])
@pytest.mark.parametrize(("block", "factor"), [(1, 1.5), (2, 2.0), (3, 1.7), (5, 2.0)])
def test_deep_shrink_takes_any_size_and_block(
    unet: UNet, size: tuple[int, int], after_skip: bool, block: int, factor: float
) -> None:
    x = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(1))

    def shrunk(factor: float, **given: Any) -> torch.Tensor:
        return answer(
            unet,
            model_patches.patch_model_add_downscale(
                model=MODEL, block_number=block, downscale_factor=factor, downscale_after_skip=after_skip, **given
            ),
            x=x,
        )

    plain = answer(unet, x=x)

    found = shrunk(factor, end_percent=1.0)
    assert found.shape == x.shape
    assert not torch.allclose(found, plain, atol=1e-4)
    torch.testing.assert_close(shrunk(1.0, end_percent=1.0), plain)
    torch.testing.assert_close(shrunk(factor, end_percent=0.1), plain)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("adapter", [False, True])
def test_deep_shrink_leaves_out_what_is_added_at_another_size(unet: UNet, block: int, adapter: bool) -> None:
    shrunk = model_patches.patch_model_add_downscale(model=MODEL, block_number=block, end_percent=1.0)
    widths, sizes = (32, 32, 32, 64, 64, 128, 128), (16, 16, 8, 8, 4, 4, 4)
    places = (1, 3, 5) if adapter else range(7)
    added = [torch.randn(2, widths[i], sizes[i], sizes[i]) for i in places]

    def asked(residuals: list[torch.Tensor]) -> torch.Tensor:
        given: dict[str, Any] = {"adapter_residuals": residuals}
        if not adapter:
            given = {"down_residuals": residuals[:-1], "mid_residual": residuals[-1]}
        with patched(unet, options.unet_patches(shrunk)) as network:
            return network(X, T, Inputs(INPUTS.context, sigma=3.0, **given))

    # Maps up to the block keep their size, those after it are half as large.
    fitting = [
        r if i <= block else torch.zeros(2, widths[i], sizes[i] // 2, sizes[i] // 2)
        for i, r in zip(places, added, strict=True)
    ]
    assert torch.equal(asked(added), asked(fitting))
    assert not torch.equal(asked(added), asked([torch.zeros_like(r) for r in added]))
