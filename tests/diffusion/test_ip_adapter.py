"""IP-Adapters against diffusers' own, in whole UNets of SD 1.x and SDXL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion import checkpoint, ip_adapter
from nodes.diffusion.companions import accompanied
from nodes.diffusion.files import WeightsError
from nodes.diffusion.ip_adapter import ImagePrompt, IpAdapter
from nodes.diffusion.ip_adapter_weights import WEIGHT_TYPES, layer_weights
from nodes.diffusion.network import Inputs
from nodes.diffusion.weights import Weights
from tests.diffusion import tiny, tiny_adapters
from tests.diffusion.conftest import Written
from tests.diffusion.tiny_adapters import rand

T = torch.tensor([400.0])
WEIGHT = 0.7
KINDS = {"plain": (32, (2, 32)), "plus": (128, (2, 17, 128)), "full": (128, (2, 17, 128))}
"""What each kind reads: how wide, and the shape of two pictures' worth."""


def adapter_of(folder: Path, kind: str, family: str = "sd15") -> tuple[IpAdapter, dict[str, Tensor]]:
    context = tiny.FAMILIES[family].unet["cross_attention_dim"]
    widths = tiny_adapters.cross_widths(family)
    state = tiny_adapters.ip_adapter_state(kind, reads=KINDS[kind][0], context=context, widths=widths)
    return ip_adapter.open_ip_adapter(tiny_adapters.write(folder / f"{kind}.safetensors", state)), state


def inputs_of(family: str, batch: int, sides: tuple[str, ...] = ("positive",)) -> Inputs:
    context = tiny.FAMILIES[family].unet["cross_attention_dim"]
    more: Any = {"pooled": rand(batch, 96), "time_ids": torch.full((batch, 6), 64.0)} if family == "sdxl" else {}
    return Inputs(rand(batch, 77, context), **more, sides=sides, sigma=1.0)


def answered(weights: Weights, path: Path, x: Tensor, inputs: Inputs, *prompts: ImagePrompt) -> Tensor:
    with weights.network(checkpoint.open_unet(path)) as unet, accompanied(unet, prompts, weights) as network:
        return network(x, T.expand(len(x)), inputs)


def by_diffusers(family: str, state: dict[str, Tensor], x: Tensor, inputs: Inputs, pictures: Tensor) -> Tensor:
    """The same through diffusers' own IP-Adapter; `pictures` are [B,N,...]: N for each sample."""
    module: Any = tiny.unet_module(family)
    parts: dict[str, Any] = {
        part: {n.removeprefix(f"{part}."): t for n, t in state.items() if n.startswith(part)}
        for part in ("image_proj", "ip_adapter")
    }
    module._load_ip_adapter_weights([parts])
    for processor in module.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [WEIGHT]
    added = {"image_embeds": [pictures]}
    if inputs.pooled is not None:
        added |= {"text_embeds": inputs.pooled, "time_ids": inputs.time_ids}
    with torch.no_grad():
        return module(x, T, inputs.context, added_cond_kwargs=added).sample


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_pictures_act_as_in_diffusers(
    tmp_path: Path, weights: Weights, single_file: Written, kind: str, family: str
) -> None:
    adapter, state = adapter_of(tmp_path, kind, family)
    x, inputs, pictures = rand(1, 4, 8, 6), inputs_of(family, 1), rand(*KINDS[kind][1]) * 5
    prompt = ImagePrompt(adapter, pictures, torch.zeros_like(pictures), WEIGHT)

    plain = answered(weights, single_file(family), x, inputs)
    got = answered(weights, single_file(family), x, inputs, prompt)

    # diffusers takes several pictures for a sample as one row of them.
    expected = by_diffusers(family, state, x, inputs, pictures[None])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert (got - plain).abs().max() > 1e-2
    assert torch.equal(answered(weights, single_file(family), x, inputs), plain)


@pytest.fixture
def one(tmp_path: Path, weights: Weights, single_file: Written) -> Any:
    """Asks the UNet of SD 1.x under a plain adapter."""
    adapter, state = adapter_of(tmp_path, "plain")
    pictures = rand(2, 32) * 5

    class One:
        prompt = ImagePrompt(adapter, pictures, torch.zeros(1, 32))
        of = state

        @staticmethod
        def ask(
            *prompts: ImagePrompt, sides: tuple[str, ...] = ("positive",), sigma: float = 1.0, batch: int = 1
        ) -> Tensor:
            x = rand(1, 4, 8, 6).expand(batch, -1, -1, -1)
            inputs = replace(inputs_of("sd15", 1), sides=sides, sigma=sigma)
            assert inputs.context is not None
            inputs = replace(inputs, context=inputs.context.expand(batch, -1, -1))
            return answered(weights, single_file("sd15"), x, inputs, *prompts)

    return One


