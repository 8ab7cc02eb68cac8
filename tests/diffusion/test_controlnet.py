"""ControlNets against diffusers' own, and what their residuals do to a UNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.models.adapter import T2IAdapter
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint
from nodes.diffusion.files import WeightsError
from nodes.diffusion.lora import open_lora
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


def test_a_prompt_of_their_own_takes_the_place_of_the_models(weights: Weights, net: ControlNet) -> None:
    hint, other = ControlHint(net, rand(1, 64, 48, 3)), rand(1, 40, 64)
    with weights.controls([Conditioning((Cond(CONTEXT, controls=(hint,)),))]) as controls:
        assert controls is not None
        told = Inputs(CONTEXT.expand(2, -1, -1), extras={"cross_attn_controlnet": other})
        x, t = X.expand(2, -1, -1, -1), T.expand(2)
        got = controls((hint,), x, t, told)
        expected = controls((hint,), x, t, Inputs(other.expand(2, -1, -1)))
        plain = controls((hint,), x, t, replace(told, extras=None))
    for a, b in zip(parts(got), parts(expected), strict=True):
        torch.testing.assert_close(a, b)
    assert any(not torch.allclose(a, b) for a, b in zip(parts(got), parts(plain), strict=True))


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


def test_two_nets_and_an_adapter_stack_as_in_diffusers(
    tmp_path: Path, weights: Weights, net: ControlNet, single_file: Written
) -> None:
    other, adapter = tiny.controlnet_module(), adapter_module()
    tiny.randomized(other, 7)
    other.save_pretrained(tmp_path / "other")
    adapter.save_pretrained(tmp_path / "adapter")
    second, third = (checkpoint.open_controlnet(tmp_path / name) for name in ("other", "adapter"))
    pictures = [rand(1, 64, 48, 3) * share for share in (1.0, 0.7, 0.4)]
    hints = [
        ControlHint(one, picture, strength)
        for one, picture, strength in zip((net, second, third), pictures, (0.8, -0.3, 0.5), strict=True)
    ]
    with torch.no_grad():
        first, more = (
            module(X, T, CONTEXT, picture.movedim(-1, 1), conditioning_scale=hint.strength, return_dict=False)
            for module, picture, hint in zip((tiny.controlnet_module(), other), pictures, hints, strict=False)
        )
        expected = tiny.unet_module()(
            X,
            T,
            CONTEXT,
            down_block_additional_residuals=tuple(a + b for a, b in zip(first[0], more[0], strict=True)),
            mid_block_additional_residual=first[1] + more[1],
            down_intrablock_additional_residuals=[0.5 * f for f in adapter(pictures[2].movedim(-1, 1))],
        ).sample

    found = controlled(weights, *hints)
    with weights.network(checkpoint.open_unet(single_file("sd15"))) as network:
        got = network(X, T, Inputs(CONTEXT, None, None, None, found.down, found.mid, found.adapter))

    # Strengths are applied before or after a sum of float32.
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=2e-5)


RANK = 4


def control_lora(path: Path, family: str = "sd15") -> ControlNetModel:
    """Writes a control-LoRA and gives the net that it makes of the family's UNet."""
    unet, net = tiny.unet_module(family), tiny.controlnet_module(family)
    trunk, originals = dict(unet.state_dict()), {v: k for k, v in _ldm_names(net).items()}
    whole, file = dict(net.state_dict()), {"lora_controlnet": torch.zeros(0)}
    for theirs, name in originals.items():
        if name not in trunk:
            file[theirs] = whole[name]
        elif name.endswith(".weight") and trunk[name].ndim > 1:
            shape = trunk[name].shape
            up, down = rand(shape[0], RANK) - 0.5, rand(RANK, *shape[1:]) - 0.5
            stem = theirs.removesuffix(".weight")
            file |= {f"{stem}.up": up.reshape(shape[0], RANK, *[1] * (len(shape) - 2)), f"{stem}.down": down}
            whole[name] = trunk[name] + (up @ down.flatten(1)).reshape(shape)
        elif name.endswith(".bias"):
            file[theirs] = whole[name]
        else:
            whole[name] = trunk[name]  # what the file does not have is the UNet's
    save_file({n: t.clone().contiguous() for n, t in file.items()}, path)
    net.load_state_dict(whole)
    return net


