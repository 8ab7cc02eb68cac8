"""LoRAs taken from the difference of two models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes import loaders, lora, merging, saving
from nodes.define import NodeError
from nodes.diffusion.extract import low_rank
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Model
from tests.diffusion import tiny
from tests.nodes.conftest import Running

WEIGHTS = Weights("cpu", "fp32")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that differ everywhere a little, for SD 1.x and SDXL."""
    root = tmp_path_factory.mktemp("base")
    generator = torch.Generator().manual_seed(1)
    for family in ("sd15", "sdxl"):
        path = tiny.write_single(root / "models" / "checkpoints" / f"{family}.safetensors", family)
        changed = {n: t + torch.randn(t.shape, generator=generator) * 0.01 for n, t in load_file(path).items()}
        save_file(changed, path.with_name(f"{family}-b.safetensors"))
    return root


@pytest.fixture
def folders(root: Path, tmp_path: Path) -> Folders:
    return Folders(root, {"loras": [tmp_path / "loras"]}, tmp_path)


def parts(folders: Folders, name: str) -> loaders.Parts:
    return loaders.load_checkpoint(folders=folders, ckpt_name=f"{name}.safetensors")


def unet(model: Model) -> dict[str, Tensor]:
    with WEIGHTS.network(model) as network:
        return {n: t.clone() for n, t in network.module.state_dict().items()}


@pytest.mark.parametrize(("out", "into"), [(24, 40), (40, 24), (16, 16)])
@pytest.mark.parametrize("rank", [1, 5, 16])
def test_the_nearest_matrix_of_a_rank(out: int, into: int, rank: int) -> None:
    matrix = torch.randn((out, into), generator=torch.Generator().manual_seed(rank), dtype=torch.float64)
    u, s, vh = torch.linalg.svd(matrix)
    nearest = ((u[:, :rank] * s[:rank]) @ vh[:rank]).float()

    up, down = low_rank(matrix, rank)

    assert (up.shape, down.shape) == ((out, rank), (rank, into))
    torch.testing.assert_close(up @ down, nearest, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize("kind", ["standard", "full_diff"])
def test_the_difference_added_again_is_the_other_model(folders: Folders, ctx: Running, family: str, kind: str) -> None:
    a, b = (parts(folders, name) for name in (f"{family}-b", family))

    shown = saving.save_lora(
        rank=4096,
        lora_type=kind,
        model_diff=merging.merge_subtract(model1=a.model, model2=b.model),
        text_encoder_diff=merging.subtract_clips(clip1=a.clip, clip2=b.clip),
        folders=folders,
        ctx=ctx,
    )

    (saved,) = shown.files["models"]
    made = lora.load_lora(folders=folders, model=b.model, clip=b.clip, lora_name=saved.filename)
    got, expected = unet(made.model), unet(a.model)
    with WEIGHTS.text(made.clip) as mine, WEIGHTS.text(a.clip) as theirs:
        for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            got |= {f"{i} {n}": t for n, t in one.named_parameters()}
            expected |= {f"{i} {n}": t for n, t in other.named_parameters()}
    for name in expected:
        # float16 keeps 11 bits of a difference of 0.04 at most.
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=1e-4)


def test_a_higher_rank_is_nearer(folders: Folders, ctx: Running) -> None:
    a, b = (parts(folders, name) for name in ("sd15-b", "sd15"))
    difference = merging.merge_subtract(model1=a.model, model2=b.model)
    name, goal = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight", unet(a.model)

    def distance(rank: int) -> float:
        shown = saving.save_lora(rank=rank, bias_diff=False, model_diff=difference, folders=folders, ctx=ctx)
        ctx.claims.clear()
        saved = shown.files["models"][0].filename
        made = unet(lora.load_lora_model_only(folders=folders, model=b.model, lora_name=saved))
        assert torch.equal(made["conv_norm_out.bias"], unet(b.model)["conv_norm_out.bias"])
        return float((made[name] - goal[name]).norm())

    near, nearer = distance(4), distance(32)
    assert nearer < near < float((unet(b.model)[name] - goal[name]).norm())


def test_nothing_to_save_is_told(folders: Folders, ctx: Running) -> None:
    model = parts(folders, "sd15").model
    with pytest.raises(NodeError, match="connect a model's or a text encoder's difference"):
        saving.save_lora(folders=folders, ctx=ctx)
    with pytest.raises(NodeError, match="nothing but zeros"):
        saving.save_lora(model_diff=merging.merge_subtract(model1=model, model2=model), folders=folders, ctx=ctx)
