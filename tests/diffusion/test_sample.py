from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nodes.diffusion import noise as noises
from nodes.diffusion import schedules
from nodes.diffusion.guidance import CfgGuide, Hooks
from nodes.diffusion.network import LatentFormat, Parametrization
from nodes.diffusion.sample import Sampled, fit_empty, fit_mask, run, sample
from nodes.diffusion.samplers import NAMES
from nodes.types import Conditioning, NodeError
from tests.diffusion.toy_networks import ToyNetwork, saying

SHAPE = (1, 4, 8, 8)
EPS, V = Parametrization(), Parametrization(kind="v")


def drawn(
    network: ToyNetwork | None = None,
    *,
    sampler: str = "euler",
    steps: int = 12,
    denoise: float = 1.0,
    latent: Tensor | None = None,
    cfg: float = 1.0,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
    seed: int = 3,
    scheduler: str = "karras",
    **options: object,
) -> Tensor:
    """What the toy model draws with KSampler-like settings."""
    network = network or ToyNetwork()
    latent = torch.zeros(SHAPE) if latent is None else latent
    return sample(
        network,
        noise=noises.initial(latent.shape, seed),
        latent=latent,
        sigmas=schedules.for_denoise(scheduler, network.prediction, steps, denoise),
        sampler=sampler,
        positive=positive or saying(0.4),
        negative=negative or saying(-0.4),
        cfg=cfg,
        seed=seed,
        **options,  # pyright: ignore[reportArgumentType]
    )


def test_the_result_is_in_the_vaes_space_on_the_cpu() -> None:
    # The toy paints 0.4 in the network's space, of which 1 is 2 in the VAE's.
    found = drawn(ToyNetwork(std=0.01))

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full(SHAPE, 0.8), rtol=0, atol=0.1)


def test_a_seed_gives_the_same_latent() -> None:
    assert torch.equal(drawn(seed=1), drawn(seed=1))
    assert not torch.equal(drawn(seed=1), drawn(seed=2))


