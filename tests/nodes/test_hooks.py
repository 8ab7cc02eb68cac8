"""Hooks: each conditioning is drawn by the model it asks for, at the time it asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes import conditioning, hooks, loaders, lora, sampling
from nodes.define import NodeError
from nodes.diffusion.hooks import _Walk
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Conditioning, HookKeyframes, Keyframe, Latent, Mask, Model, TimestepsRange, WeightHooks
from tests.diffusion import tiny
from tests.nodes.conftest import Running

WEIGHTS = Weights("cpu", "fp32")
STEPS = 4
_UNET = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
_TEXT = "lora_te_text_model_encoder_layers_1_mlp_fc1"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A model, another one, a LoRA for it and one for SDXL."""
    root = tmp_path_factory.mktemp("base")
    path = tiny.write_single(root / "models" / "checkpoints" / "a.safetensors")
    generator = torch.Generator().manual_seed(9)
    state = {n: t + torch.randn(t.shape, generator=generator) * 0.02 for n, t in load_file(path).items()}
    save_file(state, path.with_name("b.safetensors"))
    loras = root / "models" / "loras"
    loras.mkdir()

    def pair(stem: str, out: int, into: int) -> dict[str, Tensor]:
        shapes = {f"{stem}.lora_up.weight": (out, 2), f"{stem}.lora_down.weight": (2, into)}
        return {n: torch.randn(s, generator=generator) * 0.5 for n, s in shapes.items()}

    save_file({**pair(_UNET, 64, 64), **pair(_TEXT, 128, 64)}, loras / "ink.safetensors")
    save_file({**pair(_UNET, 1280, 2048), **pair(_TEXT, 3072, 768)}, loras / "xl.safetensors")
    return Folders.at(root)


@pytest.fixture
def parts(folders: Folders) -> loaders.Parts:
    return loaders.load_checkpoint(folders=folders, ckpt_name="a.safetensors")


@pytest.fixture
def ink(folders: Folders) -> WeightHooks:
    return hooks.hook_lora(folders=folders, lora_name="ink.safetensors")


@pytest.fixture
def say(folders: Folders, parts: loaders.Parts) -> Callable[..., Conditioning]:
    def say(text: str, clip: Clip = parts.clip) -> Conditioning:
        return conditioning.encode_text(weights=WEIGHTS, folders=folders, text=text, clip=clip)

    return say


@pytest.fixture
def inked(folders: Folders, parts: loaders.Parts) -> Model:
    return lora.load_lora_model_only(folders=folders, model=parts.model, lora_name="ink.safetensors")


def draw(ctx: Running, model: Model, positive: Conditioning, negative: Conditioning, **more: Any) -> Tensor:
    latent = more.pop("latent", None) or Latent(torch.zeros(1, 4, 8, 8))
    settings: dict[str, Any] = {"noise_seed": 1, "steps": STEPS, "cfg": 3.0, **more}
    return sampling.ksampler_advanced(
        ctx=ctx,
        weights=WEIGHTS,
        model=model,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=negative,
        latent_image=latent,
        **settings,
    ).samples


def close(some: Tensor, others: Tensor) -> None:
    """Equal but for the order in which batches of other sizes add up."""
    torch.testing.assert_close(some, others, rtol=1e-4, atol=1e-3 * float(others.abs().max()))


def hooked(cond: Conditioning, with_: WeightHooks | None, **more: Any) -> Conditioning:
    return hooks.set_properties(cond_new=cond, hooks=with_, **more)


def test_hooks_on_both_sides_are_the_lora(ctx: Running, parts, ink, inked, say) -> None:
    pair = hooks.set_pair_properties(positive_new=say("a"), negative_new=say("b"), hooks=ink)

    got = draw(ctx, parts.model, *pair)

    assert torch.equal(got, draw(ctx, inked, say("a"), say("b")))
    assert not torch.equal(got, draw(ctx, parts.model, say("a"), say("b")))


