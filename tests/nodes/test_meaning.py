"""What the nodes' settings mean, told by the pictures that the bundled model draws with them.

Nothing here depends on what exactly is drawn: pictures are read, and differences have room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nodes import (
    compositing,
    conditioning,
    guidance,
    loaders,
    lora,
    masks,
    model_patches,
    model_sampling,
    samplers,
    sampling,
    schedulers,
    vae,
)
from nodes.diffusion import schedules
from nodes.diffusion.samplers import NAMES
from nodes.diffusion.weights import Weights
from nodes.folders import STARTER, Folders
from nodes.image_layout import image_crop
from nodes.latents import set_latent_noise_mask
from nodes.starter.checker import describe, facts_of, matches
from nodes.starter.scenes import Asked, Scene, Thing, draw
from nodes.types import Conditioning, Image, Latent, Mask, Model, Noise

SIZE, STEPS, CFG = 128, 14, 4.0
LOW_CFG = 1.6
"""For samplers that move along the negative's noise, where this much is strong guidance."""

_TWICE = ("heun", "dpm_2", "dpmpp_2s", "dpmpp_sde", "seeds", "pece")
"""Parts of the names of samplers that ask the network more than once a step, and do with fewer steps."""

RED, BLUE = "a red circle on a white background", "a blue square on a white background"


class Starter:
    """The bundled model at work."""

    def __init__(self, ctx: Any, folders: Folders) -> None:
        self.ctx, self.folders, self.weights = ctx, folders, Weights("cpu", "fp32")
        self.model, self.clip, self.vae = loaders.load_checkpoint(folders=folders, ckpt_name=STARTER)
        self.nothing = self.say("")

    def say(self, prompt: str) -> Conditioning:
        return conditioning.encode_text(weights=self.weights, folders=self.folders, text=prompt, clip=self.clip)

    def sample(self, positive: Conditioning | str, latent: Latent | None = None, **given: Any) -> Latent:
        """What KSampler draws; a square picture unless told otherwise."""
        settings = {"model": self.model, "seed": 7, "steps": STEPS, "cfg": CFG, "sampler_name": "euler"}
        return sampling.ksampler(
            ctx=self.ctx,
            weights=self.weights,
            positive=self.say(positive) if isinstance(positive, str) else positive,
            negative=self.nothing,
            latent_image=empty() if latent is None else latent,
            **{**settings, "scheduler": "normal", **given},
        )

    def picture(self, latent: Latent) -> Image:
        return vae.decode(weights=self.weights, samples=latent, vae=self.vae)

    def seen(self, image: Image) -> Latent:
        return vae.encode(weights=self.weights, pixels=image, vae=self.vae)

    def draw(self, positive: Conditioning | str, latent: Latent | None = None, **given: Any) -> Image:
        return self.picture(self.sample(positive, latent, **given))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    root = tmp_path_factory.mktemp("base")
    return Starter(_Quiet(), Folders.at(root))


@pytest.fixture(scope="module")
def plain(starter: Starter) -> Latent:
    """Two pictures drawn with nothing changed."""
    return starter.sample(RED, empty(count=2))


class _Quiet:
    """A run that nobody watches or cancels."""

    wants_previews = False

    def progress(self, *_: object) -> None: ...

    def check(self) -> None: ...


