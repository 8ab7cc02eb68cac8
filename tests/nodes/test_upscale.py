"""Upscaling networks: files in all the ways they are written, and tiles without seams."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d, interpolate, leaky_relu, pixel_shuffle, pixel_unshuffle, prelu

from nodes import upscale
from nodes.define import Cancelled, NodeError
from nodes.diffusion import tiles
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Image

Tensors = dict[str, torch.Tensor]
WIDTH, GROWTH, BLOCKS = 8, 4, 2


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def esrgan(fold: int = 1, doublings: int = 2, seed: int = 0) -> Tensors:
    """A small ESRGAN with random weights, under Real-ESRGAN's names."""
    generator = torch.Generator().manual_seed(seed)
    tensors: Tensors = {}

    def conv(name: str, inputs: int, outputs: int) -> None:
        tensors[f"{name}.weight"] = torch.randn((outputs, inputs, 3, 3), generator=generator) * 0.15
        tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1

    conv("conv_first", 3 * fold**2, WIDTH)
    for block in range(BLOCKS):
        for dense in (1, 2, 3):
            for i in range(5):
                conv(f"body.{block}.rdb{dense}.conv{i + 1}", WIDTH + i * GROWTH, WIDTH if i == 4 else GROWTH)
    for name in ("conv_body", *(f"conv_up{i + 1}" for i in range(doublings)), "conv_hr"):
        conv(name, WIDTH, WIDTH)
    conv("conv_last", WIDTH, 3)
    return tensors


def run_esrgan(tensors: Tensors, x: torch.Tensor, fold: int = 1, doublings: int = 2) -> torch.Tensor:
    """The network of arXiv:1809.00219, written out."""

    def conv(name: str, y: torch.Tensor) -> torch.Tensor:
        return conv2d(y, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)

    first = conv("conv_first", pixel_unshuffle(x, fold) if fold > 1 else x)
    y = first
    for block in range(BLOCKS):
        inner = y
        for dense in (1, 2, 3):
            name = f"body.{block}.rdb{dense}.conv"
            known = [inner]
            for i in range(4):
                known.append(leaky_relu(conv(f"{name}{i + 1}", torch.cat(known, 1)), 0.2))
            inner = inner + 0.2 * conv(f"{name}5", torch.cat(known, 1))
        y = y + 0.2 * inner
    y = first + conv("conv_body", y)
    for i in range(doublings):
        y = leaky_relu(conv(f"conv_up{i + 1}", interpolate(y, scale_factor=2)), 0.2)
    return conv("conv_last", leaky_relu(conv("conv_hr", y), 0.2))


def numbered(tensors: Tensors) -> Tensors:
    """The same tensors under the names of the first ESRGAN files."""
    plain = {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{BLOCKS}",
        "conv_up1": "model.3",
        "conv_up2": "model.6",
    }
    plain |= {"conv_hr": "model.8", "conv_last": "model.10"}
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        stem, end = name.rsplit(".", 1)
        inner = re.sub(r"body\.(\d+)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0", stem)
        renamed[f"{plain.get(stem, inner)}.{end}"] = tensor
    return renamed


def trunk(tensors: Tensors) -> Tensors:
    """The same tensors under the names of BSRGAN's files."""
    plain = {"conv_body": "trunk_conv", "conv_up1": "upconv1", "conv_up2": "upconv2", "conv_hr": "HRconv"}
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        stem, end = name.rsplit(".", 1)
        inner = re.sub(r"body\.(\d+)\.rdb(\d)\.conv(\d)", r"RRDB_trunk.\1.RDB\2.conv\3", stem)
        renamed[f"{plain.get(stem, inner)}.{end}"] = tensor
    return renamed


def prefixed(tensors: Tensors) -> Tensors:
    return {f"params_ema.{name}": tensor for name, tensor in tensors.items()}


def compact(scale: int) -> Tensors:
    generator = torch.Generator().manual_seed(1)
    sizes = [(3, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 3 * scale**2)]
    tensors: Tensors = {}
    for i, (inputs, outputs) in enumerate(sizes):
        tensors[f"body.{2 * i}.weight"] = torch.randn((outputs, inputs, 3, 3), generator=generator) * 0.1
        tensors[f"body.{2 * i}.bias"] = torch.zeros(outputs)
        if i < 3:
            tensors[f"body.{2 * i + 1}.weight"] = torch.rand(WIDTH, generator=generator)
    return tensors


Enlarge = Callable[[Tensors, Image], Image]


@pytest.fixture
def enlarge(folders: Folders, weights: Weights, ctx) -> Enlarge:
    """Writes tensors to a file, loads it and enlarges a picture with it."""

    def run(tensors: Tensors, image: Image) -> Image:
        save_file({k: v.contiguous() for k, v in tensors.items()}, folders.base / "models/upscale_models/m.safetensors")
        model = upscale.load_upscale_model(model_name="m.safetensors", folders=folders)
        return upscale.image_upscale_with_model(upscale_model=model, image=image, weights=weights, ctx=ctx)

    return run


