"""ControlNets against diffusers' own, and what their residuals do to a UNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.models.adapter import T2IAdapter
from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint
from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import Inputs, Residuals
from nodes.diffusion.weights import Weights
from nodes.types import Cond, Conditioning, ControlHint, ControlNet
from tests.diffusion import tiny
from tests.diffusion.conftest import Written


def rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single file of a ControlNet for SD 1.x."""
    found = tmp_path_factory.mktemp("control") / "control.safetensors"
    state = tiny.ldm_controlnet(tiny.controlnet_module())
    save_file({f"control_model.{n}": t for n, t in state.items()}, found)
    return found


@pytest.fixture(scope="module")
def net(path: Path) -> ControlNet:
    return checkpoint.open_controlnet(path)


X, T, CONTEXT = rand(1, 4, 8, 6), torch.tensor([7.0]), rand(1, 77, 64)


def controlled(weights: Weights, *hints: ControlHint, x: Tensor = X) -> Residuals:
    conditioning = Conditioning((Cond(CONTEXT, controls=hints),))
    with weights.controls([conditioning]) as controls:
        assert controls is not None
        return controls(hints, x, T.expand(len(x)), Inputs(CONTEXT.expand(len(x), -1, -1)))


def parts(residuals: Residuals) -> list[Tensor]:
    assert residuals.down is not None
    assert residuals.mid is not None
    return [*residuals.down, residuals.mid]


def test_residuals_are_diffusers_own(weights: Weights, net: ControlNet) -> None:
    image = rand(1, 64, 48, 3)
    with torch.no_grad():
        down, mid = tiny.controlnet_module()(X, T, CONTEXT, image.movedim(-1, 1), return_dict=False)

    got = parts(controlled(weights, ControlHint(net, image)))

    same(got, [*down, mid])


def same(some: Sequence[Tensor], others: Sequence[Tensor]) -> None:
    """Equal but for the order in which convolutions of differently laid out memory add up."""
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", ["folder", "bare names", "diffusers names"])
def test_every_layout_is_the_same_net(tmp_path: Path, weights: Weights, net: ControlNet, layout: str) -> None:
    module = tiny.controlnet_module()
    if layout == "folder":
        module.save_pretrained(tmp_path)
        other = checkpoint.open_controlnet(tmp_path)
    else:
        state = tiny.ldm_controlnet(module) if layout == "bare names" else module.state_dict()
        save_file(state, tmp_path / "net.safetensors")
        other = checkpoint.open_controlnet(tmp_path / "net.safetensors")
    image = rand(1, 64, 48, 3)

    a, b = (parts(controlled(weights, ControlHint(one, image))) for one in (net, other))

    assert other.source.family == net.source.family == "sd15"
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_strength_scales_and_nets_add_up(weights: Weights, net: ControlNet) -> None:
    image = rand(1, 64, 48, 3)
    whole = parts(controlled(weights, ControlHint(net, image)))

    half = parts(controlled(weights, ControlHint(net, image, strength=0.5)))
    both = parts(controlled(weights, ControlHint(net, image, 0.5), ControlHint(net, image, 0.25)))

    for a, b, c in zip(whole, half, both, strict=True):
        assert torch.equal(b, a * 0.5)
        torch.testing.assert_close(c, a * 0.75)


def test_pictures_are_cut_at_the_centre_and_resized_by_nearest_pixels(weights: Weights, net: ControlNet) -> None:
    wide = rand(1, 32, 40, 3)
    # 8 x 6 latent pixels are 48 wide and 64 high: of 40 x 32 the middle 24 columns remain, each pixel doubled.
    fitted = wide[:, :, 8:32].repeat_interleave(2, 1).repeat_interleave(2, 2)

    got, expected = (parts(controlled(weights, ControlHint(net, image))) for image in (wide, fitted))

    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_one_picture_serves_a_batch_and_alpha_is_dropped(weights: Weights, net: ControlNet) -> None:
    image = rand(1, 64, 48, 4)

    got = controlled(weights, ControlHint(net, image), x=X.expand(3, -1, -1, -1))
    one = controlled(weights, ControlHint(net, image[..., :3]))

    for a, b in zip(parts(got), parts(one), strict=True):
        torch.testing.assert_close(a, b.expand(3, -1, -1, -1), rtol=1e-3, atol=1e-4)


