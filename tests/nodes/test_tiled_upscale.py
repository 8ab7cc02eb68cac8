"""Large pictures drawn in tiles, by tiny real networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import loaders, upscale
from nodes import tiled_upscale as nodes
from nodes.conditioning import encode_text
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures.resize import resize_picture
from nodes.tiled_upscale import Box
from nodes.types import Cond, Conditioning, ControlHint, ControlNet, Image, Source
from tests.diffusion import tiny

PICTURE = Image(torch.rand((1, 40, 64, 3), generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("base")
    tiny.write_single(base / "models" / "checkpoints" / "tiny.safetensors", "sd15")
    folders, weights = Folders.at(base), Weights("cpu", "fp32")
    parts = loaders.load_checkpoint(folders=folders, ckpt_name="tiny.safetensors")
    words = encode_text(weights=weights, folders=folders, text="a hill", clip=parts.clip)
    return {
        "image": PICTURE, "model": parts.model, "vae": parts.vae, "positive": words, "negative": words,
        "upscale_model": upscale.load_upscale_model(model_name="sfumato-4x.safetensors", folders=folders),
        "weights": weights, "steps": 2, "denoise": 0.5, "tile_width": 64, "tile_height": 64,
        "tile_padding": 16, "mask_blur": 4,
    }  # fmt: skip


@pytest.fixture
def enlarged(given: dict[str, Any], ctx: Any) -> torch.Tensor:
    large = upscale.image_upscale_with_model(
        upscale_model=given["upscale_model"], image=PICTURE, weights=given["weights"], ctx=ctx
    )
    return resize_picture(large.pixels, 128, 80, "lanczos")


def test_without_tiles_a_picture_is_only_enlarged(given: dict[str, Any], ctx: Any, enlarged: torch.Tensor) -> None:
    got = nodes.ultimate_upscale(**given, ctx=ctx, mode_type="None").pixels
    assert torch.equal(got, enlarged)


@pytest.mark.parametrize("mode", ["Linear", "Chess"])
def test_every_tile_is_drawn_again(given: dict[str, Any], ctx: Any, enlarged: torch.Tensor, mode: str) -> None:
    got = nodes.ultimate_upscale(**given, ctx=ctx, mode_type=mode, seed=4).pixels
    assert got.shape == enlarged.shape
    for box in nodes.tiles(128, 80, Box(0, 0, 64, 64), mode):
        assert (box.of(got) - box.of(enlarged)).abs().mean() > 0.01
    again = nodes.ultimate_upscale(**given, ctx=ctx, mode_type=mode, seed=4, force_uniform_tiles=False).pixels
    assert not torch.equal(got, again)
    assert len(ctx.steps) > 4


def test_seams_are_drawn_again_and_nothing_else(given: dict[str, Any], ctx: Any, enlarged: torch.Tensor) -> None:
    got = nodes.ultimate_upscale(
        **given, ctx=ctx, mode_type="None", seam_fix_mode="Band Pass", seam_fix_width=16, seam_fix_mask_blur=2
    ).pixels
    assert torch.equal(got[:, :40, :48], enlarged[:, :40, :48])
    assert (got[:, 10:40, 60:68] - enlarged[:, 10:40, 60:68]).abs().mean() > 0.01
    assert (got[:, 60:68, 10:40] - enlarged[:, 60:68, 10:40]).abs().mean() > 0.01


@pytest.mark.parametrize(("size", "count"), [((128, 80), 4), ((64, 64), 1), ((65, 64), 2)])
def test_tiles_cover_a_picture_once(size: tuple[int, int], count: int) -> None:
    covered = torch.zeros(1, size[1], size[0])
    for mode in ("Linear", "Chess"):
        boxes = nodes.tiles(*size, Box(0, 0, 64, 64), mode)
        assert len(boxes) == count
        for box in boxes:
            box.of(covered).add_(1)
    assert (covered == 2).all()


def test_seams_are_where_tiles_meet() -> None:
    tile = Box(0, 0, 64, 64)
    assert list(nodes.seams(128, 64, tile, "Band Pass", 16)) == [Box(56, 0, 72, 64)]
    assert list(nodes.seams(128, 128, tile, "Half Tile", 16)) == [
        *(Box(32, y, 96, y + 64) for y in (0, 64)),
        *(Box(x, 32, x + 64, 96) for x in (0, 64)),
    ]
    with_corners = list(nodes.seams(128, 128, tile, "Half Tile + Intersections", 16))
    assert with_corners[-1] == Box(32, 32, 96, 96)
    assert len(with_corners) == 5
    assert list(nodes.seams(128, 128, tile, "None", 16)) == []


def test_what_steers_is_cut_with_the_tile() -> None:
    net = ControlNet(Source(Path("net.safetensors"), "0" * 64, "controlnet", "sd15"))
    picture = torch.rand((1, 100, 200, 3), generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(1, 50, 100)
    mask[:, :, :50] = 1
    said = Conditioning((Cond(torch.zeros(1, 77, 8), mask=mask, controls=(ControlHint(net, picture, 0.5),)),))
    (got,) = nodes.cut(said, Box(60, 10, 140, 90), 200, 100)
    assert torch.equal(got.controls[0].image, picture[:, 10:90, 60:140])
    assert got.controls[0].strength == 0.5
    assert got.mask is not None
    assert got.mask.shape == (1, 80, 80)
    assert (got.mask[0, :, :35] == 1).all()
    assert (got.mask[0, :, 45:] == 0).all()