def test_hooks_on_one_side_leave_the_other(ctx: Running, parts, ink, inked, say) -> None:
    positive, negative = say("a"), say("b")
    # A single step to the end gives x0 itself, and x0 under guidance is a sum.
    one = draw(ctx, inked, positive, positive, cfg=1.0, steps=1)
    other = draw(ctx, parts.model, negative, negative, cfg=1.0, steps=1)

    got = draw(ctx, parts.model, hooked(positive, ink), negative, steps=1)

    close(got, other + 3.0 * (one - other))


def test_hooked_conditionings_mix_with_others_in_their_masks(ctx: Running, parts, ink, inked, say) -> None:
    left = torch.zeros(1, 64, 64)
    left[..., :32] = 1.0
    both = hooks.set_properties_and_combine(
        cond=hooked(say("a"), None, mask=Mask(1.0 - left)), cond_new=say("b"), mask=Mask(left), hooks=ink
    )

    got = draw(ctx, parts.model, both, both, cfg=1.0, steps=1)

    with_ink, plain = (draw(ctx, m, say(t), say(t), cfg=1.0, steps=1) for m, t in ((inked, "b"), (parts.model, "a")))
    close(got, torch.where(left[:, None, ::8, ::8] == 1.0, with_ink, plain))


def test_a_run_leaves_the_weights_as_they_were(ctx: Running, parts, ink, say) -> None:
    before = draw(ctx, parts.model, say("a"), say("b"))

    for _ in range(2):
        draw(ctx, parts.model, hooked(say("a"), ink), say("b"))

    assert torch.equal(draw(ctx, parts.model, say("a"), say("b")), before)
    assert [r.applied for r in WEIGHTS._each() if r.source == parts.model.source] == [()]


def test_strength_follows_keyframes(ctx: Running, parts, ink, inked, say) -> None:
    frames = hooks.keyframe(strength_mult=1.0)
    frames = hooks.keyframe(strength_mult=0.0, start_percent=0.5, prev_hook_kf=frames)
    scheduled = hooks.set_keyframes(hooks=ink, hook_kf=frames)
    # "normal" over four steps has its third level below the middle of the way.
    half = Latent(
        draw(ctx, inked, say("a"), say("b"), end_at_step=2, return_with_leftover_noise="enable", add_noise="enable")
    )

    got = draw(
        ctx, parts.model, *hooks.set_pair_properties(positive_new=say("a"), negative_new=say("b"), hooks=scheduled)
    )

    expected = draw(ctx, parts.model, say("a"), say("b"), latent=half, start_at_step=2, add_noise="disable")
    close(got, expected)


LEVELS = [14.6, 4.1, 1.6, 0.7, 0.3]  # about 0, 0.3, 0.5, 0.7 and 0.9 of the way


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ((), [1, 1, 1, 1, 1]),
        ((Keyframe(0.5),), [0.5] * 5),
        ((Keyframe(1), Keyframe(0, 0.6)), [1, 1, 1, 0, 0]),
        # The first stays until another begins, even when it is meant to begin later.
        ((Keyframe(0.2, 0.4), Keyframe(0.9, 0.65)), [0.2, 0.2, 0.2, 0.9, 0.9]),
        # Each has a step of its own, although the next one has begun meanwhile ...
        ((Keyframe(1), Keyframe(2, 0.55), Keyframe(3, 0.6)), [1, 1, 1, 2, 3]),
        # ... unless it asks for none.
        ((Keyframe(1), Keyframe(2, 0.55, 0), Keyframe(3, 0.6, 0)), [1, 1, 1, 3, 3]),
    ],
    ids=["none", "one", "two", "late", "each a step", "passed over"],
)
def test_keyframes_take_turns(frames: tuple[Keyframe, ...], expected: list[float]) -> None:
    walk = _Walk(frames, prediction(Parametrization()), LEVELS[0])

    # A sampler may ask twice at one level.
    assert [(walk.strength(sigma), walk.strength(sigma)) for sigma in LEVELS] == [(e, e) for e in expected]