def test_a_unet_takes_the_residuals_where_diffusers_does(
    weights: Weights, net: ControlNet, single_file: Written
) -> None:
    found = controlled(weights, ControlHint(net, rand(1, 64, 48, 3)))
    with torch.no_grad():
        expected = tiny.unet_module()(
            X,
            T,
            CONTEXT,
            down_block_additional_residuals=tuple(found.down or ()),
            mid_block_additional_residual=found.mid,
        ).sample

    with weights.network(checkpoint.open_unet(single_file("sd15"))) as network:
        plain = network(X, T, Inputs(CONTEXT))
        got = network(X, T, Inputs(CONTEXT, down_residuals=found.down, mid_residual=found.mid))

    assert torch.equal(got, expected)
    assert not torch.equal(got, plain)


def test_inpainting_models_hand_over_their_latent_only(weights: Weights, net: ControlNet) -> None:
    nine = torch.cat([X, rand(1, 5, 8, 6)], dim=1)
    image = rand(1, 64, 48, 3)

    a, b = controlled(weights, ControlHint(net, image)), controlled(weights, ControlHint(net, image), x=nine)

    assert all(torch.equal(x, y) for x, y in zip(parts(a), parts(b), strict=True))


def test_no_hints_no_controls(weights: Weights, net: ControlNet) -> None:
    silent = Conditioning((Cond(CONTEXT, controls=(ControlHint(net, rand(1, 8, 8, 3), strength=0.0),)),))
    with weights.controls([Conditioning((Cond(CONTEXT),)), silent]) as controls:
        assert controls is None


def test_another_familys_net_is_told(weights: Weights, net: ControlNet) -> None:
    hint = ControlHint(net, rand(1, 64, 48, 3))
    wide = Inputs(rand(1, 77, 2048))
    with (
        pytest.raises(WeightsError, match=r"control\.safetensors is made for another model family: .* has 2048"),
        weights.controls([Conditioning((Cond(CONTEXT, controls=(hint,)),))]) as controls,
    ):
        controls((hint,), X, T, wide)  # pyright: ignore[reportOptionalCall]


def test_a_file_that_is_no_controlnet_is_told(single_file: Written) -> None:
    with pytest.raises(WeightsError, match=r"is not a ControlNet of a known kind\. It looks like a diffusion model"):
        checkpoint.open_controlnet(single_file("sd15"))


def test_sdxl_nets_take_sizes_and_pooled_text(tmp_path: Path, weights: Weights) -> None:
    module = tiny.controlnet_module("sdxl")
    save_file(tiny.ldm_controlnet(module), tmp_path / "xl.safetensors")
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "xl.safetensors"), rand(1, 64, 48, 3))
    inputs = Inputs(rand(1, 77, 192), pooled=rand(1, 96), time_ids=torch.full((1, 6), 64.0))
    added = {"text_embeds": inputs.pooled, "time_ids": inputs.time_ids}
    with torch.no_grad():
        down, mid = module(X, T, inputs.context, hint.image.movedim(-1, 1), added_cond_kwargs=added, return_dict=False)

    with weights.controls([Conditioning((Cond(None, controls=(hint,)),))]) as controls:
        assert controls is not None
        got = parts(controls((hint,), X, T, inputs))
        again = controls((replace(hint, strength=2.0),), X, T, inputs)

    same(got, [*down, mid])
    same(parts(again)[-1:], [2.0 * mid])


def union_module() -> ControlNetUnionModel:
    config = {k: v for k, v in tiny.FAMILIES["sdxl"].unet.items() if k not in ("up_block_types", "sample_size")}
    beside = {"num_trans_channel": 64, "num_proj_channel": 64, "conditioning_embedding_out_channels": (16, 32, 48, 64)}
    return tiny.randomized(ControlNetUnionModel(**config, **beside), 6)  # pyright: ignore


