"""Colours matched to a reference."""

from __future__ import annotations

import pytest
import torch

from nodes import colour_match
from nodes.types import Image

METHODS = ["mkl", "hm", "reinhard", "mvgd", "hm-mvgd-hm", "hm-mkl-hm"]


def tinted(seed: int, scale: tuple[float, float, float], shift: tuple[float, float, float]) -> Image:
    """Pictures of noise with these deviations and means, kept off 0 and 1."""
    noise = torch.randn((1, 40, 50, 3), generator=torch.Generator().manual_seed(seed)).clamp(-2.5, 2.5)
    noise[..., 1] += 0.5 * noise[..., 0]
    return Image(noise * torch.tensor(scale) + torch.tensor(shift))


@pytest.fixture
def target() -> Image:
    return tinted(0, (0.05, 0.03, 0.08), (0.5, 0.4, 0.45))


@pytest.fixture
def reference() -> Image:
    return tinted(1, (0.08, 0.05, 0.02), (0.4, 0.6, 0.3))


def colours(image: Image) -> torch.Tensor:
    return image.pixels.reshape(-1, 3)


@pytest.mark.parametrize("method", METHODS)
def test_mean_and_deviation_become_the_references(target: Image, reference: Image, method: str) -> None:
    found = colours(colour_match.color_match(image_ref=reference, image_target=target, method=method))
    torch.testing.assert_close(found.mean(0), colours(reference).mean(0), atol=2e-3, rtol=0)
    torch.testing.assert_close(found.std(0), colours(reference).std(0), atol=2e-3, rtol=0)


@pytest.mark.parametrize("method", ["mkl", "mvgd"])
def test_covariance_becomes_the_references(target: Image, reference: Image, method: str) -> None:
    found = colours(colour_match.color_match(image_ref=reference, image_target=target, method=method))
    torch.testing.assert_close(found.T.cov(), colours(reference).T.cov(), atol=1e-5, rtol=0)


def test_histograms_become_the_references(target: Image, reference: Image) -> None:
    found = colours(colour_match.color_match(image_ref=reference, image_target=target, method="hm"))
    # Equal values share a rank, so single ones may differ.
    assert (found.sort(0).values - colours(reference).sort(0).values).abs().mean() < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_matched_to_itself_stays(target: Image, method: str) -> None:
    found = colour_match.color_match(image_ref=target, image_target=target, method=method)
    torch.testing.assert_close(found.pixels, target.pixels, atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_plain_pictures_do_not_break_it(target: Image, method: str) -> None:
    plain = Image(torch.full((2, 8, 8, 4), 0.25))
    found = colour_match.color_match(image_ref=target, image_target=plain, method=method)
    assert found.pixels.shape == plain.pixels.shape
    assert found.pixels.isfinite().all()
    assert len(found.pixels[0, ..., :3].reshape(-1, 3).unique(dim=0)) == 1
    assert torch.equal(found.pixels[..., 3], plain.pixels[..., 3])


def test_strength_goes_from_one_to_the_other(target: Image, reference: Image) -> None:
    none, half, full = (
        colour_match.color_match(image_ref=reference, image_target=target, strength=s).pixels for s in (0.0, 0.5, 1.0)
    )
    assert torch.equal(none, target.pixels)
    torch.testing.assert_close(half, (none + full) / 2)