def test_keyframes_between_two_strengths() -> None:
    def of(how: str) -> list[tuple[float, float, int]]:
        made = hooks.keyframes_between(
            strength_start=1.0,
            strength_end=3.0,
            interpolation=how,
            start_percent=0.2,
            end_percent=0.6,
            keyframes_count=3,
        )
        return [(f.strength, round(f.start_percent, 6), f.steps) for f in made.frames]

    assert of("linear") == [(1.0, 0.2, 1), (2.0, 0.4, 0), (3.0, 0.6, 0)]
    assert of("ease_in")[1][0] == 1.5
    assert of("ease_out")[1][0] == 2.5
    assert of("ease_in_out")[1][0] == pytest.approx(2.0)


def test_keyframes_from_numbers_are_sorted_in() -> None:
    early = hooks.keyframe(strength_mult=5.0, start_percent=0.1)

    made = hooks.keyframes_from(floats_strength=[1.0, 2.0, 3], start_percent=0.0, end_percent=1.0, prev_hook_kf=early)

    assert made == HookKeyframes((Keyframe(1.0), Keyframe(5.0, 0.1), Keyframe(2.0, 0.5, 0), Keyframe(3.0, 1.0, 0)))
    assert hooks.keyframes_from(floats_strength=0.5).frames == (Keyframe(0.5),)
    with pytest.raises(NodeError, match="holds no number"):
        hooks.keyframes_from(floats_strength="x")


def test_a_model_as_a_lora_is_that_model_at_full_strength(ctx: Running, parts, folders: Folders, say) -> None:
    as_lora = hooks.hook_model_only(folders=folders, ckpt_name="b.safetensors")
    other = loaders.load_checkpoint(folders=folders, ckpt_name="b.safetensors")

    got = draw(
        ctx, parts.model, *hooks.set_pair_properties(positive_new=say("a"), negative_new=say("b"), hooks=as_lora)
    )

    close(got, draw(ctx, other.model, say("a"), say("b")))
    clip = hooks.set_clip_hooks(clip=parts.clip, hooks=hooks.hook_model(folders=folders, ckpt_name="b.safetensors"))
    (mine,), (theirs,) = say("a", clip), say("a", other.clip)
    torch.testing.assert_close(mine.tokens, theirs.tokens, rtol=1e-4, atol=1e-4)


def test_prompts_are_encoded_under_hooks_and_bring_them_along(parts, folders: Folders, ink, say) -> None:
    inked = lora.load_lora(folders=folders, model=parts.model, clip=parts.clip, lora_name="ink.safetensors").clip

    (under,) = say("a", hooks.set_clip_hooks(clip=parts.clip, hooks=ink))
    (alone,) = say("a", hooks.set_clip_hooks(clip=parts.clip, hooks=ink, apply_to_conds=False))
    (expected,) = say("a", inked)

    assert torch.equal(under.tokens, expected.tokens)
    assert torch.equal(alone.tokens, expected.tokens)
    assert (under.extras, alone.extras) == ({"hooks": ink}, {})
    assert torch.equal(say("a", hooks.set_clip_hooks(clip=parts.clip)).parts[0].tokens, say("a").parts[0].tokens)


def test_a_scheduled_prompt_is_encoded_for_every_keyframe(ctx: Running, parts, folders: Folders, ink, say) -> None:
    frames = hooks.keyframe(strength_mult=0.0, start_percent=0.5, prev_hook_kf=hooks.keyframe())
    scheduled = hooks.set_keyframes(hooks=ink, hook_kf=frames)
    clip = hooks.set_clip_hooks(clip=parts.clip, hooks=scheduled, apply_to_conds=False, schedule_clip=True)
    inked = lora.load_lora(folders=folders, model=parts.model, clip=parts.clip, lora_name="ink.safetensors").clip

    first, second = say("a", clip)

    assert torch.equal(first.tokens, say("a", inked).parts[0].tokens)
    assert torch.equal(second.tokens, say("a").parts[0].tokens)
    apart = Conditioning(
        (
            *say("a", inked).each(start_percent=0.0, end_percent=0.5),
            *say("a").each(start_percent=0.5, end_percent=1.0),
        )
    )
    assert torch.equal(draw(ctx, parts.model, say("a", clip), say("b")), draw(ctx, parts.model, apart, say("b")))


