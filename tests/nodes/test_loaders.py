"""Loader nodes give handles, name what is wrong, and change their fingerprint with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import load_file, save_file

from nodes import conditioning, loaders, vae
from nodes.define import Blocked, NodeError
from nodes.diffusion.vae import PIXEL_SPACE
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Image, Latent
from tests.diffusion import tiny
from tests.nodes.conftest import Running


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with a tiny model in every place."""
    root = tmp_path_factory.mktemp("base")
    models = root / "models"
    tiny.write_single(models / "checkpoints" / "xl" / "tiny.safetensors", "sdxl")
    tiny.write_folder(models / "diffusers" / "tiny", "sdxl")
    state = load_file(models / "checkpoints" / "xl" / "tiny.safetensors")
    places = {
        "unet/unet": "model.diffusion_model.",
        "clip/l": "conditioner.embedders.0.transformer.",
        "text_encoders/g": "conditioner.embedders.1.model.",
        "vae/vae": "first_stage_model.",
    }
    for place, prefix in places.items():
        path = models / f"{place}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}, path)
    (models / "controlnet").mkdir()
    net = tiny.ldm_controlnet(tiny.controlnet_module("sdxl"))
    save_file({f"control_model.{n}": t for n, t in net.items()}, models / "controlnet" / "net.safetensors")
    return root


@pytest.fixture
def folders(base: Path) -> Folders:
    return Folders.at(base)


WEIGHTS = Weights("cpu", "fp32")


def encoded(folders: Folders, clip: Any) -> torch.Tensor:
    (part,) = conditioning.encode_text(weights=WEIGHTS, folders=folders, text="a cat", clip=clip)
    assert part.tokens is not None
    return part.tokens


def test_a_checkpoint_and_its_parts_are_the_same_model(folders: Folders) -> None:
    whole = loaders.load_checkpoint(folders=folders, ckpt_name="xl/tiny.safetensors")
    folder = loaders.load_diffusers(folders=folders, model_path="tiny")
    pair = loaders.load_two_clips(folders=folders, clip_name1="g.safetensors", clip_name2="l.safetensors")
    unet = loaders.load_unet(folders=folders, unet_name="unet.safetensors")
    lone_vae = loaders.load_vae(folders=folders, vae_name="vae.safetensors")

    assert {m.source.family for m in (whole.model, folder.model, unet)} == {"sdxl"}
    assert torch.equal(encoded(folders, whole.clip), encoded(folders, pair))
    assert torch.equal(encoded(folders, whole.clip), encoded(folders, folder.clip))
    samples = Latent(torch.randn((1, 4, 4, 4), generator=torch.Generator().manual_seed(0)))
    pictures = [
        vae.decode(weights=WEIGHTS, samples=samples, vae=each).pixels for each in (whole.vae, folder.vae, lone_vae)
    ]
    assert all(torch.equal(pictures[0], picture) for picture in pictures)


def test_handles_are_equal_when_their_files_are(folders: Folders) -> None:
    one = loaders.load_checkpoint(folders=folders, ckpt_name="xl/tiny.safetensors")
    again = loaders.load_checkpoint(folders=folders, ckpt_name="xl/tiny.safetensors")

    assert one == again
    assert hash(one.model) == hash(again.model)


def test_a_lone_large_encoder_is_the_refiners(folders: Folders) -> None:
    clip = loaders.load_clip(folders=folders, clip_name="l.safetensors")

    assert clip.sources[0].family == "sd15"
    assert encoded(folders, clip).shape == (1, 77, 64)


def test_a_controlnet_loads(folders: Folders) -> None:
    net = loaders.load_controlnet(folders=folders, control_net_name="net.safetensors")

    assert (net.source.part, net.source.family) == ("controlnet", "sdxl")


def test_pixel_space_is_no_file(folders: Folders) -> None:
    assert loaders.load_vae(folders=folders, vae_name="pixel_space") == PIXEL_SPACE


def test_eight_bit_dtypes_make_another_handle(folders: Folders) -> None:
    plain = loaders.load_unet(folders=folders, unet_name="unet.safetensors")
    small = loaders.load_unet(folders=folders, unet_name="unet.safetensors", weight_dtype="fp8_e4m3fn_fast")

    assert plain != small
    assert dict(small.source.options)["stored"] == "fp8_e4m3fn"


