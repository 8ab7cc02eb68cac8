"""The SD x4 upscaler on a tiny real network, against diffusers' pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_upscale import StableDiffusionUpscalePipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from nodes import sampling, upscale
from nodes.diffusion import checkpoint, enlarging
from nodes.diffusion import noise as noises
from nodes.diffusion.files import WeightsError
from nodes.diffusion.weights import Weights
from nodes.types import Cond, Conditioning, Image, Latent, Sampler, Sigmas
from tests.diffusion import tiny, tiny_adapters

STEPS, CFG, SEED = 4, 3.0, 41
BETAS: dict[str, Any] = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear"}


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


@pytest.fixture(scope="module", params=["file", "folder"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Model:
    place = tmp_path_factory.mktemp("x4")
    if request.param == "file":
        return checkpoint.open_checkpoint(tiny.write_single(place / "x4.safetensors", "sd_x4")).model
    return checkpoint.open_checkpoint(tiny.write_folder(place / "x4", "sd_x4")).model


def picture(batch: int = 1) -> Image:
    return Image(torch.rand((batch, 16, 24, 3), generator=torch.Generator().manual_seed(3)))


def enlarged_by_diffusers(pixels: torch.Tensor, text: torch.Tensor, nothing: torch.Tensor, level: int) -> Any:
    """The latent that diffusers' pipeline ends with, and the noise levels that it went through."""
    vae = tiny.vae_module()
    vae.register_to_config(scaling_factor=0.08333)
    scheduler = DDIMScheduler(**BETAS, prediction_type="v_prediction", clip_sample=False)
    pipe = StableDiffusionUpscalePipeline(
        vae=vae,
        text_encoder=tiny.text_module(tiny.FAMILIES["sd_x4"].texts["text_encoder"]),  # type: ignore[arg-type]
        tokenizer=None,  # type: ignore[arg-type]
        unet=tiny.unet_module("sd_x4"),
        low_res_scheduler=DDPMScheduler(**BETAS),
        scheduler=scheduler,  # type: ignore[arg-type]
    )
    pipe.set_progress_bar_config(disable=True)
    scheduler.set_timesteps(STEPS)
    kept = scheduler.alphas_cumprod[scheduler.timesteps]
    sigmas = torch.cat([((1 - kept) / kept).sqrt(), torch.zeros(1)])
    noise = noises.initial((len(pixels), 4, *pixels.shape[1:3]), SEED)
    answer = pipe(
        image=pixels.movedim(-1, 1),
        prompt_embeds=text,
        negative_prompt_embeds=nothing,
        num_inference_steps=STEPS,
        guidance_scale=CFG,
        noise_level=level,
        generator=torch.Generator().manual_seed(SEED - 10),
        latents=noise * (1 - kept[0]).sqrt(),
        output_type="latent",
        return_dict=False,
    )
    return answer[0] / 0.08333, sigmas


@pytest.mark.parametrize("case", [(0.0, 0, 1), (0.2, 70, 2)], ids=["as it is", "noised, two"])
def test_a_picture_is_enlarged_as_diffusers_enlarges_it(
    model: checkpoint.Model, weights: Weights, ctx: Any, case: tuple[float, int, int]
) -> None:
    augmentation, level, batch = case
    pixels = picture(batch)
    text, nothing = tiny_adapters.rand(1, 77, 128), tiny_adapters.rand(1, 77, 128, seed=8)
    expected, sigmas = enlarged_by_diffusers(
        pixels.pixels, text.expand(batch, -1, -1), nothing.expand(batch, -1, -1), level
    )

    shown = upscale.enlarging_conditioning(
        images=pixels,
        positive=Conditioning((Cond(text),)),
        negative=Conditioning((Cond(nothing),)),
        noise_augmentation=augmentation,
    )
    got = sampling.sampler_custom(
        ctx=ctx,
        weights=weights,
        model=model,
        noise_seed=SEED,
        cfg=CFG,
        positive=shown.positive,
        negative=shown.negative,
        sampler=Sampler("euler"),
        sigmas=Sigmas(sigmas),
        latent_image=shown.latent,
    )

    assert shown.latent.samples.shape == (batch, 4, 16, 24)
    # Float32 through four steps; the latents are divided by 0.08333.
    torch.testing.assert_close(got.output.samples, expected, rtol=1e-3, atol=2e-2)


def test_the_size_follows_the_ratio() -> None:
    nothing = Conditioning((Cond(None),))
    shown = upscale.enlarging_conditioning(images=picture(), positive=nothing, negative=nothing, scale_ratio=2.0)

    assert shown.latent.samples.shape == (1, 4, 8, 12)
    assert shown.positive.parts[0].extras[enlarging.PICTURE].shape == (1, 3, 8, 12)


def test_without_a_picture_the_upscaler_draws_from_grey(model: checkpoint.Model, weights: Weights, ctx: Any) -> None:
    text = Conditioning((Cond(tiny_adapters.rand(1, 77, 128)),))
    drawn = sampling.ksampler(
        ctx=ctx,
        weights=weights,
        model=model,
        steps=1,
        positive=text,
        negative=text,
        latent_image=Latent(torch.zeros(1, 4, 8, 8)),
    )

    assert drawn.samples.isfinite().all()


def test_other_models_take_no_small_picture(weights: Weights, ctx: Any, tmp_path: Path) -> None:
    model = checkpoint.open_checkpoint(tiny.write_single(tmp_path / "sd15.safetensors")).model
    text = Conditioning((Cond(tiny_adapters.rand(1, 77, 64)),))
    shown = upscale.enlarging_conditioning(images=picture(), positive=text, negative=text)

    with pytest.raises(WeightsError, match=r"SD 1\.x takes no small picture"):
        sampling.ksampler(
            ctx=ctx,
            weights=weights,
            model=model,
            steps=1,
            positive=shown.positive,
            negative=shown.negative,
            latent_image=shown.latent,
        )
