"""Conditioning nodes: what each changes and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes import conditioning as c
from nodes import loaders
from nodes.define import NodeError
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Area, Clip, Cond, Conditioning, Mask
from tests.diffusion import tiny


def rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(shape) + shape[-2]))


def prompt(length: int = 77, width: int = 8) -> Conditioning:
    return Conditioning((Cond(rand(1, length, width), rand(1, 6)),))


def only(conditioning: Conditioning) -> Cond:
    (part,) = conditioning
    return part


def test_combining_keeps_both() -> None:
    a, b = prompt(), prompt(154)

    assert c.combine(conditioning_1=a, conditioning_2=b).parts == (*a.parts, *b.parts)


@pytest.mark.parametrize("length", [40, 77, 154])
def test_averaging_fits_the_other_prompt_to_the_first(length: int) -> None:
    a, b = only(prompt()), only(prompt(length))
    assert a.tokens is not None
    assert b.tokens is not None

    got = only(
        c.average(
            conditioning_to=Conditioning((a,)), conditioning_from=Conditioning((b,)), conditioning_to_strength=0.25
        )
    )

    fitted = torch.zeros_like(a.tokens)
    fitted[:, : min(77, length)] = b.tokens[:, :77]
    torch.testing.assert_close(got.tokens, 0.25 * a.tokens + 0.75 * fitted)
    assert a.pooled is not None
    torch.testing.assert_close(got.pooled, a.pooled)


def test_concatenating_joins_tokens_and_keeps_the_rest() -> None:
    a, b = prompt(), prompt(154)
    to = c.set_area_strength(conditioning=a, strength=0.5)

    got = only(c.concat(conditioning_to=to, conditioning_from=b))

    assert got.tokens is not None
    assert got.tokens.shape == (1, 231, 8)
    assert torch.equal(got.tokens[:, 77:], only(b).tokens)  # pyright: ignore[reportArgumentType]
    assert got.strength == 0.5


def test_prompts_of_different_models_do_not_mix() -> None:
    with pytest.raises(NodeError, match="their tokens have 8 and 16 channels"):
        c.concat(conditioning_to=prompt(), conditioning_from=prompt(width=16))
    with pytest.raises(NodeError, match="conditioning_from is empty"):
        c.average(conditioning_to=prompt(), conditioning_from=Conditioning(()))


def test_areas_are_in_latent_pixels_or_fractions() -> None:
    pixels = c.set_area(conditioning=prompt(), width=128, height=64, x=32, y=16, strength=0.7)
    share = c.set_area_percentage(conditioning=prompt(), width=0.5, height=0.25, x=0.1, y=0.2, strength=2.0)

    assert only(pixels).area == Area(height=8, width=16, y=2, x=4)
    assert only(share).area == Area(height=0.25, width=0.5, y=0.2, x=0.1, relative=True)
    assert (only(pixels).strength, only(share).strength) == (0.7, 2.0)


def test_masks_and_times() -> None:
    mask = Mask(rand(1, 16, 16))

    masked = only(c.set_mask(conditioning=prompt(), mask=mask, strength=0.4, set_cond_area="mask bounds"))
    timed = only(c.set_timestep_range(conditioning=prompt(), start=0.2, end=0.6))

    assert masked.mask is mask.values
    assert (masked.mask_strength, masked.set_area_to_bounds) == (0.4, True)
    assert (timed.start_percent, timed.end_percent) == (0.2, 0.6)


def test_zeroing_leaves_nothing_and_the_original_alone() -> None:
    original = prompt()

    got = only(c.zero_out(conditioning=original))

    assert got.tokens is not None
    assert got.pooled is not None
    assert not got.tokens.any()
    assert not got.pooled.any()
    assert only(original).tokens.any()  # pyright: ignore[reportOptionalMemberAccess]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("base")
    for family in ("sd15", "sdxl", "sdxl_refiner"):
        tiny.write_single(root / "models" / "checkpoints" / f"{family}.safetensors", family)
    (root / "models" / "embeddings" / "style").mkdir(parents=True)
    save_file({"emb_params": rand(2, 64)}, root / "models" / "embeddings" / "style" / "ink.safetensors")
    return root


WEIGHTS = Weights("cpu", "fp32")


def clip_of(base: Path, family: str) -> tuple[Folders, Clip]:
    folders = Folders.at(base)
    return folders, loaders.load_checkpoint(folders=folders, ckpt_name=f"{family}.safetensors").clip


def test_a_prompt_is_encoded(base: Path) -> None:
    folders, clip = clip_of(base, "sd15")

    got = only(c.encode_text(weights=WEIGHTS, folders=folders, text="a cat", clip=clip))

    assert got.tokens is not None
    assert got.tokens.shape == (1, 77, 64)
    assert got.tokens.dtype == torch.float32


@pytest.mark.parametrize("name", ["style/ink", "style/ink.safetensors"])
def test_embeddings_are_found_with_and_without_their_ending(base: Path, name: str) -> None:
    folders, clip = clip_of(base, "sd15")
    plain = only(c.encode_text(weights=WEIGHTS, folders=folders, text="a cat", clip=clip)).tokens

    got = only(c.encode_text(weights=WEIGHTS, folders=folders, text=f"a cat embedding:{name}", clip=clip)).tokens

    assert plain is not None
    assert got is not None
    assert torch.equal(got[:, :3], plain[:, :3])
    assert not torch.allclose(got[:, 3], plain[:, 3])


def test_a_prompts_fingerprint_follows_its_embeddings(base: Path) -> None:
    folders = Folders.at(base)
    fingerprint = c.encode_text.definition.fingerprint
    assert fingerprint is not None

    assert fingerprint(text="a cat", folders=folders) == fingerprint(text=None, folders=folders) == ""
    assert len(str(fingerprint(text="embedding:style/ink, cat", folders=folders))) == 64


def test_embeddings_do_not_leave_their_folder(base: Path) -> None:
    folders, clip = clip_of(base, "sd15")
    plain = only(c.encode_text(weights=WEIGHTS, folders=folders, text="a cat", clip=clip)).tokens

    got = c.encode_text(
        weights=WEIGHTS, folders=folders, text="embedding:../checkpoints/sd15.safetensors a cat", clip=clip
    )

    assert torch.equal(only(got).tokens, plain)  # pyright: ignore[reportArgumentType]


def test_skipping_the_last_layer_changes_the_handle_only(base: Path) -> None:
    folders, clip = clip_of(base, "sd15")

    skipped = c.set_last_layer(clip=clip, stop_at_clip_layer=-2)

    assert skipped.sources == clip.sources
    assert (clip.stop_at_layer, skipped.stop_at_layer) == (None, -2)
    a, b = (only(c.encode_text(weights=WEIGHTS, folders=folders, text="cat", clip=each)) for each in (clip, skipped))
    assert not torch.equal(a.tokens, b.tokens)  # pyright: ignore[reportArgumentType]


def test_sdxl_is_told_sizes(base: Path) -> None:
    folders, clip = clip_of(base, "sdxl")

    got = only(
        c.encode_text_sdxl(
            weights=WEIGHTS, folders=folders, clip=clip, text_g="a cat", text_l="a dog", width=512, crop_h=8
        )
    )

    assert got.extras == {
        "width": 512,
        "height": 1024,
        "crop_w": 0,
        "crop_h": 8,
        "target_width": 1024,
        "target_height": 1024,
    }
    same = only(c.encode_text_sdxl(weights=WEIGHTS, folders=folders, clip=clip, text_g="a cat", text_l="a cat"))
    plain = only(c.encode_text(weights=WEIGHTS, folders=folders, text="a cat", clip=clip))
    assert torch.equal(same.tokens, plain.tokens)  # pyright: ignore[reportArgumentType]
    assert torch.equal(got.pooled, plain.pooled)  # pyright: ignore[reportArgumentType]


def test_the_refiner_is_told_how_good_it_should_look(base: Path) -> None:
    folders, clip = clip_of(base, "sdxl_refiner")

    got = only(c.encode_text_refiner(weights=WEIGHTS, folders=folders, clip=clip, text="a cat", ascore=2.0))

    assert got.extras == {"aesthetic_score": 2.0, "width": 1024, "height": 1024}
    assert got.tokens is not None
    assert got.tokens.shape == (1, 77, 128)


def test_controlnets_can_read_another_prompt(base: Path) -> None:
    folders, clip = clip_of(base, "sd15")
    said = c.encode_text(weights=WEIGHTS, folders=folders, text="a hill", clip=clip)
    other = only(c.encode_text(weights=WEIGHTS, folders=folders, text="(lines:1.3)", clip=clip))

    got = only(
        c.encode_text_controlnet(weights=WEIGHTS, folders=folders, clip=clip, conditioning=said, text="(lines:1.3)")
    )

    assert got.tokens is only(said).tokens
    assert torch.equal(got.extras["cross_attn_controlnet"], other.tokens)  # pyright: ignore[reportArgumentType]
    assert torch.equal(got.extras["pooled_output_controlnet"], other.pooled)  # pyright: ignore[reportArgumentType]
