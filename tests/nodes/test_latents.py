"""Latent nodes against slow, obvious references."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes import latents
from nodes.define import NodeError, Saved
from nodes.folders import Folders
from nodes.types import Latent, Mask


@pytest.fixture
def latent() -> Latent:
    return Latent(torch.randn((2, 4, 8, 12), generator=torch.Generator().manual_seed(5)))


def arc(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """One vector on the way from a to b, by turning in the plane of the two."""
    length = (1 - t) * a.norm() + t * b.norm()
    u, v = a / a.norm(), b / b.norm()
    angle = math.acos(float((u @ v).clamp(-1, 1)))
    across = v - (u @ v) * u
    return length * (math.cos(t * angle) * u + math.sin(t * angle) * across / across.norm())


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(0, 0, (8, 12)), (192, 0, (16, 24)), (0, 64, (8, 12)), (16, 16, (8, 8)), (200, 88, (11, 25))],
    ids=["neither", "width", "height", "at least 64", "both"],
)
def test_a_side_of_zero_follows_the_other(latent: Latent, width: int, height: int, expected: tuple[int, int]) -> None:
    scaled = latents.latent_upscale(samples=latent, width=width, height=height)
    assert scaled.samples.shape[2:] == expected


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "bislerp"])
def test_scaling_by_one_changes_nothing(latent: Latent, method: str) -> None:
    same = latents.latent_upscale_by(samples=latent, upscale_method=method, scale_by=1.0)
    torch.testing.assert_close(same.samples, latent.samples)


def test_bislerp_turns_vectors_between_pixels() -> None:
    a, b = torch.tensor([3.0, 0, 0, 0]), torch.tensor([0.0, 1, 1, 0])
    row = Latent(torch.stack([a, b], dim=1).reshape(1, 4, 1, 2))
    wider = latents.latent_upscale_by(samples=row, upscale_method="bislerp", scale_by=2.0).samples[0, :, 0]
    for x, t in ((0, 0.0), (1, 0.25), (2, 0.75), (3, 1.0)):
        torch.testing.assert_close(wider[:, x], arc(a, b, t), atol=1e-5, rtol=1e-5)


def test_bislerp_mixes_opposite_and_zero_vectors_without_nan() -> None:
    row = Latent(torch.tensor([[1.0, -1.0, 0.0, 2.0]] * 4).reshape(1, 4, 1, 4))
    assert latents.latent_upscale_by(samples=row, upscale_method="bislerp", scale_by=3.0).samples.isfinite().all()


def test_scaling_keeps_the_mask(latent: Latent) -> None:
    masked = latents.set_latent_noise_mask(samples=latent, mask=Mask(torch.ones((1, 64, 96))))
    assert masked.noise_mask is not None
    assert masked.noise_mask.shape == (1, 1, 64, 96)
    assert latents.latent_upscale_by(samples=masked).noise_mask is masked.noise_mask
    assert latent.noise_mask is None


def test_a_latent_comes_back_from_its_file(latent: Latent, folders: Folders, ctx) -> None:
    shown = latents.save_latent(samples=latent, prompt={"1": {}}, extra_pnginfo=None, folders=folders, ctx=ctx)
    assert shown.files["latents"] == [Saved("ComfyUI_00001_.latent", "latents", "output")]
    back = latents.load_latent(latent="latents/ComfyUI_00001_.latent [output]", folders=folders)
    assert torch.equal(back.samples, latent.samples)


def test_a_latent_file_without_version_is_scaled(latent: Latent, folders: Folders) -> None:
    save_file({"latent_tensor": latent.samples * 0.18215}, folders.root("input") / "old.latent")
    torch.testing.assert_close(latents.load_latent(latent="old.latent", folders=folders).samples, latent.samples)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 64])
def test_a_file_that_is_no_latent_is_named(folders: Folders, content: bytes) -> None:
    (folders.root("input") / "bad.latent").write_bytes(content)
    with pytest.raises(NodeError, match=r"bad\.latent"):
        latents.load_latent(latent="bad.latent", folders=folders)


def test_other_tensors_are_no_latent(folders: Folders) -> None:
    path: Path = folders.root("input") / "flat.latent"
    save_file({"latent_tensor": torch.ones(3)}, path)
    assert "latent_tensor" in load_file(path)
    with pytest.raises(NodeError, match="holds no latent"):
        latents.load_latent(latent="flat.latent", folders=folders)