@pytest.mark.parametrize("layout", ["file", "folder"])
@pytest.mark.parametrize("kind", ["depth", "canny/lineart/anime_lineart/mlsd", "auto"])
def test_union_nets_are_told_the_kind_of_picture(tmp_path: Path, weights: Weights, layout: str, kind: str) -> None:
    module = union_module()
    if layout == "folder":
        module.save_pretrained(tmp_path / "net")
    else:
        save_file(module.state_dict(), tmp_path / "net.safetensors")
    opened = checkpoint.open_controlnet(tmp_path / ("net" if layout == "folder" else "net.safetensors"))
    net = replace(opened, options=(("union_type", kind),))
    hint = ControlHint(net, rand(1, 64, 48, 3))
    inputs = Inputs(rand(1, 77, 192), pooled=rand(1, 96), time_ids=torch.full((1, 6), 64.0))
    place = {"depth": 1, "canny/lineart/anime_lineart/mlsd": 3, "auto": 0}[kind]
    told = torch.zeros(1, 6)
    if kind == "auto":
        module.task_embedding.data[place] = 0.0
    else:
        told[0, place] = 1.0
    with torch.no_grad():
        down, mid = module(
            X, T, inputs.context, [hint.image.movedim(-1, 1)], told, [place], return_dict=False,
            added_cond_kwargs={"text_embeds": inputs.pooled, "time_ids": inputs.time_ids},
        )  # fmt: skip

    with weights.controls([Conditioning((Cond(None, controls=(hint,)),))]) as controls:
        got = parts(controls((hint,), X, T, inputs))  # pyright: ignore[reportOptionalCall]

    same(got, [*down, mid])


def test_a_kind_that_a_union_net_does_not_know_is_told(tmp_path: Path, weights: Weights) -> None:
    save_file(union_module().state_dict(), tmp_path / "net.safetensors")
    net = replace(checkpoint.open_controlnet(tmp_path / "net.safetensors"), options=(("union_type", "tile"),))
    hint = ControlHint(net, rand(1, 64, 48, 3))
    inputs = Inputs(rand(1, 77, 192), pooled=rand(1, 96), time_ids=torch.full((1, 6), 64.0))
    with (
        pytest.raises(WeightsError, match="knows 6 kinds of picture; tile is none"),
        weights.controls([Conditioning((Cond(None, controls=(hint,)),))]) as controls,
    ):
        controls((hint,), X, T, inputs)  # pyright: ignore[reportOptionalCall]


def adapter_module(channels: int = 3) -> T2IAdapter:
    return tiny.randomized(T2IAdapter(channels, [32, 64], 2, 8, "full_adapter"), 8)  # pyright: ignore


def first_release(module: T2IAdapter) -> dict[str, Tensor]:
    """An adapter's tensors as first released: blocks numbered through all levels."""
    found: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        new = name.removeprefix("adapter.")
        for level in range(2):
            new = new.replace(f"body.{level}.in_conv", f"BODY.{2 * level}.in_conv")
            for layer in range(2):
                new = new.replace(f"body.{level}.resnets.{layer}.", f"BODY.{2 * level + layer}.")
        found[new.lower()] = tensor
    return found


@pytest.mark.parametrize("layout", ["first release", "diffusers names", "folder"])
@pytest.mark.parametrize("channels", [1, 3])
def test_adapters_add_inside_the_levels(
    tmp_path: Path, weights: Weights, single_file: Written, layout: str, channels: int
) -> None:
    module = adapter_module(channels)
    path = tmp_path / "adapter.safetensors"
    if layout == "folder":
        path = tmp_path / "adapter"
        module.save_pretrained(path)
    else:
        save_file(first_release(module) if layout == "first release" else module.state_dict(), path)
    hint = ControlHint(checkpoint.open_controlnet(path), rand(1, 64, 48, 3), strength=0.5)
    picture = hint.image.movedim(-1, 1)
    with torch.no_grad():
        features = [0.5 * f for f in module(picture.mean(1, keepdim=True) if channels == 1 else picture)]
        expected = tiny.unet_module()(X, T, CONTEXT, down_intrablock_additional_residuals=list(features)).sample

    found = controlled(weights, hint)
    with weights.network(checkpoint.open_unet(single_file("sd15"))) as network:
        got = [network(X, T, Inputs(CONTEXT, adapter_residuals=found.adapter)) for _ in range(2)]

    assert (found.down, found.mid) == (None, None)
    assert found.adapter is not None
    same(found.adapter, features)
    same(got, [expected, expected])


def test_adapters_and_nets_work_together(tmp_path: Path, weights: Weights, net: ControlNet) -> None:
    save_file(first_release(adapter_module()), tmp_path / "adapter.safetensors")
    image = rand(1, 64, 48, 3)
    hints = ControlHint(checkpoint.open_controlnet(tmp_path / "adapter.safetensors"), image), ControlHint(net, image)

    found = controlled(weights, *hints, hints[0])

    assert found.adapter is not None
    same(parts(found), parts(controlled(weights, hints[1])))
    same(found.adapter, [2.0 * f for f in controlled(weights, hints[0]).adapter or ()])
