"""The sampling nodes, on a tiny real UNet that goes through the real loader."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import guidance, model_patches, sampling
from nodes.define import Cancelled
from nodes.diffusion import noise as noises
from nodes.diffusion import options, schedules
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction
from nodes.diffusion.weights import Weights
from nodes.latent_math import LatentOperation
from nodes.types import Cond, Conditioning, Guider, Latent, Model, NodeError, Noise, Sampler, Sigmas, Source

ROOT = Path(__file__).resolve().parents[2]

_TINY = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "norm_num_groups": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny UNet with random weights, as diffusers saves it."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(1)
    unet = UNet2DConditionModel(**_TINY)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.normal_(0, 0.1)
    path = tmp_path_factory.mktemp("model")
    unet.save_pretrained(path / "unet")
    return path


@pytest.fixture
def model(folder: Path) -> Model:
    return Model(Source(folder, "tiny", "unet", "sd15"))


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def prompt(seed: int) -> Conditioning:
    return Conditioning((Cond(torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(seed))),))


POSITIVE, NEGATIVE = prompt(1), prompt(2)
EMPTY = Latent(torch.zeros(1, 4, 8, 8))
GREY = Latent(torch.full((1, 4, 8, 8), 2.0))


@pytest.fixture
def draw(ctx: Any, weights: Weights, model: Model) -> Any:
    """KSampler with few steps."""

    def call(**changes: Any) -> Latent:
        given = {"steps": 4, "cfg": 5.0, "positive": POSITIVE, "negative": NEGATIVE, "latent_image": EMPTY}
        return sampling.ksampler(**{"ctx": ctx, "weights": weights, "model": model, **given, **changes})

    return call


@pytest.fixture
def draw_part(ctx: Any, weights: Weights, model: Model) -> Any:
    """KSamplerAdvanced with few steps."""

    def call(**changes: Any) -> Latent:
        given = {"steps": 4, "cfg": 5.0, "positive": POSITIVE, "negative": NEGATIVE, "latent_image": EMPTY}
        return sampling.ksampler_advanced(**{"ctx": ctx, "weights": weights, "model": model, **given, **changes})

    return call


def test_a_seed_gives_one_latent(draw: Any) -> None:
    assert torch.equal(draw(seed=1).samples, draw(seed=1).samples)
    assert not torch.equal(draw(seed=1).samples, draw(seed=2).samples)


def test_every_setting_matters(draw: Any) -> None:
    found = [
        draw(),
        draw(cfg=6.0),
        draw(steps=5),
        draw(sampler_name="heun"),
        draw(scheduler="karras"),
        draw(positive=NEGATIVE),
        draw(negative=POSITIVE),
        draw(latent_image=GREY, denoise=0.5),
        draw(latent_image=GREY, denoise=0.75),
    ]

    for i, one in enumerate(found):
        assert not any(torch.equal(one.samples, other.samples) for other in found[i + 1 :])


def test_nothing_is_denoised_at_zero(draw: Any) -> None:
    assert torch.equal(draw(latent_image=GREY, denoise=0.0).samples, GREY.samples)


def test_the_latent_keeps_its_mask_and_its_places(draw: Any) -> None:
    given = replace(GREY, noise_mask=torch.ones(1, 1, 8, 8), batch_index=(3,))

    found = draw(latent_image=given)

    assert found.noise_mask is given.noise_mask
    assert found.batch_index == (3,)


def test_a_mask_keeps_the_rest(draw: Any) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1.0

    found = draw(latent_image=replace(GREY, noise_mask=mask), steps=8)

    torch.testing.assert_close(found.samples[..., 5:], GREY.samples[..., 5:])
    assert not torch.allclose(found.samples[..., :3], GREY.samples[..., :3], atol=0.1)


def test_one_picture_of_a_batch_can_be_drawn_again(draw: Any) -> None:
    three = draw(latent_image=Latent(torch.zeros(3, 4, 8, 8)))

    third = draw(latent_image=Latent(torch.zeros(1, 4, 8, 8), batch_index=(2,)))

    torch.testing.assert_close(third.samples, three.samples[2:], rtol=1e-3, atol=1e-3)


def test_progress_counts_steps_with_previews(draw: Any, ctx: Any) -> None:
    draw(steps=3)

    assert [(step, steps) for step, steps, _ in ctx.steps] == [(1, 3), (2, 3), (3, 3)]
    assert all(preview.data.startswith(b"\xff\xd8") for _, _, preview in ctx.steps)


def test_cancelling_ends_the_run(draw: Any, ctx: Any) -> None:
    ctx.stopped = True

    with pytest.raises(Cancelled):
        draw()
    assert ctx.steps == []


def test_a_latent_of_another_kind_of_model_is_told(draw: Any) -> None:
    with pytest.raises(NodeError, match="16 channels"):
        draw(latent_image=Latent(torch.ones(1, 16, 8, 8)))


def test_two_samplers_can_share_a_run(draw: Any, draw_part: Any) -> None:
    first = draw_part(end_at_step=2, return_with_leftover_noise="enable", noise_seed=7, scheduler="normal")
    second = draw_part(
        add_noise="disable", start_at_step=2, noise_seed=7, scheduler="normal", latent_image=Latent(first.samples)
    )

    torch.testing.assert_close(second.samples, draw(seed=7, scheduler="normal").samples, rtol=1e-3, atol=1e-3)


def test_an_early_end_without_leftover_noise_is_complete(draw_part: Any) -> None:
    left = draw_part(end_at_step=1, return_with_leftover_noise="enable", scheduler="normal").samples
    done = draw_part(end_at_step=1, return_with_leftover_noise="disable", scheduler="normal").samples

    # Euler goes straight from the noise to x0: whole, or as far as the second level of four.
    start = noises.initial((1, 4, 8, 8), 0) * (1 + 14.614641**2) ** 0.5 / 0.18215
    torch.testing.assert_close(left, start + (done - start) * (1 - 2.918307 / 14.614641), rtol=1e-4, atol=1e-3)


def test_starting_after_the_end_changes_nothing(draw_part: Any) -> None:
    assert torch.equal(draw_part(latent_image=GREY, start_at_step=4).samples, GREY.samples)


def test_a_handle_may_change_what_the_model_predicts(draw: Any, model: Model) -> None:
    as_velocity = draw(model=options.with_parametrization(model, kind="v"))

    assert as_velocity.samples.isfinite().all()
    assert not torch.equal(as_velocity.samples, draw().samples)
    assert torch.equal(draw(model=options.with_parametrization(model, kind="eps")).samples, draw().samples)


def test_a_handle_may_change_guidance(draw: Any, model: Model) -> None:
    rescaled = draw(model=options.with_guidance(model, "rescale_cfg", multiplier=0.7))

    assert not torch.equal(rescaled.samples, draw().samples)


LEVELS = Sigmas(schedules.sigmas("normal", prediction(Parametrization()), 4))


def test_custom_sampling_is_the_same_sampling(draw: Any, ctx: Any, weights: Weights, model: Model) -> None:
    expected = draw(seed=7, scheduler="normal").samples
    sampler = Sampler("euler")
    guider = sampling.cfg_guider(model=model, positive=POSITIVE, negative=NEGATIVE, cfg=5.0)

    custom = sampling.sampler_custom(
        ctx=ctx,
        weights=weights,
        model=model,
        noise_seed=7,
        cfg=5.0,
        positive=POSITIVE,
        negative=NEGATIVE,
        sampler=sampler,
        sigmas=LEVELS,
        latent_image=EMPTY,
    )
    advanced = sampling.sampler_custom_advanced(
        ctx=ctx,
        weights=weights,
        noise=sampling.random_noise(noise_seed=7),
        guider=guider,
        sampler=sampler,
        sigmas=LEVELS,
        latent_image=EMPTY,
    )

    assert torch.equal(custom.output.samples, expected)
    assert torch.equal(advanced.output.samples, expected)
    torch.testing.assert_close(custom.denoised_output.samples, expected)


@pytest.fixture
def guided(ctx: Any, weights: Weights) -> Any:
    """What a guider draws."""

    def call(
        guider: Guider, noise: Noise | None = None, sampler: str = "euler", latent: Latent = EMPTY
    ) -> torch.Tensor:
        return sampling.sampler_custom_advanced(
            ctx=ctx,
            weights=weights,
            noise=noise or Noise(7),
            guider=guider,
            sampler=Sampler(sampler),
            sigmas=LEVELS,
            latent_image=latent,
        ).output.samples

    return call


def test_a_basic_guider_is_guidance_at_one(guided: Any, model: Model) -> None:
    basic = sampling.basic_guider(model=model, conditioning=POSITIVE)
    plain = sampling.cfg_guider(model=model, positive=POSITIVE, negative=NEGATIVE, cfg=1.0)

    torch.testing.assert_close(guided(basic), guided(plain))
    assert guided(basic, sampler="euler_cfg_pp").isfinite().all()


def test_dual_guidance_at_the_ends_is_single_guidance(guided: Any, model: Model) -> None:
    def dual(conds: float, negative: float, style: str = "regular") -> torch.Tensor:
        guider = sampling.dual_cfg_guider(
            model=model,
            cond1=POSITIVE,
            cond2=prompt(3),
            negative=NEGATIVE,
            cfg_conds=conds,
            cfg_cond2_negative=negative,
            style=style,
        )
        return guided(guider)

    def single(positive: Conditioning, negative: Conditioning, cfg: float) -> torch.Tensor:
        return guided(sampling.cfg_guider(model=model, positive=positive, negative=negative, cfg=cfg))

    torch.testing.assert_close(dual(1.0, 1.0), single(POSITIVE, NEGATIVE, 1.0), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(dual(0.0, 3.0), single(prompt(3), NEGATIVE, 3.0), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(dual(3.0, 1.0), single(POSITIVE, prompt(3), 3.0), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(dual(1.0, 3.0, "nested"), single(POSITIVE, NEGATIVE, 3.0), rtol=1e-4, atol=1e-3)


def test_perpendicular_guidance_ignores_a_negative_that_is_the_positive(guided: Any, model: Model) -> None:
    def perp(negative: Conditioning, scale: float) -> torch.Tensor:
        guider = sampling.perp_neg_guider(
            model=model, positive=POSITIVE, negative=negative, empty_conditioning=prompt(3), cfg=3.0, neg_scale=scale
        )
        return guided(guider)

    alone = guided(sampling.cfg_guider(model=model, positive=POSITIVE, negative=prompt(3), cfg=3.0))
    torch.testing.assert_close(perp(POSITIVE, 1.0), alone, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(perp(NEGATIVE, 0.0), alone, rtol=1e-3, atol=1e-2)
    assert not torch.allclose(perp(NEGATIVE, 1.0), alone, atol=0.1)


def test_without_noise_sampling_goes_on_from_the_latent(guided: Any, model: Model) -> None:
    guider = sampling.cfg_guider(model=model, positive=POSITIVE, negative=NEGATIVE, cfg=3.0)
    noisy = sampling.add_noise_to_latent(model=model, noise=Noise(7), sigmas=LEVELS, latent_image=GREY)

    continued = guided(guider, sampling.disable_noise(), latent=noisy)

    # The only difference: from the top level a run starts with noise of variance 1 + sigma^2.
    torch.testing.assert_close(continued, guided(guider, latent=GREY), rtol=0.05, atol=2.0)
    assert torch.equal(
        sampling.add_noise_to_latent(model=model, noise=Noise(kind="none"), sigmas=LEVELS, latent_image=GREY).samples,
        GREY.samples,
    )


CHANGES: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (guidance.perturbed_attention_guidance, {"scale": 0.0}, {"scale": 3.0}),
    (guidance.self_attention_guidance, {"scale": 0.0}, {"scale": 3.0}),
    (
        guidance.skip_layer_guidance,
        {"scale": 0.0, "double_layers": "0, 1"},
        {"double_layers": "0, 1", "end_percent": 1.0},
    ),
    (
        guidance.skip_layer_guidance,
        {"double_layers": "40", "end_percent": 1.0},
        {"double_layers": "1", "end_percent": 1.0, "rescaling_scale": 0.5},
    ),
    (guidance.skip_layer_guidance_sd3, {"layers": ""}, {"layers": "0", "end_percent": 1.0}),
    (guidance.skip_layer_guidance_simple, {"double_layers": ""}, {"double_layers": "0 1 2"}),
    (guidance.temporal_score_rescaling, {"tsr_k": 1.0}, {"tsr_k": 2.0}),
    (guidance.renorm_cfg, {"renorm_cfg": 0.0}, {"cfg_trunc": 5.0}),
    (guidance.epsilon_scaling, {"scaling_factor": 1.0}, {}),
    (guidance.fresca, {"scale_low": 1.0, "scale_high": 1.0}, {"freq_cutoff": 2}),
    (guidance.rescale_cfg, {"multiplier": 0.0}, {}),
    (model_patches.tome_patch_model, {"ratio": 0.0}, {"ratio": 0.5}),
    (model_patches.freeu, {"b1": 1.0, "b2": 1.0, "s1": 1.0, "s2": 1.0}, {}),
    (model_patches.hyper_tile, {"tile_size": 64}, {"tile_size": 32}),
    (model_patches.patch_model_add_downscale, {"block_number": 30}, {"block_number": 1}),
    (model_patches.patch_model_add_downscale, {"end_percent": 0.0}, {"downscale_after_skip": False, "block_number": 1}),
    (model_patches.normalized_attention_guidance, {"nag_alpha": 0.0}, {}),
    (model_patches.model_compute_dtype, {"dtype": "fp32"}, {"dtype": "bf16"}),
]


@pytest.mark.parametrize(
    ("node", "off", "on"), CHANGES, ids=[f"{c[0].definition.id}-{i}" for i, c in enumerate(CHANGES)]
)
def test_a_change_counts_when_it_is_on(draw: Any, model: Model, node: Any, off: Any, on: Any) -> None:
    plain = draw().samples

    torch.testing.assert_close(draw(model=node(model=model, **off)).samples, plain, rtol=1e-3, atol=1e-2)
    changed = draw(model=node(model=model, **on)).samples
    assert changed.isfinite().all()
    assert not torch.allclose(changed, plain, rtol=1e-6, atol=1e-4)
    assert torch.equal(draw().samples, plain)


@pytest.mark.parametrize("cfg", [1.0, 5.0])
@pytest.mark.parametrize(
    "node",
    [guidance.adaptive_projected_guidance, guidance.self_attention_guidance, guidance.tcfg, guidance.mahiro],
    ids=lambda node: node.definition.id,
)
def test_changes_run_with_and_without_a_negative(draw: Any, model: Model, node: Any, cfg: float) -> None:
    assert draw(model=node(model=model), cfg=cfg).samples.isfinite().all()


def test_perp_neg_on_a_model_is_its_guider(draw: Any, model: Model, guided: Any) -> None:
    empty = prompt(3)
    guider = sampling.perp_neg_guider(
        model=model, positive=POSITIVE, negative=NEGATIVE, empty_conditioning=empty, cfg=5.0, neg_scale=0.7
    )
    patched = guidance.perp_neg(model=model, empty_conditioning=empty, neg_scale=0.7)
    alike = sampling.cfg_guider(model=patched, positive=POSITIVE, negative=NEGATIVE, cfg=5.0)

    torch.testing.assert_close(guided(alike), guided(guider), rtol=1e-4, atol=1e-3)


def test_an_operation_acts_on_what_guides(draw: Any, model: Model) -> None:
    @dataclass(frozen=True)
    class Twice(LatentOperation):
        def apply(self, latent: torch.Tensor) -> torch.Tensor:
            return latent * 2

    doubled = guidance.latent_apply_operation_cfg(model=model, operation=Twice())

    torch.testing.assert_close(draw(model=doubled, cfg=3.0).samples, draw(cfg=6.0).samples, rtol=1e-3, atol=1e-2)


def test_normalized_attention_guidance_needs_no_second_pass(draw: Any, model: Model) -> None:
    guided = model_patches.normalized_attention_guidance(model=model)
    plain = draw(cfg=1.0).samples

    assert not torch.allclose(draw(model=guided, cfg=1.0).samples, plain, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(draw(model=guided, cfg=1.0, negative=POSITIVE).samples, plain, rtol=1e-3, atol=1e-2)


def test_a_backend_for_another_device_is_told(draw: Any, model: Model) -> None:
    with pytest.raises(NodeError, match="cudagraphs is for CUDA devices"):
        draw(model=model_patches.torch_compile_model(model=model, backend="cudagraphs"))


def test_importing_the_nodes_costs_no_torch() -> None:
    code = (
        "import sys\n"
        "from nodes.lazily import lazily\n"
        "with lazily():\n"
        "    import nodes.sampling, nodes.samplers, nodes.schedulers, nodes.guidance, nodes.model_patches\n"
        "sys.exit('torch._C' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
