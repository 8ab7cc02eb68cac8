"""Steps that are not computed: which, how few, and how near the picture stays. On a tiny real UNet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from nodes import model_patches, sampling
from nodes.diffusion.reuse import Course
from nodes.diffusion.weights import Weights
from nodes.types import Cond, Conditioning, Latent, Model, Source

_TINY = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "norm_num_groups": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
}
EMPTY = Latent(torch.zeros(1, 4, 8, 8))
NODES = [model_patches.easy_cache, model_patches.lazy_cache]
STEPS = 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(1)
    unet = UNet2DConditionModel(**_TINY)  # pyright: ignore[reportArgumentType]
    path = tmp_path_factory.mktemp("model")
    unet.save_pretrained(path / "unet")
    return Model(Source(path, "tiny", "unet", "sd15"))


class Counting(Weights):
    """Weights whose networks count how often they are computed."""

    computed = 0

    @contextmanager
    def network(self, model: Model) -> Iterator[Any]:
        with super().network(model) as unet:

            def count(*_: object) -> None:
                self.computed += 1

            handle = unet.module.register_forward_hook(count)
            yield unet
            handle.remove()


@pytest.fixture(scope="module")
def weights() -> Counting:
    return Counting("cpu", "fp32")


def prompt(seed: int) -> Conditioning:
    return Conditioning((Cond(torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(seed))),))


@pytest.fixture
def draw(ctx: Any, weights: Counting) -> Any:
    def call(model: Model, **changes: Any) -> tuple[torch.Tensor, int]:
        before = weights.computed
        given = {"steps": STEPS, "cfg": 3.0, "positive": prompt(1), "negative": prompt(2), "latent_image": EMPTY}
        drawn = sampling.ksampler(**{"ctx": ctx, "weights": weights, "model": model, **given, **changes})
        return drawn.samples, weights.computed - before

    return call


@pytest.mark.parametrize("node", NODES)
def test_nothing_is_reused_at_zero(draw: Any, model: Model, node: Any) -> None:
    plain, calls = draw(model)
    same, as_many = draw(node(model=model, reuse_threshold=0.0))
    assert torch.equal(plain, same)
    assert calls == as_many == STEPS


@pytest.mark.parametrize("node", NODES)
def test_a_higher_threshold_computes_less_and_stays_near(draw: Any, model: Model, node: Any) -> None:
    plain, _ = draw(model)
    low, some = draw(node(model=model, reuse_threshold=0.1))
    high, few = draw(node(model=model, reuse_threshold=0.5))
    assert few < some < STEPS
    off = [((found - plain).norm() / plain.norm()).item() for found in (low, high)]
    assert 0 < off[0] < off[1]
    assert off[0] < 0.4  # of a network that has learned nothing, and so is hard to foresee
    again, _ = draw(node(model=model, reuse_threshold=0.5))
    assert torch.equal(high, again)


@pytest.mark.parametrize("node", NODES)
def test_only_the_middle_is_reused(draw: Any, model: Model, node: Any) -> None:
    _, all_over = draw(node(model=model, reuse_threshold=3.0, start_percent=0.0, end_percent=1.0))
    _, within = draw(node(model=model, reuse_threshold=3.0, start_percent=0.5, end_percent=0.9))
    _, nowhere = draw(node(model=model, reuse_threshold=3.0, start_percent=1.0, end_percent=1.0))
    assert all_over < within < nowhere == STEPS


@pytest.mark.parametrize("node", NODES)
def test_samplers_that_ask_twice_and_masks_work_too(draw: Any, model: Model, node: Any) -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    held = Latent(torch.ones(1, 4, 8, 8), mask)
    for sampler in ("heun", "dpmpp_2s_ancestral", "euler_ancestral_cfg_pp"):
        found, _ = draw(node(model=model, reuse_threshold=0.2), sampler_name=sampler, latent_image=held)
        assert found.isfinite().all()
        torch.testing.assert_close(found[..., :4], held.samples[..., :4])


def test_the_drift_is_the_sum_of_what_the_rate_foretells() -> None:
    course = Course(0.5)
    x = torch.ones(4)
    assert not course.foreseen(x)
    course.computed(x, x * 10)
    assert not course.foreseen(x * 2)
    course.computed(x * 2, x * 12)  # a change of 1 made a change of 2
    assert course.foreseen(x * 4)  # 2 * 2 / 12 = 0.33
    course.carried(x * 4, x * 14)
    assert course.foreseen(x * 5)  # 0.33 + 2 * 1 / 14 = 0.48
    course.carried(x * 5, x * 15)
    assert not course.foreseen(x * 6)  # 0.48 + 2 / 15 = 0.61
    course.computed(x * 6, x * 20)  # now a change of 1 made a change of 5
    assert course.foreseen(x * 7)  # 5 / 20 = 0.25
    assert not course.foreseen(x * 9)
