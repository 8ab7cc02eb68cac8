"""VAE nodes: shapes, inpainting masks, tiles with progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from nodes import loaders, vae
from nodes.define import Cancelled
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Cond, Conditioning, Image, Latent, Mask, Vae
from tests.diffusion import tiny

if TYPE_CHECKING:
    from tests.nodes.conftest import Running

WEIGHTS = Weights("cpu", "fp32")


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> Vae:
    root = tmp_path_factory.mktemp("base")
    tiny.write_single(root / "models" / "checkpoints" / "a.safetensors")
    return loaders.load_checkpoint(folders=Folders.at(root), ckpt_name="a.safetensors").vae


def picture(height: int = 32, width: int = 48, batch: int = 1) -> Image:
    return Image(torch.rand((batch, height, width, 3), generator=torch.Generator().manual_seed(1)))


def test_there_and_back(handle: Vae) -> None:
    latent = vae.encode(weights=WEIGHTS, pixels=picture(batch=2), vae=handle)
    back = vae.decode(weights=WEIGHTS, samples=latent, vae=handle)

    assert latent.samples.shape == (2, 4, 4, 6)
    assert back.pixels.shape == (2, 32, 48, 3)
    assert back.pixels.dtype == torch.float32
    assert float(back.pixels.min()) >= 0
    assert float(back.pixels.max()) <= 1


def test_tiles_report_and_can_be_stopped(handle: Vae, ctx: Running) -> None:
    latent = vae.encode_tiled(ctx=ctx, weights=WEIGHTS, pixels=picture(160, 96), vae=handle, tile_size=64, overlap=32)
    assert latent.samples.shape == (1, 4, 20, 12)
    assert ctx.steps[-1][0] == ctx.steps[-1][1]

    ctx.stopped = True
    with pytest.raises(Cancelled):
        vae.decode_tiled(ctx=ctx, weights=WEIGHTS, samples=latent, vae=handle, tile_size=64, overlap=32)


def test_large_tiles_are_the_whole(handle: Vae, ctx: Running) -> None:
    samples = Latent(torch.randn((1, 4, 6, 6), generator=torch.Generator().manual_seed(1)))

    tiled = vae.decode_tiled(ctx=ctx, weights=WEIGHTS, samples=samples, vae=handle)

    torch.testing.assert_close(
        tiled.pixels, vae.decode(weights=WEIGHTS, samples=samples, vae=handle).pixels, rtol=0, atol=1e-5
    )


def spot(height: int = 32, width: int = 48) -> Mask:
    mask = torch.zeros(1, height, width)
    mask[0, 10, 20] = 1.0
    return Mask(mask)


@pytest.mark.parametrize(
    ("by", "rows", "columns"),
    [(0, (10, 11), (20, 21)), (1, (10, 11), (20, 21)), (5, (8, 13), (18, 23)), (6, (8, 14), (18, 24))],
)
def test_inpainting_masks_grow(handle: Vae, by: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    got = vae.encode_for_inpaint(weights=WEIGHTS, pixels=picture(), vae=handle, mask=spot(), grow_mask_by=by)

    expected = torch.zeros(1, 1, 32, 48)
    expected[..., slice(*rows), slice(*columns)] = 1.0
    assert torch.equal(got.noise_mask, expected)  # pyright: ignore[reportArgumentType]


def test_what_is_masked_is_encoded_as_grey(handle: Vae) -> None:
    image, mask = picture(), torch.zeros(1, 32, 48)
    mask[:, :, 24:] = 0.6
    mask[:, :, 40:] = 0.4
    greyed = image.pixels.clone()
    greyed[:, :, 24:40] = 0.5

    got = vae.encode_for_inpaint(weights=WEIGHTS, pixels=image, vae=handle, mask=Mask(mask), grow_mask_by=0)

    expected = vae.encode(weights=WEIGHTS, pixels=Image(greyed), vae=handle).samples
    torch.testing.assert_close(got.samples, expected, rtol=1e-4, atol=1e-4)


def test_masks_of_another_size_are_fitted_and_pictures_cut(handle: Vae) -> None:
    got = vae.encode_for_inpaint(weights=WEIGHTS, pixels=picture(37, 53), vae=handle, mask=Mask(torch.ones(1, 10, 10)))

    assert got.samples.shape == (1, 4, 4, 6)
    assert got.noise_mask is not None
    assert got.noise_mask.shape == (1, 1, 32, 48)
    assert got.noise_mask.all()


@pytest.mark.parametrize("noise_mask", [True, False])
def test_inpainting_models_are_shown_the_rest(handle: Vae, noise_mask: bool) -> None:
    side = Conditioning((Cond(torch.zeros(1, 77, 64)),))

    got = vae.inpaint_conditioning(
        weights=WEIGHTS, positive=side, negative=side, vae=handle, pixels=picture(), mask=spot(), noise_mask=noise_mask
    )

    whole = vae.encode(weights=WEIGHTS, pixels=picture(), vae=handle).samples
    assert torch.equal(got.latent.samples, whole)
    assert (got.latent.noise_mask is not None) == noise_mask
    for part in (*got.positive, *got.negative):
        assert part.concat_latent is not None
        assert not torch.equal(part.concat_latent, whole)
        assert torch.equal(part.concat_mask, spot().values[:, None])  # pyright: ignore[reportArgumentType]


def test_editing_models_are_shown_the_picture(handle: Vae) -> None:
    side = Conditioning((Cond(torch.zeros(1, 77, 64)),))

    got = vae.instruct_conditioning(weights=WEIGHTS, positive=side, negative=side, vae=handle, pixels=picture())

    whole = vae.encode(weights=WEIGHTS, pixels=picture(), vae=handle).samples
    assert all(torch.equal(part.concat_latent, whole) for part in (*got.positive, *got.negative))  # pyright: ignore
    assert not got.latent.samples.any()
    assert got.latent.samples.shape == whole.shape


def test_pixel_space_gives_pictures_back(ctx: Running) -> None:
    from nodes.diffusion.vae import PIXEL_SPACE

    latent = vae.encode(weights=WEIGHTS, pixels=picture(5, 7), vae=PIXEL_SPACE)
    back = vae.decode_tiled(ctx=ctx, weights=WEIGHTS, samples=latent, vae=PIXEL_SPACE)

    torch.testing.assert_close(back.pixels, picture(5, 7).pixels)
