"""Pictures to latents and back: against diffusers directly, and tiles against a blend written out pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion import checkpoint
from nodes.diffusion.files import WeightsError
from nodes.diffusion.vae import PIXEL_SPACE, Autoencoder
from nodes.diffusion.weights import Weights
from tests.diffusion import tiny
from tests.diffusion.conftest import Written


@pytest.fixture
def vae(weights: Weights, single_file: Written) -> Iterator[Autoencoder]:
    found = checkpoint.open_checkpoint(single_file("sd15")).vae
    assert found is not None
    with weights.vae(found) as autoencoder:
        assert isinstance(autoencoder, Autoencoder)
        yield autoencoder


def latents(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


def test_decoding_is_diffusers_decoding(vae: Autoencoder) -> None:
    samples = latents(2, 4, 6, 5)
    with torch.no_grad():
        expected = torch.cat([tiny.vae_module().decode(row).sample for row in samples.split(1)])  # pyright: ignore

    got = vae.decode(samples)

    assert got.shape == (2, 48, 40, 3)
    assert torch.equal(got, ((expected + 1) / 2).clamp(0, 1).movedim(1, -1))


def test_encoding_gives_the_mean_and_never_a_sample(vae: Autoencoder) -> None:
    image = pictures(1, 32, 24, 3)
    with torch.no_grad():
        expected = tiny.vae_module().encode(image.movedim(-1, 1) * 2 - 1).latent_dist.mean  # pyright: ignore

    assert torch.equal(vae.encode(image), expected)
    assert torch.equal(vae.encode(image), vae.encode(image))


def test_what_does_not_divide_is_cut_off_evenly_and_alpha_is_dropped(vae: Autoencoder) -> None:
    image = pictures(1, 37, 45, 4)

    assert torch.equal(vae.encode(image), vae.encode(image[:, 2:34, 2:42, :3]))


def test_too_small_pictures_and_foreign_latents_are_told(vae: Autoencoder) -> None:
    with pytest.raises(WeightsError, match="5 x 20 is too small to encode; each side must be at least 8"):
        vae.encode(pictures(1, 20, 5, 3))
    with pytest.raises(WeightsError, match=r"shape \[1, 16, 4, 4\]; the VAE takes \[B,4,h,w\]"):
        vae.decode(latents(1, 16, 4, 4))


def slow_tiled(vae: Autoencoder, samples: Tensor, tile: int, overlap: int) -> Tensor:
    """Three tilings of a latent decoded and blended one number at a time, with ComfyUI's rules."""
    total = torch.zeros(3, samples.shape[2] * 8, samples.shape[3] * 8, dtype=torch.float64)
    fade = overlap * 8
    for height, width in ((tile // 2, tile * 2), (tile * 2, tile // 2), (tile, tile)):
        value, weight = torch.zeros_like(total), torch.zeros(total.shape[1:], dtype=torch.float64)
        for top in starts(samples.shape[2], height, overlap):
            for left in starts(samples.shape[3], width, overlap):
                piece = samples[:, :, top : top + height, left : left + width]
                with torch.no_grad():
                    out = vae.module.decode(piece).sample[0].double()
                for y in range(out.shape[1]):
                    for x in range(out.shape[2]):
                        edges = (y + 1, out.shape[1] - y, x + 1, out.shape[2] - x)
                        w = 1.0
                        for edge in edges:
                            w *= min(1.0, edge / fade) if fade else 1.0
                        value[:, top * 8 + y, left * 8 + x] += out[:, y, x] * w
                        weight[top * 8 + y, left * 8 + x] += w
        total += value / weight
    return ((total / 3 + 1) / 2).clamp(0, 1).movedim(0, -1)[None].float()


def starts(size: int, tile: int, overlap: int) -> list[int]:
    if size <= tile:
        return [0]
    found = []
    at = 0
    while at < size - overlap:
        found.append(min(at, size - overlap))
        at += tile - overlap
    return found


@pytest.mark.parametrize(("tile", "overlap"), [(4, 1), (8, 2), (16, 4)])
def test_tiles_are_blended_as_written_out(vae: Autoencoder, tile: int, overlap: int) -> None:
    samples = latents(1, 4, 9, 7)

    got = vae.decode_tiled(samples, tile, overlap)

    torch.testing.assert_close(got, slow_tiled(vae, samples, tile, overlap), rtol=0, atol=1e-4)


def test_one_tile_is_the_whole(vae: Autoencoder) -> None:
    samples, image = latents(2, 4, 6, 6), pictures(2, 48, 48, 3)

    torch.testing.assert_close(vae.decode_tiled(samples, 64, 16), vae.decode(samples), rtol=0, atol=1e-5)
    torch.testing.assert_close(vae.encode_tiled(image, 512, 64), vae.encode(image), rtol=1e-5, atol=1e-5)


def test_tiled_encoding_has_the_whole_pictures_shape_and_reports(vae: Autoencoder) -> None:
    said: list[tuple[int, int]] = []

    got = vae.encode_tiled(pictures(1, 96, 64, 3), 32, 8, lambda done, total: said.append((done, total)))

    assert got.shape == (1, 4, 12, 8)
    assert got.isfinite().all()
    assert said[-1][0] == said[-1][1] == len(said) > 3


class Memory:
    """A module's memory: calls on more than `limit` numbers fail, as on a full device."""

    def __init__(self, module: Any, limit: int) -> None:
        self.limit = limit
        self.failed = 0
        self.handles = [part.register_forward_pre_hook(self.check) for part in (module.encoder, module.decoder)]

    def check(self, _module: object, args: tuple[Tensor, ...]) -> None:
        if args[0].numel() > self.limit:
            self.failed += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.fixture
def memory(vae: Autoencoder) -> Iterator[Memory]:
    memory = Memory(vae.module, 1 << 62)
    yield memory
    for handle in memory.handles:
        handle.remove()


def test_decoding_falls_back_to_tiles_when_memory_runs_out(vae: Autoencoder, memory: Memory) -> None:
    samples = latents(1, 4, 6, 160)
    memory.limit = 4 * 6 * 140

    got = vae.decode(samples)

    assert memory.failed == 1
    memory.limit = 1 << 62
    assert torch.equal(got, vae.decode_tiled(samples, 64, 16))


def test_encoding_falls_back_to_tiles_when_memory_runs_out(vae: Autoencoder, memory: Memory) -> None:
    image = pictures(1, 16, 1280, 3)
    memory.limit = 3 * 16 * 1100

    got = vae.encode(image)

    assert memory.failed == 1
    assert got.shape == (1, 4, 2, 160)


def test_smaller_tiles_are_tried_before_giving_up(vae: Autoencoder, memory: Memory) -> None:
    samples = latents(1, 4, 6, 160)
    memory.limit = 4 * 6 * 40

    got = vae.decode(samples)

    assert memory.failed > 1
    memory.limit = 1 << 62
    assert torch.equal(got, vae.decode_tiled(samples, 16, 4))


def test_tiles_that_do_not_fit_either_are_told(vae: Autoencoder, memory: Memory) -> None:
    memory.limit = 4

    with pytest.raises(torch.OutOfMemoryError):
        vae.decode(latents(1, 4, 8, 8))


def test_pixel_space_is_pictures(weights: Weights) -> None:
    image = pictures(1, 5, 7, 3)
    with weights.vae(PIXEL_SPACE) as plain:
        torch.testing.assert_close(plain.decode(plain.encode(image)), image)
