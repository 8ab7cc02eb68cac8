"""LoRA nodes: handles in, handles out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodes import loaders, lora
from nodes.define import NodeError
from nodes.folders import Folders
from tests.diffusion import tiny

STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


def write(path: Path, out: int = 32, into: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    shapes = {f"{STEM}.lora_up.weight": (out, 2), f"{STEM}.lora_down.weight": (2, into)}
    shapes |= {f"{TEXT}.lora_up.weight": (128, 2), f"{TEXT}.lora_down.weight": (2, 64)}
    save_file({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("base")
    tiny.write_single(root / "models" / "checkpoints" / "a.safetensors")
    write(root / "models" / "loras" / "sub" / "ink.safetensors")
    write(root / "models" / "loras" / "large.safetensors", 320, 320)
    return root


@pytest.fixture
def folders(base: Path) -> Folders:
    return Folders.at(base)


@pytest.fixture
def parts(folders: Folders) -> loaders.Parts:
    return loaders.load_checkpoint(folders=folders, ckpt_name="a.safetensors")


def test_each_side_has_its_strength(folders: Folders, parts: loaders.Parts) -> None:
    got = lora.load_lora(
        folders=folders,
        model=parts.model,
        clip=parts.clip,
        lora_name="sub/ink.safetensors",
        strength_model=0.5,
        strength_clip=-2.0,
    )

    (on_model,), (on_clip,) = got.model.patches, got.clip.patches
    assert on_model.key.endswith(":unet:0.5")
    assert on_clip.key.endswith(":text:-2.0")
    assert got.model.source == parts.model.source
    assert parts.model.patches == parts.clip.patches == ()


def test_zero_strength_changes_nothing(folders: Folders, parts: loaders.Parts) -> None:
    ink = "sub/ink.safetensors"
    both = lora.load_lora(
        folders=folders, model=parts.model, clip=parts.clip, lora_name=ink, strength_model=0.0, strength_clip=0.0
    )
    half = lora.load_lora(folders=folders, model=parts.model, clip=parts.clip, lora_name=ink, strength_model=0.0)

    assert both == (parts.model, parts.clip)
    assert half.model == parts.model
    assert len(half.clip.patches) == 1
    only = lora.load_lora_model_only(folders=folders, model=parts.model, lora_name=ink, strength_model=0.0)
    assert only == parts.model


def test_any_number_follow_each_other(folders: Folders, parts: loaders.Parts) -> None:
    model = parts.model
    for strength in (0.1, 0.2, 0.3):
        model = lora.load_lora_model_only(
            folders=folders, model=model, lora_name="sub/ink.safetensors", strength_model=strength
        )

    assert [patch.key.rsplit(":", 1)[1] for patch in model.patches] == ["0.1", "0.2", "0.3"]


def test_another_models_lora_is_told(folders: Folders, parts: loaders.Parts) -> None:
    with pytest.raises(NodeError, match=r"large\.safetensors is made for another model; the model here is SD 1\.x"):
        lora.load_lora_model_only(folders=folders, model=parts.model, lora_name="large.safetensors")
