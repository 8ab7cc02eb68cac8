"""Networks on a device, shown without one: "meta" mixes with the CPU as little as a GPU does, but holds no numbers.

So these tests show where things are computed; what comes out is shown elsewhere. First the networks are there, and all
that they are asked with has to be brought. Then each layer's weights come only while it computes, and nothing may look
at them before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion import checkpoint, clip, style, vision
from nodes.diffusion.companions import accompanied
from nodes.diffusion.enlarging import with_small_pictures
from nodes.diffusion.evaluate import Evaluator
from nodes.diffusion.files import WeightsError
from nodes.diffusion.guidance import NOTHING, CfgGuide
from nodes.diffusion.guidance_changes import hooks_named
from nodes.diffusion.ip_adapter import ImagePrompt
from nodes.diffusion.patches import Target
from nodes.diffusion.prediction import prediction
from nodes.diffusion.regions import place
from nodes.diffusion.resident import Resident
from nodes.diffusion.unet_patches import patched
from nodes.diffusion.weights import Weights
from nodes.types import Area, ClipVisionOutput, Cond, Conditioning, ControlHint, Model, Source
from tests.diffusion import tiny, tiny_adapters
from tests.diffusion.conftest import Written
from tests.diffusion.test_ip_adapter import KINDS, adapter_of, inputs_of
from tests.diffusion.tiny_adapters import rand
from tests.nodes.test_clip_vision import style_state

META = torch.device("meta")
T = torch.tensor([400.0])


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights whose networks are on the device from the start: a tensor of the CPU cannot be made to point there."""

    def there(source: Source, module: torch.nn.Module) -> Resident:
        return Resident(source, module.to(META))

    monkeypatch.setattr("nodes.diffusion.weights.Resident", there)
    return Weights(META, "fp32", budget=1 << 40)


@pytest.fixture
def layered(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights on the CPU, whose networks have them only layer by layer: at rest they are elsewhere."""
    monkeypatch.setattr("nodes.diffusion.weights.Resident", lambda source, module: Resident(source, at_rest(module)))
    return Weights("cpu", "fp32")


def at_rest(module: torch.nn.Module) -> torch.nn.Module:
    """The module with no layer's weights but those of the layer that computes."""
    for layer in module.modules():
        # This one reads its child's weights without calling the child.
        owners = list(layer.modules()) if isinstance(layer, torch.nn.MultiheadAttention) else [layer]
        here = [(owner, {n: p for n, p in owner._parameters.items() if p is not None}) for owner in owners]
        away = [(owner, {n: torch.nn.Parameter(p.to(META), False) for n, p in own.items()}) for owner, own in here]
        layer.register_forward_pre_hook(lambda *_, here=here: _give(here))
        layer.register_forward_hook(lambda *_, away=away: _give(away), always_call=True)
    for layer in module.modules():
        there = {n: torch.nn.Parameter(p.to(META), False) for n, p in layer._parameters.items() if p is not None}
        _give([(layer, there)])
    return module


def _give(owned: list[tuple[torch.nn.Module, dict[str, Any]]]) -> None:
    for owner, parameters in owned:
        owner._parameters.update(parameters)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_unet_computes_on_the_device(family: str, weights: Weights, single_file: Written) -> None:
    inputs = inputs_of(family, 1)
    if family == "unclip":
        inputs = replace(inputs, pooled=rand(1, 128))
    if family == "sdxl_refiner":
        inputs = replace(inputs, pooled=rand(1, 96), time_ids=torch.full((1, 5), 64.0))

    with weights.network(checkpoint.open_unet(single_file(family))) as network:
        x = torch.zeros(1, network.in_channels, 8, 8, device=META)
        out = network(x, T, inputs)

    assert (out.device, out.shape) == (META, (1, 4, 8, 8))


def drawn(weights: Weights, model: Model, sides: Mapping[str, Conditioning], **how: Any) -> torch.Tensor:
    """x0 of one guided step, as a run asks for it."""
    shape = (2, 4, 8, 8)
    guide = CfgGuide(5.0, hooks_named(how.get("guidance", ())))
    with (
        weights.network(model) as unet,
        patched(unet, how.get("patches", ()), sides) as network,
        weights.controls(sides.values(), model) as controls,
    ):
        of = prediction(network.parametrization)
        x, latent = torch.zeros(shape, device=META), torch.zeros(shape, device=META)
        mask = torch.ones((1, 1, 8, 8), device=META)
        evaluator = Evaluator(network, of, controls=controls, latent=latent, mask=mask)
        placed = place(with_small_pictures(sides, network, 1), shape, of, META)

        def ask(side: str, changes: Mapping[str, object] = NOTHING, *, x: torch.Tensor | None = None) -> torch.Tensor:
            here = torch.zeros(shape, device=META) if x is None else x
            return evaluator(here, 2.0, [placed[side]], changes)[0]

        wanted = [name for name in (*guide.wanted(), *guide.hooks.sides) if name in placed]
        answers = evaluator(x, 2.0, [placed[name] for name in wanted], guide.hooks.changes)
        return guide.guided(x, 2.0, dict(zip(wanted, answers, strict=True)), of, ask)


def prompts(family: str, **more: Any) -> dict[str, Conditioning]:
    width = tiny.FAMILIES[family].unet["cross_attention_dim"]
    negative = Cond(rand(1, 77, width))
    return {"positive": Conditioning((negative.having(**more),)), "negative": Conditioning((negative,))}


SMALL = {"concat_image": torch.zeros(1, 3, 8, 8), "noise_augmentation": 0.3}
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "area": ("sd15", {"area": Area(4, 4, 2, 2)}),
    "mask": ("sd15", {"mask": torch.ones(1, 64, 64), "mask_strength": 0.5}),
    "inpainting": ("inpaint", {"concat_latent": torch.zeros(1, 4, 8, 8), "concat_mask": torch.ones(1, 1, 64, 64)}),
    "inpainting of nothing": ("inpaint", {}),
    "editing": ("ip2p", {"concat_latent": torch.zeros(1, 4, 8, 8)}),
    "enlarging": ("sd_x4", {"extras": SMALL}),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_a_prompt_brings_is_taken_there(part: str, weights: Weights, single_file: Written) -> None:
    family, brought = PARTS[part]

    assert drawn(weights, checkpoint.open_unet(single_file(family)), prompts(family, **brought)).device == META


GUIDANCE: Mapping[str, Mapping[str, Any]] = {
    "rescale_cfg": {"multiplier": 0.7},
    "renorm_cfg": {"until": 100.0, "limit": 1.0},
    "zero_star": {},
    "cfg_norm": {"strength": 1.0},
    "mahiro": {},
    "projected": {"eta": 1.0, "norm_threshold": 5.0, "momentum": -0.5},
    "tangential_damping": {},
    "frequencies": {"low": 1.0, "high": 1.25, "cutoff": 20},
    "perturbed_attention": {"scale": 3.0},
    "skipped_blocks": {"blocks": (2,), "scale": 3.0, "start": 0.0, "end": 1.0, "rescale": 0.5},
}


@pytest.mark.parametrize("name", GUIDANCE)
def test_guidance_is_computed_there(name: str, weights: Weights, single_file: Written) -> None:
    model = checkpoint.open_unet(single_file("sd15"))

    assert drawn(weights, model, prompts("sd15"), guidance=[(name, GUIDANCE[name])]).device == META


PATCHES: Mapping[str, Mapping[str, Any]] = {
    "freeu": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2, "version": 2},
    "tiled": {"tile_size": 32, "swap_size": 2, "max_depth": 0, "scale_depth": False},
    "merged_tokens": {"ratio": 0.3},
    "normalized_guidance": {"scale": 5.0, "alpha": 0.5, "tau": 1.5},
}