def empty(width: int = SIZE, count: int = 1) -> Latent:
    return Latent(torch.zeros(count, 4, SIZE // 8, width // 8))


def pixels(image: Image) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    return list((image.pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def colors(image: Image) -> list[str]:
    """The colour of the largest thing in each picture, "" where there is nothing."""
    return [next((thing.color for thing in describe(one).things), "") for one in pixels(image)]


def shows(image: Image, color: str, background: str = "white") -> list[bool]:
    """Whether each picture shows one thing of this colour on this background."""
    facts = facts_of(background, Asked(color, None, None))
    found = [matches(describe(one), facts) for one in pixels(image)]
    return [score.background and score.color and score.count for score in found]


def half(image: Image, side: str) -> Image:
    """The left or the right half of a picture."""
    width = image.pixels.shape[2] // 2
    x = width if side == "right" else 0
    return image_crop(image=image, width=width, height=image.pixels.shape[1], x=x, y=0)


def apart(one: Image, other: Image, where: Mask | None = None) -> float:
    """The mean difference of two pictures in grey levels, where a mask says so."""
    difference = (one.pixels - other.pixels).abs().mean(-1) * 255
    if where is None:
        return float(difference.mean())
    return float((difference * where.values).sum() / where.values.sum())


def scene(*things: Thing, background: str = "white") -> Image:
    """A true picture."""
    return Image(torch.from_numpy(draw(Scene(background, things)).astype(np.float32) / 255)[None])


def left_half() -> Mask:
    values = torch.zeros(1, SIZE, SIZE)
    values[..., : SIZE // 2] = 1.0
    return Mask(values)


# Samplers, schedulers, and what changes the model.


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_draws_the_prompt(starter: Starter, name: str) -> None:
    steps = 12 if any(part in name for part in _TWICE) else 20
    cfg = LOW_CFG if name.endswith("cfg_pp") else CFG
    drawn = starter.sample(RED, empty(count=3), sampler_name=name, steps=steps, cfg=cfg)

    usual = starter.seen(scene(Thing("circle", "red", 64, 64, 26))).samples
    assert drawn.samples.isfinite().all()
    assert 0.6 < drawn.samples.std() / usual.std() < 1.6
    assert any(shows(starter.picture(drawn), "red"))


@pytest.mark.parametrize("name", schedules.NAMES)
def test_every_scheduler_draws_the_prompt(starter: Starter, name: str) -> None:
    assert any(shows(starter.draw(RED, empty(count=2), scheduler=name), "red"))


CHANGES: dict[str, Callable[[Model], Model]] = {
    "adaptive": lambda m: guidance.adaptive_projected_guidance(model=m, eta=0.5, norm_threshold=15.0),
    "zero star": lambda m: guidance.cfg_zero_star(model=m),
    "norm": lambda m: guidance.cfg_norm(model=m),
    "rescaled": lambda m: guidance.rescale_cfg(model=m),
    "renormed": lambda m: guidance.renorm_cfg(model=m),
    "damped": lambda m: guidance.tcfg(model=m),
    "mahiro": lambda m: guidance.mahiro(model=m),
    "noise": lambda m: guidance.epsilon_scaling(model=m),
    "score": lambda m: guidance.temporal_score_rescaling(model=m),
    "frequencies": lambda m: guidance.fresca(model=m),
    "perturbed": lambda m: guidance.perturbed_attention_guidance(model=m, scale=1.0),
    "self-attention": lambda m: guidance.self_attention_guidance(model=m),
    "skipped": lambda m: guidance.skip_layer_guidance(model=m, double_layers="3", scale=1.0),
    "freeu": lambda m: model_patches.freeu(model=m, b1=1.1, b2=1.1, s1=0.9, s2=0.9),
    "normalized": lambda m: model_patches.normalized_attention_guidance(model=m, nag_scale=2.0),
    "bfloat16": lambda m: model_patches.model_compute_dtype(model=m, dtype="bf16"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_still_draws_the_prompt(starter: Starter, plain: Latent, change: Callable[[Model], Model]) -> None:
    changed = starter.sample(RED, empty(count=2), model=change(starter.model))

    assert any(shows(starter.picture(changed), "red"))
    assert not torch.equal(changed.samples, plain.samples)


def test_the_custom_sampler_draws_what_the_ksampler_draws(starter: Starter) -> None:
    sigmas = schedulers.basic_scheduler(model=starter.model, scheduler="normal", steps=STEPS)
    guider = sampling.cfg_guider(model=starter.model, positive=starter.say(RED), negative=starter.nothing, cfg=CFG)
    drawn = sampling.sampler_custom_advanced(
        ctx=starter.ctx,
        weights=starter.weights,
        noise=Noise(7),
        guider=guider,
        sampler=samplers.ksampler_select(sampler_name="euler"),
        sigmas=sigmas,
        latent_image=empty(),
    )

    assert torch.equal(drawn.output.samples, starter.sample(RED).samples)


def test_two_samplers_share_a_run(starter: Starter) -> None:
    """KSamplerAdvanced in two parts gives what one run gives."""

    def part(latent: Latent, **given: Any) -> Latent:
        return sampling.ksampler_advanced(
            ctx=starter.ctx,
            weights=starter.weights,
            model=starter.model,
            noise_seed=7,
            steps=STEPS,
            cfg=CFG,
            scheduler="normal",
            positive=starter.say(RED),
            negative=starter.nothing,
            latent_image=latent,
            **given,
        )

    first = part(empty(), end_at_step=8, return_with_leftover_noise="enable")
    both = part(first, add_noise="disable", start_at_step=8)

    torch.testing.assert_close(both.samples, starter.sample(RED).samples, rtol=1e-4, atol=1e-3)


# Where and when a prompt acts.


def test_areas_put_each_thing_in_its_place(starter: Starter) -> None:
    def at(prompt: str, x: int) -> Conditioning:
        return conditioning.set_area(conditioning=starter.say(prompt), width=SIZE, height=SIZE, x=x, y=0, strength=1.0)

    both = conditioning.combine(conditioning_1=at(RED, 0), conditioning_2=at(BLUE, SIZE))
    drawn = starter.draw(both, empty(width=2 * SIZE, count=3))

    assert colors(half(drawn, "left")).count("red") >= 2
    assert colors(half(drawn, "right")).count("blue") >= 2


def test_areas_by_percentage_are_areas(starter: Starter) -> None:
    said = starter.say(RED)
    whole = conditioning.set_area(conditioning=said, width=SIZE, height=SIZE, x=SIZE, y=0, strength=1.0)
    share = conditioning.set_area_percentage(conditioning=said, width=0.5, height=1.0, x=0.5, y=0.0, strength=1.0)

    wide = empty(width=2 * SIZE)
    assert torch.equal(starter.sample(whole, wide, steps=3).samples, starter.sample(share, wide, steps=3).samples)


@pytest.mark.parametrize("bounds", ["default", "mask bounds"])
def test_masks_put_each_thing_in_its_place(starter: Starter, bounds: str) -> None:
    def within(prompt: str, side: str) -> Conditioning:
        values = torch.zeros(1, SIZE, 2 * SIZE)
        values[..., slice(0, SIZE) if side == "left" else slice(SIZE, None)] = 1.0
        return conditioning.set_mask(
            conditioning=starter.say(prompt), mask=Mask(values), strength=1.0, set_cond_area=bounds
        )

    both = conditioning.combine(conditioning_1=within(RED, "left"), conditioning_2=within(BLUE, "right"))
    drawn = starter.draw(both, empty(width=2 * SIZE, count=3))

    assert colors(half(drawn, "left")).count("red") >= 2
    assert colors(half(drawn, "right")).count("blue") >= 2


def ranged(said: Conditioning, start: float, end: float) -> Conditioning:
    return conditioning.set_timestep_range(conditioning=said, start=start, end=end)


def test_a_prompt_acts_in_its_range_only(starter: Starter) -> None:
    red, blue = starter.say(RED), starter.say(BLUE)

    def then(split: float) -> Conditioning:
        return conditioning.combine(conditioning_1=ranged(red, 0.0, split), conditioning_2=ranged(blue, split, 1.0))

    early, late = starter.draw(then(0.02), empty(count=2)), starter.draw(then(0.95), empty(count=2))

    assert "blue" in colors(early)
    assert "red" in colors(late)
    assert torch.equal(starter.sample(ranged(red, 0.0, 1.0)).samples, starter.sample(red).samples)
    never = conditioning.combine(conditioning_1=red, conditioning_2=ranged(blue, 1.0, 1.0))
    assert torch.equal(starter.sample(never).samples, starter.sample(red).samples)


def test_zeroed_and_averaged_prompts_lie_between(starter: Starter) -> None:
    red, blue = starter.say(RED), starter.say(BLUE)

    def mixed(strength: float) -> torch.Tensor:
        found = conditioning.average(conditioning_to=red, conditioning_from=blue, conditioning_to_strength=strength)
        return starter.sample(found).samples

    assert torch.equal(mixed(1.0), starter.sample(red).samples)
    torch.testing.assert_close(mixed(0.0), starter.sample(blue).samples, rtol=1e-4, atol=1e-3)
    nothing = conditioning.zero_out(conditioning=red)
    assert not torch.equal(starter.sample(nothing).samples, starter.sample(red).samples)


# From a picture.

GIVEN = Thing("circle", "red", 34, 64, 18)


def test_less_denoising_stays_nearer_the_picture(starter: Starter) -> None:
    given = scene(GIVEN)
    drawn = {share: starter.draw(BLUE, starter.seen(given), denoise=share) for share in (0.3, 0.8)}

    assert apart(drawn[0.3], given) < 0.7 * apart(drawn[0.8], given)


def test_inpainting_changes_what_is_masked_and_nothing_else(starter: Starter) -> None:
    given = scene(GIVEN)
    mask = masks.invert_mask(mask=left_half())
    latent = set_latent_noise_mask(samples=starter.seen(given), mask=mask)
    drawn = starter.draw("a red circle on the left and a blue circle on the right on a white background", latent)
    back = compositing.image_composite_masked(destination=given, source=drawn, x=0, y=0, resize_source=False, mask=mask)

    assert apart(drawn, given, left_half()) < 8.0
    assert float(((back.pixels - given.pixels).abs().amax(-1) * left_half().values).max()) * 255 <= 1.0
    assert apart(back, given, mask) > 8.0
    assert colors(half(back, "left")) == ["red"]


def test_a_soft_mask_lets_places_join_later(starter: Starter) -> None:
    given = scene(GIVEN)
    gradual = model_sampling.differential_diffusion(model=starter.model)

    def drawn(softness: float) -> Image:
        mask = Mask(torch.full((1, SIZE, SIZE), softness))
        return starter.draw(BLUE, set_latent_noise_mask(samples=starter.seen(given), mask=mask), model=gradual)

    assert apart(drawn(0.2), given) < 0.7 * apart(drawn(1.0), given)


# LoRA.


def lora_file(starter: Starter, path: Path) -> str:
    """A LoRA of noise for the cross-attention of the bundled model."""
    generator = torch.Generator().manual_seed(3)
    with starter.weights.network(starter.model) as network:
        shapes = {n: tuple(p.shape) for n, p in network.module.named_parameters() if n.endswith("attn2.to_k.weight")}
    tensors: dict[str, torch.Tensor] = {}
    for name, (out, into) in shapes.items():
        stem = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
        tensors[f"{stem}.lora_down.weight"] = torch.randn(4, into, generator=generator)
        tensors[f"{stem}.lora_up.weight"] = torch.randn(out, 4, generator=generator) * 0.1
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path.name


def test_a_lora_at_zero_changes_nothing(starter: Starter) -> None:
    name = lora_file(starter, Path(starter.folders.base) / "models" / "loras" / "noise.safetensors")
    plain = starter.sample(RED).samples

    def under(strength: float) -> torch.Tensor:
        model = lora.load_lora_model_only(
            folders=starter.folders, model=starter.model, lora_name=name, strength_model=strength
        )
        return starter.sample(RED, model=model).samples

    assert torch.equal(under(0.0), plain)
    assert not torch.equal(under(1.0), plain)
    assert torch.equal(starter.sample(RED).samples, plain)


def test_a_batch_is_its_pictures(starter: Starter) -> None:
    both = starter.sample(RED, empty(count=2)).samples
    second = starter.sample(RED, replace(empty(), batch_index=(1,))).samples

    torch.testing.assert_close(second, both[1:], rtol=1e-4, atol=1e-3)
