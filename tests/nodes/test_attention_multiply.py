from __future__ import annotations

from typing import Any

import pytest
import torch

from nodes import attention_multiply, loaders
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from tests.diffusion import tiny

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> loaders.Parts:
    root = tmp_path_factory.mktemp("base")
    tiny.write_single(root / "models" / "checkpoints" / "a.safetensors")
    return loaders.load_checkpoint(folders=Folders.at(root), ckpt_name="a.safetensors")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def unet_state(weights: Weights, model: Any) -> dict[str, torch.Tensor]:
    with weights.network(model) as network:
        return {name: tensor.clone() for name, tensor in network.module.state_dict().items()}


def text_state(weights: Weights, clip: Any) -> dict[str, torch.Tensor]:
    with weights.text(clip) as (encoder,):
        return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        (attention_multiply.unet_self_attention_multiply, "attn1"),
        (attention_multiply.unet_cross_attention_multiply, "attn2"),
    ],
)
def test_the_projections_of_a_unet_are_scaled(weights: Weights, parts: loaders.Parts, node: Any, layer: str) -> None:
    plain = unet_state(weights, parts.model)

    found = unet_state(weights, node(model=parts.model, q=2.0, k=3.0, v=0.5, out=4.0))

    factors = {"to_q.weight": 2.0, "to_k.weight": 3.0, "to_v.weight": 0.5, "to_out.0.weight": 4.0, "to_out.0.bias": 4.0}
    for name, tensor in plain.items():
        factor = next((f for end, f in factors.items() if name.endswith(f".{layer}.{end}")), 1.0)
        assert torch.equal(found[name], tensor * factor)
    assert not torch.equal(found[f"{BLOCK}.{layer}.to_q.weight"], plain[f"{BLOCK}.{layer}.to_q.weight"])
    assert all(torch.equal(tensor, plain[name]) for name, tensor in unet_state(weights, parts.model).items())


def test_the_projections_of_a_text_encoder_are_scaled(weights: Weights, parts: loaders.Parts) -> None:
    plain = text_state(weights, parts.clip)

    found = text_state(weights, attention_multiply.clip_attention_multiply(clip=parts.clip, q=2.0, out=0.5))

    changed = {name for name, tensor in plain.items() if not torch.equal(found[name], tensor)}
    ends = tuple(f"self_attn.{layer}_proj.{kind}" for layer in ("q", "out") for kind in ("weight", "bias"))
    assert changed == {name for name in plain if name.endswith(ends)}
    assert changed
    for name in changed:
        assert torch.equal(found[name], plain[name] * (2.0 if "q_proj" in name else 0.5))
