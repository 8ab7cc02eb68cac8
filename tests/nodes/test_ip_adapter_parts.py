"""IP-Adapters by tiles and by layers, and embeds in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes import clip_vision, ip_adapter
from nodes import ip_adapter_parts as nodes
from nodes.define import NodeError
from nodes.diffusion import checkpoint
from nodes.diffusion.companions import companions
from nodes.diffusion.ip_adapter_weights import layer_weights, named_layers
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Image, Mask
from tests.diffusion import tiny, tiny_adapters


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A model, a plain adapter for it, its image encoder, and weights."""
    models = tmp_path_factory.mktemp("base") / "models"
    tiny.write_single(models / "checkpoints" / "tiny.safetensors", "sd15")
    widths = tiny_adapters.cross_widths("sd15")
    state = tiny_adapters.ip_adapter_state("plain", reads=1024, context=64, widths=widths)
    tiny_adapters.write(models / "ipadapter" / "plain.safetensors", state)
    tiny_adapters.write(
        models / "clip_vision" / "eye.safetensors", tiny_adapters.vision_module(1280, 1024).state_dict()
    )
    folders = Folders.at(models.parent)
    return {
        "weights": Weights("cpu", "fp32"),
        "model": checkpoint.open_unet(models / "checkpoints" / "tiny.safetensors"),
        "ipadapter": ip_adapter.load_ip_adapter(folders=folders, ipadapter_file="plain.safetensors"),
        "clip_vision": clip_vision.load_clip_vision(folders=folders, clip_name="eye.safetensors"),
    }


def picture(width: int, height: int) -> Image:
    return Image(torch.rand((1, height, width, 3), generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("size", "count"), [((64, 64), 1), ((66, 64), 1), ((128, 64), 2), ((150, 64), 3), ((64, 130), 3)]
)
def test_tiles_cover_a_picture_and_share_it(given: dict[str, Any], size: tuple[int, int], count: int) -> None:
    whole = picture(*size)
    got = nodes.apply_tiled(**given, image=whole)
    assert got.tiles.pixels.shape == (count, 64, 64, 3)
    assert torch.equal(got.masks.values.sum(0), torch.ones(size[1], size[0]))
    axis = 2 if size[0] >= size[1] else 1
    if count > 1:
        assert torch.equal(got.tiles.pixels[0], whole.pixels.narrow(axis, 0, 64)[0])
        assert torch.equal(got.tiles.pixels[-1], whole.pixels.narrow(axis, max(size) - 64, 64)[0])
    prompts: Any = companions(got.MODEL)
    assert len(prompts) == count
    for prompt, mask in zip(prompts, got.masks.values, strict=True):
        assert torch.equal(prompt.mask[0], mask)


def test_a_mask_cuts_all_tiles(given: dict[str, Any]) -> None:
    upper = torch.zeros(1, 32, 64)
    upper[:, :16] = 1
    got = nodes.apply_tiled(**given, image=picture(128, 64), attn_mask=Mask(upper), sharpening=0.5)
    assert got.masks.values[:, 40:].max() == 0
    assert got.masks.values[:, :24].sum() == 24 * 128


def test_layers_have_the_weights_that_are_named(given: dict[str, Any]) -> None:
    got = nodes.apply_by_layer(**given, image=picture(64, 64), weight=0.5, layer_weights="3:2.0,\n6: 1")
    (prompt,) = companions(got)
    kind: str = prompt.layers  # pyright: ignore[reportAttributeAccessIssue]
    found = [layer.weight for layer in layer_weights(kind, 0.5, None, ["input"] * 11, sdxl=True)]
    assert found == [0, 0, 0, 1.0, 0, 0, 0.5, 0, 0, 0, 0]
    plain = nodes.apply_by_layer(**given, image=picture(64, 64), weight_type="ease in")
    assert companions(plain)[0].layers == "ease in"  # pyright: ignore[reportAttributeAccessIssue]
    assert named_layers(" 1:2 ,,3:-0.5") == {1: 2.0, 3: -0.5}
    for text in ("3", "a:1", "1:b", "1:2:3"):
        with pytest.raises(NodeError, match="write numbers of layers with weights"):
            nodes.apply_by_layer(**given, image=picture(64, 64), layer_weights=text)


def test_embeds_are_kept_in_files(given: dict[str, Any], folders: Folders, ctx: Any, tmp_path: Path) -> None:
    seen = ip_adapter.encode(
        weights=given["weights"], ipadapter=given["ipadapter"], image=picture(64, 64), clip_vision=given["clip_vision"]
    ).pos_embed
    (saved,) = nodes.save_embeds(embeds=seen, folders=folders, ctx=ctx).files["embeds"]
    (folders.root("output") / saved.filename).rename(folders.root("input") / saved.filename)
    assert torch.equal(nodes.load_embeds(embeds=saved.filename, folders=folders).values, seen.values)
    save_file({"other": torch.zeros(2)}, folders.root("input") / "other.safetensors")
    with pytest.raises(NodeError, match="holds no embeds of an IP-Adapter"):
        nodes.load_embeds(embeds="other.safetensors", folders=folders)
    (folders.root("input") / "old.ipadpt").write_bytes(b"\x80\x02pickle")
    with pytest.raises(NodeError):
        nodes.load_embeds(embeds="old.ipadpt", folders=folders)
