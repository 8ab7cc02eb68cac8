"""Previews: colours by a linear map, by a fitted one, or by a small decoder when its weights are at hand."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint, preview
from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import LatentFormat
from nodes.diffusion.weights import Weights
from tests.diffusion import tiny
from tests.diffusion.conftest import Written


def rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl", "sdxl_refiner"])
def test_known_families_have_colours(family: str) -> None:
    x0 = torch.zeros(2, 4, 6, 5)

    grey = preview.project(x0, family)

    assert grey is not None
    assert grey.shape == (6, 5, 3)
    assert torch.equal(grey, torch.full((6, 5, 3), 0.5))


def test_unknown_spaces_have_none() -> None:
    assert preview.project(torch.zeros(1, 4, 6, 5), "another") is None
    assert preview.project(torch.zeros(1, 16, 6, 5), "sd15") is None


def test_a_map_may_add_a_constant() -> None:
    factors = ((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.1, 0.2, 0.3))
    x0 = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1)

    got = preview.project(x0, "own", factors)

    assert got is not None
    torch.testing.assert_close(got.flatten(), torch.tensor([(0.6 + 1) / 2, (-0.3 + 1) / 2, (0.3 + 1) / 2]))


def test_a_preview_is_a_jpeg_of_a_size_to_look_at() -> None:
    for pixels, size in ((rand(8, 6, 3), (48, 64)), (rand(128, 96, 3), (384, 512)), (rand(512, 256, 3), (256, 512))):
        found = preview.encoded(pixels)
        image = Image.open(io.BytesIO(found.data))
        assert (found.mime, image.format, image.size) == ("image/jpeg", "JPEG", size)


def test_fitting_finds_the_map_of_a_linear_space() -> None:
    """A VAE whose latents are colours mixed, scaled and shifted: the fit must undo exactly that."""
    mix = torch.tensor([[1.0, 0.2, 0.0, 0.3], [0.0, -0.7, 0.4, 0.1], [0.5, 0.0, 0.9, -0.2]])
    space = LatentFormat(channels=4, scale=0.5, shift=0.1, downscale=8)

    def encode(pictures: Tensor) -> Tensor:
        colours = torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1), 8).movedim(1, -1)
        return (colours @ mix + 0.3).movedim(-1, 1)

    factors = preview.fit(encode, space)

    pictures = rand(1, 64, 48, 3)
    got = preview.project(space.process_in(encode(pictures)), "own", factors)
    expected = torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1), 8)[0].movedim(0, -1)
    assert got is not None
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-3)  # factors are kept to four digits


def test_a_folder_may_bring_its_own_map(tmp_path: Path, folder: Written) -> None:
    path = tmp_path / "own"
    shutil.copytree(folder("sd15"), path)
    factors = [[0.1, 0.2, 0.3]] * 5
    (path / "preview.json").write_text(json.dumps({"factors": factors}))

    options = dict(checkpoint.open_checkpoint(path).model.source.options)

    assert options["preview"] == tuple(map(tuple, factors))
    (path / "preview.json").write_text('{"factors": 5}')
    with pytest.raises(WeightsError, match=r"preview\.json must hold"):
        checkpoint.open_checkpoint(path)


def test_a_latent_space_of_ones_own_is_fitted_when_asked_for(tmp_path: Path, folder: Written) -> None:
    path = tmp_path / "own"
    shutil.copytree(folder("sd15"), path)
    config = json.loads((path / "vae" / "config.json").read_text())
    (path / "vae" / "config.json").write_text(json.dumps({**config, "scaling_factor": 1.0}))
    weights, x0 = Weights("cpu", "fp32"), torch.ones(1, 4, 6, 5)

    with weights.network(checkpoint.open_checkpoint(path).model) as network:
        before = weights.loaded_bytes
        got = preview.picture(x0, network)
        assert weights.loaded_bytes > before
        again = preview.picture(x0, network)
    with weights.network(checkpoint.open_checkpoint(folder("sd15")).model) as usual:
        other = preview.picture(x0, usual)

    assert got is not None
    assert again is not None
    assert other is not None
    assert torch.equal(got, again)
    assert not torch.equal(got, other)


def test_a_small_decoder_is_used_when_it_is_there(tmp_path: Path, single_file: Written) -> None:
    module = tiny.randomized(AutoencoderTiny(), 7)
    # The original counts its first layer, a clamp; diffusers does not.
    state = {}
    for name, tensor in module.decoder.state_dict().items():  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        _, number, rest = name.split(".", 2)
        state[f"{int(number) + 1}.{rest}"] = tensor
    save_file(state, tmp_path / "taesd_decoder.safetensors")
    model = checkpoint.open_unet(single_file("sd15"))
    x0 = torch.randn((2, 4, 6, 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module.decode(x0[:1]).sample[0]  # pyright: ignore[reportCallIssue]

    with Weights("cpu", "fp32", vae_approx=[tmp_path / "nothing", tmp_path]).network(model) as network:
        got = preview.picture(x0, network)
    with Weights("cpu", "fp32", vae_approx=[tmp_path / "nothing"]).network(model) as network:
        projected = preview.picture(x0, network)

    assert got is not None
    assert projected is not None
    torch.testing.assert_close(got, ((expected + 1) / 2).clamp(0, 1).movedim(0, -1))
    assert (got.shape, projected.shape) == ((48, 40, 3), (6, 5, 3))
