"""Nodes of families that cannot run yet: what they set is set, and what they cannot do they say."""

from __future__ import annotations

import pytest
import torch

from nodes import transformer_families as family
from nodes.define import NodeError
from nodes.types import Cond, Conditioning, Latent

PROMPT = Conditioning((Cond(torch.zeros(1, 77, 8)), Cond(torch.ones(1, 77, 8))))


def test_reference_pictures_add_up() -> None:
    first, second = Latent(torch.zeros(1, 4, 8, 8)), Latent(torch.ones(1, 4, 8, 8))
    one = family.reference_latent(conditioning=PROMPT, latent=first)
    two = family.reference_latent(conditioning=one, latent=second)
    for part in two:
        assert [float(each.mean()) for each in part.extras["reference_latents"]] == [0.0, 1.0]
    assert [len(part.extras["reference_latents"]) for part in one] == [1, 1]
    assert family.reference_latent(conditioning=PROMPT) is PROMPT


def test_reference_method_and_guidance_are_noted() -> None:
    noted = family.reference_method(conditioning=PROMPT, reference_latents_method="uxo/uno")
    noted = family.disable_guidance(conditioning=noted)
    assert [dict(part.extras) for part in noted] == [{"reference_latents_method": "uxo", "guidance": None}] * 2


def test_what_needs_the_network_says_so() -> None:
    with pytest.raises(NodeError, match=r"The model patch 'union\.safetensors' needs .*cannot run yet"):
        family.load_model_patch(name="union.safetensors")
    with pytest.raises(NodeError, match="TripleCLIPLoader needs Stable Diffusion 3"):
        family.load_three_clips(clip_name1="a", clip_name2="b", clip_name3="c")