def _ldm_names(net: ControlNetModel) -> dict[str, str]:
    """LDM's name of each of a ControlNet's tensors."""
    marked = {name: torch.full((1,), float(i)) for i, name in enumerate(net.state_dict())}
    names = list(marked)
    originals = tiny.ldm_controlnet(_Marked(net, marked))  # pyright: ignore[reportArgumentType]
    return {names[int(value)]: theirs for theirs, value in originals.items()}


class _Marked:
    """A net whose tensors are their own numbers."""

    def __init__(self, net: ControlNetModel, state: dict[str, Tensor]) -> None:
        self.config = net.config
        self.controlnet_down_blocks = net.controlnet_down_blocks
        self._state = state

    def state_dict(self) -> dict[str, Tensor]:
        return self._state


@pytest.mark.parametrize("road", ["file", "folder"])
def test_control_loras_are_made_of_the_unet(
    tmp_path: Path, weights: Weights, single_file: Written, folder: Written, road: str
) -> None:
    module = control_lora(tmp_path / "lora.safetensors")
    model = checkpoint.open_checkpoint((single_file if road == "file" else folder)("sd15")).model
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "lora.safetensors"), rand(1, 64, 48, 3), 0.5)
    with torch.no_grad():
        down, mid = module(X, T, CONTEXT, hint.image.movedim(-1, 1), return_dict=False)

    with weights.controls([Conditioning((Cond(CONTEXT, controls=(hint,)),))], model) as controls:
        assert controls is not None
        got = parts(controls((hint,), X, T, Inputs(CONTEXT)))

    same(got, [0.5 * r for r in (*down, mid)])


def test_a_lora_changes_a_control_lora_too(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    module = control_lora(tmp_path / "lora.safetensors")
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    up, down = rand(32, 2), rand(2, 64)
    save_file({f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_A.weight": down}, tmp_path / "ink.safetensors")
    ink = open_lora(tmp_path / "ink.safetensors", 1.0, "unet")
    model = checkpoint.open_unet(single_file("sd15")).patched(ink)
    module.get_parameter(name + ".weight").data += up @ down
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "lora.safetensors"), rand(1, 64, 48, 3))
    with torch.no_grad():
        expected = module(X, T, CONTEXT, hint.image.movedim(-1, 1), return_dict=False)

    with weights.controls([Conditioning((Cond(CONTEXT, controls=(hint,)),))], model) as controls:
        got = parts(controls((hint,), X, T, Inputs(CONTEXT)))  # pyright: ignore[reportOptionalCall]

    same(got, [*expected[0], expected[1]])


def test_differences_are_added_to_the_unet(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    unet, module = tiny.unet_module().state_dict(), tiny.controlnet_module()
    state = {theirs: module.state_dict()[n] - unet.get(n, 0.0) for n, theirs in _ldm_names(module).items()}
    marked = {f"control_model.{n}": t.contiguous() for n, t in state.items()} | {"difference": torch.zeros(0)}
    save_file(marked, tmp_path / "diff.safetensors")
    model = checkpoint.open_unet(single_file("sd15"))
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "diff.safetensors"), rand(1, 64, 48, 3))
    with torch.no_grad():
        down, mid = module(X, T, CONTEXT, hint.image.movedim(-1, 1), return_dict=False)

    with weights.controls([Conditioning((Cond(CONTEXT, controls=(hint,)),))], model) as controls:
        got = parts(controls((hint,), X, T, Inputs(CONTEXT)))  # pyright: ignore[reportOptionalCall]

    same(got, [*down, mid])


def test_a_control_lora_for_another_model_is_told(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    control_lora(tmp_path / "lora.safetensors")
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "lora.safetensors"), rand(1, 64, 48, 3))
    told = [Conditioning((Cond(CONTEXT, controls=(hint,)),))]

    with (
        pytest.raises(WeightsError, match=r"lora\.safetensors is made for another model; the model here is SDXL"),
        weights.controls(told, checkpoint.open_unet(single_file("sdxl"))),
    ):
        pass