def test_the_default_is_for_what_is_left(ctx: Running, parts, say) -> None:
    left = torch.zeros(1, 64, 64)
    left[..., :24] = 1.0
    masked = hooked(say("a"), None, mask=Mask(left))

    got = draw(ctx, parts.model, hooks.set_default(cond=masked, cond_default=say("b")), say(""))

    apart = Conditioning((*masked, *hooked(say("b"), None, mask=Mask(1.0 - left))))
    close(got, draw(ctx, parts.model, apart, say("")))
    whole = hooks.set_default(cond=say("a"), cond_default=say("b"))
    assert torch.equal(draw(ctx, parts.model, whole, say("")), draw(ctx, parts.model, say("a"), say("")))


def test_properties_are_set_where_they_are_given(say, ink) -> None:
    mask, when = Mask(torch.ones(1, 8, 8)), TimestepsRange(0.25, 0.5)

    (part,) = hooked(say("a"), ink, mask=mask, timesteps=when, strength=0.5, set_cond_area="mask bounds")
    (plain,) = hooked(say("a"), None, strength=0.5)
    (twice,) = hooked(hooked(say("a"), ink), ink)

    assert (part.mask is mask.values, part.mask_strength, part.set_area_to_bounds) == (True, 0.5, True)
    assert (part.start_percent, part.end_percent) == (0.25, 0.5)
    assert (plain.mask, plain.mask_strength, plain.extras) == (None, 1.0, {})
    assert twice.extras["hooks"] == hooks.combine_two(hooks_a=ink, hooks_b=ink)


def test_ranges_have_a_before_and_an_after() -> None:
    assert hooks.timesteps_range(start_percent=0.2, end_percent=0.7) == (
        TimestepsRange(0.2, 0.7), TimestepsRange(0.0, 0.2), TimestepsRange(0.7, 1.0),
    )  # fmt: skip


def test_pairs_are_combined_side_by_side(say) -> None:
    a, b, c, d = (say(t) for t in "abcd")

    made = hooks.combine_pairs(positive_a=a, negative_a=b, positive_b=c, negative_b=d)

    assert [part for side in made for part in side] == [*a, *c, *b, *d]
    filled = hooks.set_pair_default(positive=a, negative=b, positive_default=c, negative_default=d)
    assert [bool(p.extras.get("default")) for side in filled for p in side] == [False, True, False, True]


def test_another_familys_lora_is_told_when_it_is_used(ctx: Running, parts, folders: Folders, say) -> None:
    wrong = hooks.hook_lora(folders=folders, lora_name="xl.safetensors")

    with pytest.raises(NodeError, match=r"xl\.safetensors is made for SDXL; the model here is SD 1\.x"):
        draw(ctx, parts.model, hooked(say("a"), wrong), say("b"))
    with pytest.raises(NodeError, match=r"xl\.safetensors is made for .*; the model here is SD 1\.x"):
        say("a", hooks.set_clip_hooks(clip=parts.clip, hooks=wrong))


def test_another_familys_model_is_told(ctx: Running, parts, folders: Folders, tmp_path: Path, say) -> None:
    tiny.write_single(tmp_path / "sdxl.safetensors", "sdxl")
    more = Folders(folders.base, {"checkpoints": [tmp_path]})
    wrong = hooks.hook_model_only(folders=more, ckpt_name="sdxl.safetensors")

    with pytest.raises(NodeError, match=r"sdxl\.safetensors is SDXL and cannot change .* this one is SD 1\.x"):
        draw(ctx, parts.model, hooked(say("a"), wrong), say("b"))
