"""The bundled model as it ships: it loads offline with the public classes, and its pictures mean what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_output import StableDiffusionPipelineOutput
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from transformers import CLIPTextModel, CLIPTokenizer

from nodes.starter import NAME, weights_folder
from nodes.starter.checker import describe, facts_of, matches
from nodes.starter.drawing import draw_prompts
from nodes.starter.networks import Bundle, load_bundle, to_latents, token_ids
from nodes.starter.prompts import held_out_prompts, landscape_prompts, three_prompts
from nodes.starter.reader import describe_landscapes
from nodes.starter.scenes import Asked
from nodes.starter.score import draw_all, followed
from nodes.starter.stage_vae import readable
from nodes.starter.world import TALL, WIDE, drawings


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(weights_folder())


def test_the_public_classes_load_it_offline(bundle: Bundle) -> None:
    folder = str(weights_folder())
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", local_files_only=True, dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", local_files_only=True, dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", local_files_only=True, dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    for theirs, ours in ((unet, bundle.unet), (vae, bundle.vae), (text, bundle.text)):
        state = ours.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in theirs.state_dict().items())
    prompts = ["a red circle", "", "eine Kröte 🙂"]
    assert torch.equal(token_ids(tokenizer, prompts), token_ids(bundle.tokenizer, prompts))


def test_a_standard_pipeline_draws_with_it() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(
        str(weights_folder()), local_files_only=True, dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.scheduler.config["prediction_type"] == "v_prediction"
    drawn = pipeline(
        "a white circle on a blue background",
        num_inference_steps=8,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    )
    (picture,) = cast("StableDiffusionPipelineOutput", drawn).images
    assert describe((np.asarray(picture) * 255).astype(np.uint8)).background == "blue"


def test_it_is_small_and_named() -> None:
    assert NAME == "sfumato-starter"
    assert sum(file.stat().st_size for file in weights_folder().rglob("*") if file.is_file()) <= 25_000_000


def test_true_pictures_survive_the_autoencoder(bundle: Bundle) -> None:
    assert readable(bundle.vae, count=24) >= 0.9


def test_the_encoder_gives_latents_of_unit_size(bundle: Bundle) -> None:
    rng = np.random.default_rng(2)
    pictures = drawings(rng, 16).pictures
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        latents = to_latents(bundle.vae, x).mean
    assert 0.6 < latents.std() < 1.5
    assert (latents.std((0, 2, 3)) > 0.5).all()


def test_held_out_shapes_are_drawn_as_asked(bundle: Bundle) -> None:
    asked = held_out_prompts(24)
    one, two = followed(asked, draw_all(bundle, asked))
    for shares in (one.shares, two.shares):
        assert shares["background"] >= 0.9
        assert shares["count"] >= 0.8
        assert shares["color"] >= 0.8
        assert shares["place"] >= 0.8
        assert shares["shape"] >= 0.6


def test_three_shapes_stand_where_asked(bundle: Bundle) -> None:
    asked = three_prompts(8)
    (line,) = followed(asked, draw_all(bundle, asked))
    assert line.shares["background"] >= 0.9
    assert line.shares["place"] >= 0.5


def test_held_out_landscapes_are_drawn_as_asked(bundle: Bundle) -> None:
    asked = landscape_prompts(16)
    (line,) = followed(asked, draw_all(bundle, asked))
    assert line.shares["time"] >= 0.9
    assert line.shares["land"] >= 0.9
    assert line.shares["objects"] >= 0.6


@pytest.mark.parametrize("size", [TALL, WIDE])
def test_other_sizes_show_what_is_asked(bundle: Bundle, size: tuple[int, int]) -> None:
    (picture,) = draw_prompts(bundle, ["the sea at sunset with a boat"], seed=4, size=size)
    assert picture.shape == (size[1], size[0], 3)
    (seen,) = describe_landscapes([picture])
    assert (seen.time, seen.land) == ("sunset", "sea")


def test_a_seed_gives_one_picture_and_another_seed_another(bundle: Bundle) -> None:
    prompt = ["a red circle on the left on a white background"]
    one, same, other = (draw_prompts(bundle, prompt, seed=seed, steps=6) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("cfg", [1.0, 8.0])
def test_low_and_high_guidance_keep_the_picture(bundle: Bundle, cfg: float) -> None:
    picture = draw_prompts(bundle, ["a blue circle on a yellow background"], seed=3, steps=12, cfg=cfg)[0]
    assert matches(describe(picture), facts_of("yellow", Asked("blue"))).color