@pytest.mark.parametrize("name", PATCHES)
def test_patched_networks_compute_there(name: str, weights: Weights, single_file: Written) -> None:
    model = checkpoint.open_unet(single_file("sd15"))

    assert drawn(weights, model, prompts("sd15"), patches=[(name, PATCHES[name])]).device == META


def test_a_controlnet_is_shown_its_picture_there(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    state = tiny.ldm_controlnet(tiny.controlnet_module())
    path = tmp_path / "control.safetensors"
    save_file({f"control_model.{n}": t.contiguous() for n, t in state.items()}, path)
    hint = ControlHint(checkpoint.open_controlnet(path), torch.zeros(1, 64, 64, 3))

    assert drawn(weights, checkpoint.open_unet(single_file("sd15")), prompts("sd15", controls=(hint,))).device == META


@pytest.mark.parametrize("kind", KINDS)
def test_an_ip_adapter_reads_there(kind: str, tmp_path: Path, weights: Weights, single_file: Written) -> None:
    adapter, _ = adapter_of(tmp_path, kind)
    seen = torch.zeros(KINDS[kind][1])
    prompt = ImagePrompt(adapter, seen, seen[:1], mask=torch.ones(1, 32, 32))
    with (
        weights.network(checkpoint.open_unet(single_file("sd15"))) as unet,
        accompanied(unet, [prompt], weights) as network,
    ):
        assert network(torch.zeros(1, 4, 8, 8, device=META), T, inputs_of("sd15", 1)).device == META


def test_text_is_read_there(weights: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sdxl")).clip
    assert found is not None
    ids = torch.zeros((1, 77), dtype=torch.long, device=META)
    with weights.text(found) as encoders, torch.no_grad():
        for encoder in encoders:
            assert {each.device for each in encoder(ids, 49407, -2, normed=False)} == {META}


def test_pictures_become_latents_there(weights: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sd15")).vae
    assert found is not None
    with weights.vae(found) as vae, torch.no_grad():
        module: Any = vae.module  # type: ignore[union-attr]
        latent = module.encode(torch.zeros(1, 3, 64, 64, device=META)).latent_dist.mean
        assert module.decode(latent).sample.device == META


def test_pictures_are_seen_there(tmp_path: Path, weights: Weights) -> None:
    state = tiny_adapters.open_clip_vision(tiny_adapters.vision_module())
    eye = vision.open_vision(tiny_adapters.write(tmp_path / "eye.safetensors", state))
    with weights.module(eye.source, vision.load) as module, torch.no_grad():
        side = int(module.image_size)  # type: ignore[arg-type]
        assert {each.device for each in module(torch.zeros(1, 3, side, side, device=META))} == {META}


def style_file(kind: str, folder: Path) -> Path:
    redux = {"redux_up.weight": rand(24, 128), "redux_up.bias": rand(24)}
    redux |= {"redux_down.weight": rand(8, 24), "redux_down.bias": rand(8)}
    return tiny_adapters.write(folder / "style.safetensors", style_state() if kind == "adapter" else redux)


@pytest.mark.parametrize("kind", ["adapter", "redux"])
def test_a_style_is_read_there(kind: str, tmp_path: Path, weights: Weights) -> None:
    model = style.open_style(style_file(kind, tmp_path))
    with weights.module(model.source, style.load) as module, torch.no_grad():
        assert module(torch.zeros(1, 17, 128, device=META)).device == META


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_unets_layers_come_one_by_one(family: str, layered: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file(family))
    assert found.clip is not None
    assert found.vae is not None
    with layered.network(found.model) as network:
        inputs = inputs_of(family, 1)
        if family == "unclip":
            inputs = replace(inputs, pooled=rand(1, 128))
        if family == "sdxl_refiner":
            inputs = replace(inputs, pooled=rand(1, 96), time_ids=torch.full((1, 5), 64.0))
        assert network(torch.zeros(1, network.in_channels, 8, 8), T, inputs).isfinite().all()
    assert clip.encode(layered, found.clip, "a boat").tokens.isfinite().all()
    with layered.vae(found.vae) as vae:
        assert vae.decode(vae.encode(torch.zeros(1, 64, 64, 3))).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_ip_adapters_layers_come_one_by_one(
    kind: str, tmp_path: Path, layered: Weights, single_file: Written
) -> None:
    adapter, _ = adapter_of(tmp_path, kind)
    prompt = ImagePrompt(adapter, torch.zeros(KINDS[kind][1]), torch.zeros(KINDS[kind][1])[:1])
    with (
        layered.network(checkpoint.open_unet(single_file("sd15"))) as unet,
        accompanied(unet, [prompt], layered) as network,
    ):
        assert network(torch.zeros(1, 4, 8, 8), T, inputs_of("sd15", 1)).isfinite().all()


def test_an_image_encoders_layers_come_one_by_one(tmp_path: Path, layered: Weights) -> None:
    state = tiny_adapters.open_clip_vision(tiny_adapters.vision_module())
    eye = vision.open_vision(tiny_adapters.write(tmp_path / "eye.safetensors", state))

    assert vision.encode(layered, eye, torch.zeros(1, 56, 56, 3)).image_embeds.isfinite().all()


@pytest.mark.parametrize("kind", ["adapter", "redux"])
def test_a_style_models_layers_come_one_by_one(kind: str, tmp_path: Path, layered: Weights) -> None:
    model = style.open_style(style_file(kind, tmp_path))
    states = torch.zeros(1, 17, 128)

    assert style.tokens(layered, model, ClipVisionOutput(states, states, states)).isfinite().all()


class Full(torch.Tensor):
    """A weight for which there is no room on a device."""

    def to(self, *_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_network_that_fits_in_part_stays_on_the_host() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    resident = Resident(Source(Path("none"), "0", "unet"), module)
    resident.originals["1.weight"] = resident.originals["1.weight"].as_subclass(Full)

    with pytest.raises(torch.OutOfMemoryError):
        resident.place(torch.device("cpu", 0))

    assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert resident.device.type == "cpu"


@dataclass(frozen=True)
class TooLarge:
    """A patch that there is no room for."""

    key: str = "too large"

    def edits(self, target: Target) -> Mapping[str, Any]:
        def edit(_: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory.")

        return {"conv_in.weight": edit} if target.part == "unet" else {}


def test_a_patch_without_room_leaves_the_model_to_others(single_file: Written) -> None:
    weights, model = Weights("cpu", "fp32"), checkpoint.open_unet(single_file("sd15"))

    for _ in range(2):
        with pytest.raises(WeightsError, match="Out of memory"), weights.network(model.patched(TooLarge())):
            pass

    with weights.network(model) as network:
        loaded = weights.loaded_bytes
        assert torch.equal(network.module.conv_in.weight, tiny.unet_module().conv_in.weight)
    assert loaded == sum(p.nbytes for p in tiny.unet_module().parameters())