@pytest.mark.parametrize("layout", ["file", "folder"])
def test_what_the_shuffle_net_finds_has_no_place(tmp_path: Path, weights: Weights, layout: str) -> None:
    module, path = tiny.controlnet_module(), tmp_path / "control_v11e_sd15_shuffle_fp16.safetensors"
    module.register_to_config(global_pool_conditions=True)
    if layout == "file":
        save_file(tiny.ldm_controlnet(module), path)
    else:
        path = tmp_path / "net"
        module.save_pretrained(path)
    hint = ControlHint(checkpoint.open_controlnet(path), rand(1, 64, 48, 3))
    module.register_to_config(global_pool_conditions=False)
    with torch.no_grad():
        down, mid = module(X, T, CONTEXT, hint.image.movedim(-1, 1), return_dict=False)

    got = parts(controlled(weights, hint))

    same(got, [r.mean(dim=(2, 3), keepdim=True) for r in (*down, mid)])


def test_pooled_residuals_go_everywhere(
    tmp_path: Path, weights: Weights, net: ControlNet, single_file: Written
) -> None:
    save_file(tiny.ldm_controlnet(tiny.controlnet_module()), tmp_path / "a_shuffle.safetensors")
    image = rand(1, 64, 48, 3)
    hints = ControlHint(checkpoint.open_controlnet(tmp_path / "a_shuffle.safetensors"), image), ControlHint(net, image)

    found = controlled(weights, *hints)
    with weights.network(checkpoint.open_unet(single_file("sd15"))) as network:
        got = network(X, T, Inputs(CONTEXT, down_residuals=found.down, mid_residual=found.mid))
        alone = controlled(weights, hints[0])
        also = network(X, T, Inputs(CONTEXT, down_residuals=alone.down, mid_residual=alone.mid))

    assert got.isfinite().all()
    assert not torch.equal(got, also)


def test_masked_pixels_below_zero_reach_an_inpainting_net(weights: Weights, net: ControlNet) -> None:
    # The inpainting ControlNet is shown -1 where the picture is to be made up.
    image = rand(1, 64, 48, 3)
    image[:, 16:32, 16:32] = -1.0
    with torch.no_grad():
        down, mid = tiny.controlnet_module()(X, T, CONTEXT, image.movedim(-1, 1), return_dict=False)

    same(parts(controlled(weights, ControlHint(net, image))), [*down, mid])


@pytest.mark.parametrize("here", ["sd15", "sd2", "sdxl", "sdxl_refiner"])
@pytest.mark.parametrize("made_for", ["sd15", "sd2", "sdxl", "adapter"])
def test_every_familys_net_says_so_to_the_others(
    tmp_path: Path, weights: Weights, single_file: Written, made_for: str, here: str
) -> None:
    path = tmp_path / "net.safetensors"
    if made_for == "adapter":
        save_file(first_release(adapter_module()), path)
    else:
        save_file(tiny.ldm_controlnet(tiny.controlnet_module(made_for)), path)
    family = "sd15" if made_for == "adapter" else made_for
    titles = {"sd15": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner"}
    model = checkpoint.open_unet(single_file(here))
    hint = ControlHint(checkpoint.open_controlnet(path), rand(1, 64, 48, 3))
    told = [Conditioning((Cond(CONTEXT, controls=(hint,)),))]

    if family == here:
        with weights.controls(told, model) as controls:
            assert controls is not None
        return
    with (
        pytest.raises(WeightsError) as caught,
        weights.controls(told, model),
    ):
        pass
    told_so = f"net.safetensors is made for {titles[family]}; the model here is {titles[here]}."
    assert str(caught.value).endswith(told_so)


def test_another_familys_adapter_is_told(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    save_file(first_release(adapter_module()), tmp_path / "adapter.safetensors")
    hint = ControlHint(checkpoint.open_controlnet(tmp_path / "adapter.safetensors"), rand(1, 64, 48, 3))
    steered = [Conditioning((Cond(CONTEXT, controls=(hint,)),))]
    fitting, other = (checkpoint.open_unet(single_file(family)) for family in ("sd15", "sdxl"))
    with (
        pytest.raises(WeightsError, match=r"adapter\.safetensors is made for SD 1\.x; the model here is SDXL"),
        weights.controls(steered, other),
    ):
        pass
    with weights.controls(steered, fitting) as controls:
        assert controls is not None