def test_the_negative_side_sees_the_negative_pictures(one: Any) -> None:
    both = one.ask(one.prompt, sides=("positive", "negative"), batch=2)

    away = replace(one.prompt, positive=one.prompt.negative)
    torch.testing.assert_close(both[:1], one.ask(one.prompt), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1:], one.ask(away), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(both[:1], both[1:])


def test_it_acts_between_its_levels(one: Any) -> None:
    plain, prompt = one.ask(), replace(one.prompt, start_sigma=2.0, end_sigma=0.5)

    for sigma, acts in ((2.5, False), (2.0, True), (0.5, True), (0.4, False)):
        assert torch.equal(one.ask(prompt, sigma=sigma), plain) is not acts


def test_masks_keep_it_to_a_place(one: Any) -> None:
    whole, plain = one.ask(one.prompt), one.ask()
    ones, zeros = torch.ones(1, 64, 48), torch.zeros(1, 64, 48)

    assert torch.equal(one.ask(replace(one.prompt, mask=ones)), whole)
    assert torch.equal(one.ask(replace(one.prompt, mask=zeros)), plain)


def test_a_mask_is_fitted_to_each_layer(one: Any, weights: Weights, single_file: Written) -> None:
    half = torch.cat([torch.ones(1, 32, 48), torch.zeros(1, 32, 48)], dim=1)

    def gathered(*prompts: ImagePrompt) -> Tensor:
        """What the first cross-attention gathers, [8,6,C]."""
        found: list[Tensor] = []
        model = checkpoint.open_unet(single_file("sd15"))
        with weights.network(model) as unet, accompanied(unet, prompts, weights) as network:
            layer = network.module.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_out[0]
            handle = layer.register_forward_pre_hook(lambda _, args: found.append(args[0]))
            network(rand(1, 4, 8, 6), T, inputs_of("sd15", 1))
            handle.remove()
        return found[0].unflatten(1, (8, 6))[0]

    plain, whole, above = gathered(), gathered(one.prompt), gathered(replace(one.prompt, mask=half))

    assert torch.equal(above[:4], whole[:4])
    assert torch.equal(above[4:], plain[4:])
    assert not torch.equal(whole[4:], plain[4:])


