"""Models translated by torch.compile: what they draw, also when their weights change. The UNet has one block a way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from nodes import model_patches, sampling
from nodes.diffusion.compiled import compiled
from nodes.diffusion.network import Inputs
from nodes.diffusion.patches import Target
from nodes.diffusion.weights import Weights
from nodes.types import Cond, Conditioning, Latent, Model, Source

_LEAST: dict[str, Any] = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (8,),
    "norm_num_groups": 2,
    "down_block_types": ("CrossAttnDownBlock2D",),
    "mid_block_type": None,
    "up_block_types": ("CrossAttnUpBlock2D",),
    "cross_attention_dim": 8,
    "attention_head_dim": 2,
}


@dataclass(frozen=True)
class Larger:
    """A patch that scales the first layer."""

    key: str = "larger"

    def edits(self, target: Target) -> Mapping[str, Callable[[torch.Tensor], torch.Tensor]]:
        return {"conv_in.weight": lambda weight: weight * 1.5} if target.part == "unet" else {}


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(1)
    unet = UNet2DConditionModel(**_LEAST)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.normal_(0, 0.1)
    path = tmp_path_factory.mktemp("model")
    unet.save_pretrained(path / "unet")
    return Model(Source(path, "least", "unet", "sd15"))


def prompt(seed: int) -> Conditioning:
    return Conditioning((Cond(torch.randn(1, 77, 8, generator=torch.Generator().manual_seed(seed))),))


@pytest.fixture
def draw(ctx: Any, weights: Weights) -> Any:
    def call(model: Model) -> torch.Tensor:
        return sampling.ksampler(
            ctx=ctx,
            weights=weights,
            model=model,
            steps=3,
            cfg=5.0,
            positive=prompt(1),
            negative=prompt(2),
            latent_image=Latent(torch.zeros(1, 4, 8, 8)),
        ).samples

    return call


def test_a_captured_network_answers_the_same(weights: Weights, model: Model) -> None:
    """Dynamo captures the network; its backend "eager" then runs what was captured as it is."""
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    context = torch.randn(2, 77, 8, generator=torch.Generator().manual_seed(4))
    torch._dynamo.reset()
    for handle in (model, model.patched(Larger())):
        with weights.network(handle) as network, compiled(network, "eager") as captured:
            for level in (900.0, 20.0):
                timestep = torch.full((2,), level)
                expected = network(x, timestep, Inputs(context))
                torch.testing.assert_close(captured(x, timestep, Inputs(context)), expected)
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0


@pytest.mark.soak
@pytest.mark.timeout(600)  # A C++ compiler is run for each of some 80 kernels: 40 seconds on two cores.
def test_a_compiled_model_draws_the_same(draw: Any, model: Model) -> None:
    translated = model_patches.torch_compile_model(model=model)

    torch.testing.assert_close(draw(translated), draw(model), rtol=1e-3, atol=1e-3)
    patched = model.patched(Larger())
    torch.testing.assert_close(draw(translated.patched(Larger())), draw(patched), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(draw(patched), draw(model), rtol=1e-3, atol=1e-3)