@pytest.mark.parametrize("sampler", [name for name in NAMES if name != "dpm_adaptive"])
def test_what_the_network_predicts_makes_no_difference(sampler: str) -> None:
    # The same denoiser said as noise and as velocity: rounding is divided by small levels, hence the tolerance.
    torch.testing.assert_close(
        drawn(ToyNetwork(EPS), sampler=sampler), drawn(ToyNetwork(V), sampler=sampler), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
def test_denoised_undoes_what_the_network_says(kind: str) -> None:
    network = ToyNetwork(Parametrization(kind=kind), std=0.01)  # pyright: ignore[reportArgumentType]

    torch.testing.assert_close(drawn(network), torch.full(SHAPE, 0.8), rtol=0, atol=0.1)


def test_a_flow_model_draws_too() -> None:
    flow = ToyNetwork(Parametrization(kind="flow", shift=3.0), std=0.01)

    torch.testing.assert_close(drawn(flow, scheduler="simple"), torch.full(SHAPE, 0.8), rtol=0, atol=0.1)


def test_guidance_extrapolates_from_the_negative() -> None:
    # x0 of both sides differs by 0.2 at every pixel, so cfg 3 moves what is painted by twice that: 0.3 + 2 * 0.2.
    found = drawn(ToyNetwork(std=0.01), cfg=3.0, positive=saying(0.3), negative=saying(0.1))

    torch.testing.assert_close(found, torch.full(SHAPE, 1.4), rtol=0, atol=0.1)


def test_without_guidance_the_negative_is_not_evaluated() -> None:
    network = ToyNetwork()

    drawn(network, cfg=1.0, steps=3)

    assert [len(x) for x, _, _ in network.calls] == [1, 1, 1]


def test_a_hook_may_ask_for_the_negative_nevertheless() -> None:
    network = ToyNetwork()

    drawn(network, cfg=1.0, steps=3, hooks=Hooks(needs_uncond=True))

    assert [len(x) for x, _, _ in network.calls] == [2, 2, 2]


def test_a_full_run_starts_from_noise_of_the_models_variance() -> None:
    network = ToyNetwork()

    drawn(network, steps=4)

    # x / sqrt(1 + s^2) with x = noise * sqrt(1 + s^2): exactly the noise.
    torch.testing.assert_close(network.calls[0][0], noises.initial(SHAPE, 3))


def test_a_partial_run_starts_from_the_noised_latent() -> None:
    network, latent = ToyNetwork(), torch.full(SHAPE, 5.0)

    drawn(network, steps=4, denoise=0.5, latent=latent)

    sigma = float(schedules.for_denoise("karras", network.prediction, 4, 0.5)[0])
    expected = (latent * 0.5 + noises.initial(SHAPE, 3) * sigma) / math.sqrt(1 + sigma**2)
    torch.testing.assert_close(network.calls[0][0], expected)


def test_less_denoising_stays_nearer_the_latent() -> None:
    latent = torch.full(SHAPE, 3.0)

    distances = [float((drawn(latent=latent, denoise=d, steps=20) - latent).abs().mean()) for d in (0.0, 0.2, 0.5, 1.0)]

    assert distances[0] == 0
    assert distances == sorted(distances)


def test_an_empty_latent_is_not_scaled_and_fits_every_network() -> None:
    network = ToyNetwork(latent_format=LatentFormat(channels=4, scale=0.5, shift=9.0))

    assert torch.equal(drawn(network), drawn(ToyNetwork(latent_format=LatentFormat(scale=0.5))) + 9.0), (
        "a shift of the latent space is not applied to an empty latent"
    )
    assert fit_empty(torch.zeros(2, 4, 8, 8), LatentFormat(channels=16)).shape == (2, 16, 8, 8)


def test_a_latent_of_another_model_is_told() -> None:
    with pytest.raises(NodeError, match="The latent has 16 channels and the model works with 4"):
        fit_empty(torch.ones(1, 16, 8, 8), LatentFormat())


def test_noise_of_another_shape_is_told() -> None:
    with pytest.raises(ValueError, match="they must agree"):
        sample(
            ToyNetwork(),
            noise=torch.zeros(1, 4, 4, 4),
            latent=torch.zeros(SHAPE),
            sigmas=torch.tensor([1.0, 0.0]),
            sampler="euler",
            positive=saying(0.1),
            negative=saying(0.1),
            cfg=1.0,
        )


def test_no_steps_leave_the_latent_as_it_is() -> None:
    latent = torch.full(SHAPE, 5.0)

    assert torch.equal(drawn(latent=latent, denoise=0.0), latent)


def test_sampling_in_two_parts_is_sampling_at_once() -> None:
    network = ToyNetwork()
    sigmas = schedules.sigmas("normal", network.prediction, 10)

    def part(latent: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        return sample(
            network,
            noise=noise,
            latent=latent,
            sigmas=levels,
            sampler="euler",
            positive=saying(0.3),
            negative=saying(-0.1),
            cfg=4.0,
        )

    start, noise = torch.zeros(SHAPE), noises.initial(SHAPE, 8)
    half = part(start, noise, schedules.between(sigmas, None, 5, to_zero=False))
    whole = part(half, torch.zeros(SHAPE), schedules.between(sigmas, 5, None, to_zero=True))

    torch.testing.assert_close(whole, part(start, noise, sigmas))


MASK = torch.cat([torch.ones(1, 1, 8, 4), torch.zeros(1, 1, 8, 4)], dim=3)


@pytest.mark.parametrize("sampler", NAMES)
def test_what_the_mask_keeps_is_kept(sampler: str) -> None:
    latent = torch.full(SHAPE, 5.0)

    found = drawn(ToyNetwork(std=0.01), sampler=sampler, latent=latent, noise_mask=MASK, steps=16)

    # UniPC stops at level 0.001, the DPM-Solvers at the last level above 0: 0.03 times noise of up to 3, over 0.5.
    left = 0.2 if sampler in {"dpm_fast", "dpm_adaptive"} else 0.02
    torch.testing.assert_close(found[..., 4:], latent[..., 4:], rtol=0, atol=left)
    torch.testing.assert_close(found[..., :4], torch.full((1, 4, 8, 4), 0.8), rtol=0, atol=0.5)


def test_the_network_sees_the_noised_original_outside_the_mask() -> None:
    network, latent = ToyNetwork(), torch.full(SHAPE, 5.0)

    drawn(network, latent=latent, noise_mask=MASK, steps=4)

    sigmas = schedules.sigmas("karras", network.prediction, 4).tolist()
    noise = noises.initial(SHAPE, 3)
    for (x, _, _), sigma in zip(network.calls, sigmas[:-1], strict=True):
        expected = (latent * 0.5 + noise * sigma) / math.sqrt(1 + sigma**2)
        torch.testing.assert_close(x[..., 4:], expected[..., 4:])


def test_ddim_noises_the_original_anew() -> None:
    network = ToyNetwork()

    drawn(network, latent=torch.ones(SHAPE), noise_mask=MASK, steps=4, sampler="ddim")

    sigma = float(network.prediction.sigma_max)
    expected = (0.5 + noises.initial(SHAPE, 4) * sigma) / math.sqrt(1 + sigma**2)
    torch.testing.assert_close(network.calls[0][0][..., 4:], expected[..., 4:])


def test_a_soft_mask_mixes() -> None:
    latent, network = torch.full(SHAPE, 5.0), ToyNetwork(std=0.01)

    found = drawn(network, latent=latent, noise_mask=torch.full((1, 1, 8, 8), 0.5), steps=16)

    assert 0.9 < float(found.mean()) < 4.9


def test_masks_are_fitted_to_the_latent() -> None:
    mask = torch.zeros(2, 64, 64)
    mask[1] = 1.0

    fitted = fit_mask(mask, (3, 4, 8, 8))

    assert fitted.shape == (3, 4, 8, 8)
    assert fitted.mean((1, 2, 3)).tolist() == [0, 1, 0]


def test_a_mask_hook_sees_every_level() -> None:
    network, levels = ToyNetwork(), []

    def whole(sigma: float, mask: Tensor) -> Tensor:
        levels.append(sigma)
        return torch.ones_like(mask)

    sigmas = schedules.sigmas("karras", network.prediction, 4)
    found = run(
        network,
        CfgGuide(),
        {"positive": saying(0.4)},
        noise=noises.initial(SHAPE, 3),
        latent=torch.zeros(SHAPE),
        sigmas=sigmas,
        sampler="euler",
        noise_mask=MASK,
        mask_hook=whole,
    )

    assert levels == sigmas.tolist()[:-1]
    torch.testing.assert_close(found.latent, drawn(network, steps=4))


def test_progress_counts_steps_and_shows_x0() -> None:
    seen: list[tuple[int, int, Tensor]] = []

    found = drawn(steps=5, progress=lambda step, steps, x0: seen.append((step, steps, x0)))

    assert [(step, steps) for step, steps, _ in seen] == [(i, 5) for i in range(1, 6)]
    torch.testing.assert_close(seen[-1][2] / 0.5, found)


@pytest.mark.parametrize("sampler", NAMES)
def test_progress_that_raises_ends_the_run(sampler: str) -> None:
    class EnoughError(Exception):
        pass

    def stop(step: int, steps: int, x0: Tensor) -> None:
        if step == 2:
            raise EnoughError

    network = ToyNetwork()
    with pytest.raises(EnoughError):
        drawn(network, sampler=sampler, steps=8, progress=stop)
    # An adaptive sampler reports by how far it has come, and may ask more often.
    assert len(network.calls) <= (20 if sampler == "dpm_adaptive" else 6)


def test_the_last_guess_is_given_beside_the_result() -> None:
    network = ToyNetwork()
    sigmas = schedules.between(schedules.sigmas("karras", network.prediction, 8), None, 3, to_zero=False)

    found = run(
        network,
        CfgGuide(),
        {"positive": saying(0.4)},
        noise=noises.initial(SHAPE, 3),
        latent=torch.zeros(SHAPE),
        sigmas=sigmas,
        sampler="euler",
    )

    assert isinstance(found, Sampled)
    assert float(found.latent.std()) > 2 * float(found.denoised.std())


def test_gradients_are_not_kept() -> None:
    assert not drawn(steps=2, latent=torch.zeros(SHAPE, requires_grad=True)).requires_grad