def expected(result: torch.Tensor) -> torch.Tensor:
    return result.clamp(0, 1).movedim(1, -1)


@pytest.mark.parametrize("written", [dict, numbered, trunk, prefixed], ids=["new", "numbered", "trunk", "prefixed"])
def test_esrgan_in_every_way_it_is_written(enlarge: Enlarge, noise: Image, written) -> None:
    tensors = esrgan()
    enlarged = enlarge(written(tensors), noise)
    assert enlarged.pixels.shape == (2, 64, 96, 3)
    torch.testing.assert_close(enlarged.pixels, expected(run_esrgan(tensors, noise.pixels.movedim(-1, 1))))
    assert enlarged.pixels.std() > 0.05


@pytest.mark.parametrize(("fold", "doublings", "scale"), [(2, 2, 2), (4, 2, 1), (1, 3, 8), (1, 1, 2)])
def test_esrgan_at_other_scales(enlarge: Enlarge, noise: Image, fold: int, doublings: int, scale: int) -> None:
    tensors = esrgan(fold, doublings)
    enlarged = enlarge(tensors, noise)
    assert enlarged.pixels.shape == (2, 16 * scale, 24 * scale, 3)
    result = run_esrgan(tensors, noise.pixels.movedim(-1, 1), fold, doublings)
    torch.testing.assert_close(enlarged.pixels, expected(result))


def test_sides_that_do_not_divide_are_filled_up(enlarge: Enlarge, noise: Image) -> None:
    odd = Image(noise.pixels[:, :15, :23])
    assert enlarge(esrgan(fold=2), odd).pixels.shape == (2, 30, 46, 3)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_compact_kind(enlarge: Enlarge, noise: Image, scale: int) -> None:
    tensors = compact(scale)
    y = x = noise.pixels.movedim(-1, 1)
    for i in range(3):
        y = conv2d(y, tensors[f"body.{2 * i}.weight"], tensors[f"body.{2 * i}.bias"], padding=1)
        y = prelu(y, tensors[f"body.{2 * i + 1}.weight"])
    y = pixel_shuffle(conv2d(y, tensors["body.6.weight"], tensors["body.6.bias"], padding=1), scale)
    enlarged = enlarge(tensors, noise)
    torch.testing.assert_close(enlarged.pixels, expected(y + interpolate(x, scale_factor=scale)))


def test_alpha_is_left_out(enlarge: Enlarge, noise: Image) -> None:
    rgba = Image(torch.cat([noise.pixels, noise.pixels[..., :1]], dim=-1))
    assert enlarge(compact(2), rgba).pixels.shape == (2, 32, 48, 3)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (41, 97), (16, 100), (33, 32)])
@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_leave_no_seam(height: int, width: int, scale: int) -> None:
    x = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))
    calls: list[torch.Size] = []

    def work(piece: torch.Tensor) -> torch.Tensor:
        calls.append(piece.shape)
        return interpolate(piece, scale_factor=scale, mode="nearest") * 3

    result = tiles.blended(work, x, (32, 32), 8, scale)
    torch.testing.assert_close(result, interpolate(x, scale_factor=scale, mode="nearest") * 3)
    assert len(calls) == tiles.count((height, width), (32, 32), 8)
    assert all(max(shape[-2:]) <= 32 for shape in calls)


def test_tiles_of_a_network_differ_little_from_the_whole() -> None:
    tensors = esrgan()
    x = torch.rand((1, 3, 60, 60), generator=torch.Generator().manual_seed(0))
    whole = run_esrgan(tensors, x)
    tiled = tiles.blended(lambda piece: run_esrgan(tensors, piece), x, (48, 48), 32, 4)
    assert (whole - tiled).abs().mean() < 0.02 * whole.std()


def test_progress_counts_tiles_and_stops(enlarge: Enlarge, ctx) -> None:
    image = Image(torch.rand((2, 8, 600, 3), generator=torch.Generator().manual_seed(0)))
    enlarge(compact(1), image)
    assert [step[:2] for step in ctx.steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    ctx.stopped = True
    with pytest.raises(Cancelled):
        enlarge(compact(1), image)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"unet.weight": torch.ones(3)}, "m.safetensors holds no upscaler"),
        ({"body.0.weight": torch.ones((8, 3, 3, 3))}, "m.safetensors holds no upscaler"),
        ({k: v for k, v in esrgan().items() if k != "conv_hr.bias"}, "conv_hr.bias"),
    ],
    ids=["something else", "too little", "a tensor missing"],
)
def test_what_is_no_upscaler_is_said(enlarge: Enlarge, noise: Image, tensors, message) -> None:
    with pytest.raises(NodeError, match=re.escape(message)):
        enlarge(tensors, noise)


def test_pickles_are_refused(folders: Folders) -> None:
    (folders.base / "models/upscale_models/m.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(NodeError, match="pickle"):
        upscale.load_upscale_model(model_name="m.pth", folders=folders)