def test_each_sample_of_a_batch_can_have_its_own(one: Any) -> None:
    own = one.ask(replace(one.prompt, per_sample=True), batch=3)

    for i, picture in enumerate((0, 1, 1)):
        alone = one.ask(replace(one.prompt, positive=one.prompt.positive[picture : picture + 1]))
        torch.testing.assert_close(own[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_several_add_up_and_none_at_zero(one: Any) -> None:
    other = replace(one.prompt, positive=rand(1, 32, seed=4) * 5)

    assert torch.equal(one.ask(replace(one.prompt, weight=0.0)), one.ask())
    torch.testing.assert_close(one.ask(one.prompt, other), one.ask(other, one.prompt), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one.ask(one.prompt, other), one.ask(one.prompt))


@pytest.mark.parametrize("scaling", ip_adapter.SCALINGS)
def test_scalings_are_alike_at_full_weight_of_a_wide_layer(scaling: Any) -> None:
    k, v = rand(1, 4, 1280), rand(1, 4, 1280, seed=1)

    at_one, half = (ip_adapter.scaled(k, v, weight, scaling) for weight in (1.0, 0.5))

    torch.testing.assert_close(at_one[0], k)
    torch.testing.assert_close(at_one[1], v)
    assert at_one[2] == 1.0
    if scaling == "V only":
        assert half[2] == 0.5
        assert torch.equal(half[0], k)
    else:
        torch.testing.assert_close(half[0], 0.5 * k)
        mean = half[1].mean(1)
        torch.testing.assert_close(mean, 0.5 * v.mean(1))
        assert torch.allclose(half[1], 0.5 * v) is not scaling.startswith("K+mean")


@pytest.mark.parametrize("scaling", ip_adapter.SCALINGS[1:])
def test_scalings_change_the_picture(one: Any, scaling: Any) -> None:
    prompt = replace(one.prompt, weight=0.8)
    assert not torch.allclose(one.ask(replace(prompt, scaling=scaling)), one.ask(prompt))


PLACES = ("input",) * 6 + ("middle",) + ("output",) * 9
XL_PLACES = ("input",) * 4 + ("middle",) + ("output",) * 6


@pytest.mark.parametrize(
    ("kind", "sdxl", "expected"),
    [
        ("linear", False, dict.fromkeys(range(16), 1.0)),
        ("ease in", False, {i: 0.05 + 0.95 * (1 - i / 16) for i in range(16)}),
        ("ease out", False, {i: 0.05 + 0.95 * i / 16 for i in range(16)}),
        ("weak output", False, {i: 0.2 if i > 6 else 1.0 for i in range(16)}),
        ("strong middle", False, {i: 1.0 if i == 6 else 0.2 for i in range(16)}),
        ("style transfer", True, {6: 1.0}),
        ("composition", True, {3: 1.0}),
        ("composition", False, {4: 0.25, 5: 1.0}),
        ("style transfer", False, dict.fromkeys((0, 1, 2, 3, *range(9, 16)), 1.0)),
        ("strong style transfer", True, {i: 1.0 for i in range(11) if i != 3}),
        ("style and composition", True, {3: 0.5, 6: 1.0}),
        ("style transfer precise", True, {3: 0.5, 6: 1.0}),
    ],
)
def test_weights_are_spread_over_the_layers(kind: str, sdxl: bool, expected: dict[int, float]) -> None:
    places = XL_PLACES if sdxl else PLACES
    found = layer_weights(kind, 1.0, 0.5, places, sdxl=sdxl)
    assert {i: layer.weight for i, layer in enumerate(found) if layer.weight} == pytest.approx(expected)


def test_precise_kinds_go_away_from_the_other_half() -> None:
    style = layer_weights("style transfer precise", 1.0, 0.5, XL_PLACES, sdxl=True)
    shape = layer_weights("composition precise", 1.0, 0.5, XL_PLACES, sdxl=True)
    assert [i for i, layer in enumerate(style) if layer.swapped] == [3]
    assert [i for i, layer in enumerate(shape) if not layer.swapped] == [3]


@pytest.mark.parametrize("kind", WEIGHT_TYPES)
def test_every_way_to_spread_acts_on_small_networks_too(one: Any, kind: str) -> None:
    got = one.ask(replace(one.prompt, layers=kind), sides=("positive", "negative"), batch=2)
    assert got.isfinite().all()
    assert not torch.equal(got, one.ask(sides=("positive", "negative"), batch=2))


def test_another_familys_adapter_is_told(tmp_path: Path, single_file: Written) -> None:
    adapter, _ = adapter_of(tmp_path, "plain")
    with pytest.raises(WeightsError, match=r"plain\.safetensors is made for text 64 wide; the model here is SDXL"):
        ip_adapter.check_fits(adapter, checkpoint.open_unet(single_file("sdxl")))
    state = tiny_adapters.ip_adapter_state("plain", reads=8, context=2048, widths=[32])
    xl = ip_adapter.open_ip_adapter(tiny_adapters.write(tmp_path / "xl.safetensors", state))
    with pytest.raises(WeightsError, match=r"xl\.safetensors is made for SDXL; the model here is SD 1\.x"):
        ip_adapter.check_fits(xl, checkpoint.open_unet(single_file("sd15")))


def test_an_adapter_for_fewer_layers_is_told(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    state = tiny_adapters.ip_adapter_state("plain", reads=32, context=64, widths=[32])
    adapter = ip_adapter.open_ip_adapter(tiny_adapters.write(tmp_path / "few.safetensors", state))
    with pytest.raises(WeightsError, match=r"made for a model of 1 cross-attention layers; SD 1\.x here has"):
        answered(
            weights, single_file("sd15"), rand(1, 4, 8, 6), inputs_of("sd15", 1),
            ImagePrompt(adapter, rand(1, 32), rand(1, 32)),
        )  # fmt: skip


@pytest.mark.parametrize(
    "more",
    ["image_proj.perceiver_resampler.proj_in.weight", "ip_adapter.1.to_q_lora.down.weight"],
)
def test_face_id_is_told(tmp_path: Path, more: str) -> None:
    state = tiny_adapters.ip_adapter_state("plain", reads=32, context=64, widths=[32]) | {more: rand(4, 4)}
    path = tiny_adapters.write(tmp_path / "faceid.safetensors", state)
    with pytest.raises(WeightsError, match=r"faceid\.safetensors is a FaceID adapter: it reads faces by insightface"):
        ip_adapter.open_ip_adapter(path)


def test_what_is_no_adapter_is_told(single_file: Written) -> None:
    with pytest.raises(WeightsError, match=r"sd15\.safetensors is no IP-Adapter"):
        ip_adapter.open_ip_adapter(single_file("sd15"))