def test_a_missing_part_stops_only_who_needs_it(tmp_path: Path) -> None:
    folders = Folders.at(tmp_path)
    path = tmp_path / "models" / "checkpoints" / "unet.safetensors"
    whole = load_file(tiny.write_single(path))
    save_file({n: t for n, t in whole.items() if n.startswith("model.")}, path)

    found = loaders.load_checkpoint(folders=folders, ckpt_name="unet.safetensors")

    assert found.model.source.family == "sd15"
    assert found.clip == Blocked("unet.safetensors holds no text encoder; use a CLIP loader.")
    assert found.vae == Blocked("unet.safetensors holds no VAE; use a VAE loader.")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            lambda f: loaders.load_checkpoint(folders=f, ckpt_name="nothing.safetensors"),
            "'nothing.safetensors' is not in",
        ),
        (lambda f: loaders.load_checkpoint(folders=f, ckpt_name="../x"), "is no name of a file inside its folder"),
        (lambda f: loaders.load_clip(folders=f, clip_name="l.safetensors", type="wan"), "type wan are not supported"),
        (
            lambda f: loaders.load_two_clips(
                folders=f, clip_name1="l.safetensors", clip_name2="g.safetensors", type="flux"
            ),
            "type flux are not supported",
        ),
    ],
)
def test_bad_requests_get_a_sentence(folders: Folders, call: Any, reason: str) -> None:
    with pytest.raises(NodeError, match=reason):
        call(folders)


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"PK\x03\x04" + bytes(50), b"\x10\0\0\0\0\0\0\0{}"])
def test_files_that_are_no_models_get_a_sentence(tmp_path: Path, content: bytes) -> None:
    folders = Folders.at(tmp_path)
    path = tmp_path / "models" / "checkpoints" / "bad.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    with pytest.raises(NodeError, match=r"bad\.safetensors (is|ends)"):
        loaders.load_checkpoint(folders=folders, ckpt_name="bad.safetensors")


@pytest.mark.parametrize(("name", "scale"), [("taesd", 0.18215), ("taesdxl", 0.13025)])
def test_small_vaes_are_two_files(tmp_path: Path, name: str, scale: float) -> None:
    module = tiny.randomized(AutoencoderTiny(), 7)
    folder = tmp_path / "models" / "vae_approx"
    folder.mkdir(parents=True)
    # In TAESD's own files layers are numbered, and a clamp is the decoder's first.
    for side, first in (("encoder", 0), ("decoder", 1)):
        state = module.get_submodule(side).state_dict()
        numbered = [(n.removeprefix("layers.").partition("."), t) for n, t in state.items()]
        save_file(
            {f"{int(i) + first}.{rest}": t for (i, _, rest), t in numbered}, folder / f"{name}_{side}.safetensors"
        )
    small = loaders.load_vae(folders=Folders.at(tmp_path), vae_name=name)
    picture = torch.rand((1, 32, 48, 3), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latent = module.encode(picture.movedim(-1, 1) * 2 - 1).latents / scale  # pyright: ignore
        decoded = (module.decode(latent * scale).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)  # pyright: ignore

    got = vae.encode(weights=WEIGHTS, pixels=Image(picture), vae=small)
    back = vae.decode(weights=WEIGHTS, samples=Latent(latent), vae=small)
    tiled = vae.decode_tiled(ctx=Running(), weights=WEIGHTS, samples=Latent(latent), vae=small, tile_size=512)

    torch.testing.assert_close(got.samples, latent, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(back.pixels, decoded, rtol=0, atol=1e-4)
    assert tiled.pixels.shape == picture.shape


def test_a_small_vae_without_its_files_says_which(folders: Folders) -> None:
    with pytest.raises(
        NodeError, match=r"taesdxl needs taesdxl_encoder\.safetensors and taesdxl_decoder\.safetensors in"
    ):
        loaders.load_vae(folders=folders, vae_name="taesdxl")


def test_a_difference_controlnet_remembers_its_model(folders: Folders, tmp_path: Path) -> None:
    model = loaders.load_checkpoint(folders=folders, ckpt_name="xl/tiny.safetensors").model
    save_file({"difference": torch.zeros(0), "control_model.a": torch.zeros(1)}, tmp_path / "diff.safetensors")
    more = Folders(folders.base, {"controlnet": [tmp_path]})

    net = loaders.load_difference_controlnet(folders=more, model=model, control_net_name="diff.safetensors")
    plain = loaders.load_difference_controlnet(folders=more, model=model, control_net_name="net.safetensors")

    assert dict(net.source.options)["base"] == model.source
    assert plain == loaders.load_controlnet(folders=more, control_net_name="net.safetensors")
