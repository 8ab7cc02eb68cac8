"""What is saved, loaded again, is the same model: the same weights bit for bit, and the same picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes import conditioning, empty_latents, loaders, lora, merging, model_sampling, sampling, saving, vae
from nodes.define import Cancelled, NodeError, Saved
from nodes.diffusion import checkpoint, options
from nodes.diffusion.vae import PIXEL_SPACE
from nodes.diffusion.weights import Weights
from nodes.folders import STARTER, Folders
from nodes.types import Clip, Model
from tests.diffusion import tiny
from tests.nodes.conftest import Running

WEIGHTS = Weights("cpu", "fp32")
INK = "ink.safetensors"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models: single files in float16, a diffusers folder of each family, and a LoRA."""
    root = tmp_path_factory.mktemp("base")
    for family in tiny.FAMILIES:
        tiny.write_single(root / "models" / "checkpoints" / f"{family}.safetensors", family, dtype=torch.float16)
    for family in ("sd15", "sd2", "unclip", "sdxl"):
        tiny.write_folder(root / "models" / "diffusers" / family, family)
    (root / "models" / "loras").mkdir()
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file(
        {f"{stem}.lora_up.weight": torch.ones(64, 2), f"{stem}.lora_down.weight": torch.ones(2, 64) * 0.1},
        root / "models" / "loras" / INK,
    )
    return root


@pytest.fixture
def folders(root: Path, tmp_path: Path) -> Folders:
    """The models, and a fresh output folder whose checkpoints are found as models."""
    output = tmp_path / "output"
    made = {"checkpoints": "checkpoints", "diffusion_models": "diffusion_models", "text_encoders": "clip", "vae": "vae"}
    return Folders(root, {key: [output / folder] for key, folder in made.items()}, output)


def save(folders: Folders, parts: loaders.Parts, ctx: Running, **more: Any) -> str:
    """The name under which the saved checkpoint is found again."""
    shown = saving.save_checkpoint(model=parts.model, clip=parts.clip, vae=parts.vae, folders=folders, ctx=ctx, **more)
    (saved,) = shown.files["models"]
    assert (saved.subfolder, saved.type) == ("checkpoints", "output")
    return saved.filename


def load(folders: Folders, name: str) -> loaders.Parts:
    return loaders.load_checkpoint(folders=folders, ckpt_name=name)


def weights_of(parts: loaders.Parts) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with WEIGHTS.network(parts.model) as network:
        found |= {f"unet {n}": t.clone() for n, t in network.module.state_dict().items()}
    with WEIGHTS.text(parts.clip) as encoders:
        for i, encoder in enumerate(encoders):
            found |= {f"text {i} {n}": t.clone() for n, t in encoder.named_parameters()}
    with WEIGHTS.vae(parts.vae) as autoencoder:
        assert not isinstance(autoencoder, type(PIXEL_SPACE))
        found |= {f"vae {n}": t.clone() for n, t in autoencoder.module.state_dict().items()}  # pyright: ignore[reportAttributeAccessIssue]
    return found


def all_equal(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[n], others[n]) for n in some)


@pytest.mark.parametrize(
    ("family", "road"), [*((f, "file") for f in tiny.FAMILIES), *((f, "folder") for f in ("sd15", "unclip", "sdxl"))]
)
def test_a_saved_checkpoint_is_the_same_model(folders: Folders, ctx: Running, family: str, road: str) -> None:
    parts = (
        load(folders, f"{family}.safetensors")
        if road == "file"
        else loaders.load_diffusers(folders=folders, model_path=family)
    )

    again = load(folders, save(folders, parts, ctx))

    assert again.model.source.family == parts.model.source.family
    assert options.parametrization(again.model) == options.parametrization(parts.model)
    assert options.latent_format(again.model) == options.latent_format(parts.model)
    assert [s.part for s in again.clip.sources] == [s.part for s in parts.clip.sources]
    assert all_equal(weights_of(again), weights_of(parts))


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_saved_checkpoint_has_the_names_of_its_family(folders: Folders, ctx: Running, family: str) -> None:
    original = load_file(folders.path("checkpoints", f"{family}.safetensors"))

    path = folders.path("checkpoints", save(folders, load(folders, f"{family}.safetensors"), ctx))

    saved = load_file(path)
    assert saved.keys() == {n for n in original if not n.endswith("logit_scale")}
    assert all(torch.equal(saved[n], original[n]) and saved[n].dtype == torch.float16 for n in saved)


def test_patches_are_saved_in_the_stored_precision(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sd15.safetensors")
    inked = lora.load_lora_model_only(folders=folders, model=parts.model, lora_name=INK, strength_model=0.5)
    halved = merging.merge_simple(model1=inked, model2=load(folders, "sd15.safetensors").model, ratio=0.5)
    made = parts._replace(model=halved)

    again = load(folders, save(folders, made, ctx))

    got, expected = weights_of(again), weights_of(made)
    assert all_equal(got, {n: t.half().float() for n, t in expected.items()})
    assert not all_equal(got, weights_of(parts))
    assert again.model.patches == ()


def test_v_prediction_is_said(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sdxl.safetensors")
    changed = model_sampling.model_sampling_discrete(model=parts.model, sampling="v_prediction", zsnr=True)

    name = save(folders, parts._replace(model=changed), ctx)

    predicts = options.parametrization(load(folders, name).model)
    assert (predicts.kind, predicts.zero_snr) == ("v", True)
    with safe_open(folders.path("checkpoints", name), "pt") as file:
        assert {"v_pred", "ztsnr"} <= set(file.keys())
        assert file.metadata()["modelspec.prediction_type"] == "v"
        assert file.metadata()["modelspec.architecture"] == "stable-diffusion-xl-v1-base"


def test_the_workflow_is_inside_unless_it_is_not_wanted(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sd15.safetensors")
    prompt, extra = {"1": {"class_type": "CheckpointSave"}}, {"workflow": {"nodes": []}}

    said: list[dict[str, str]] = []
    for wanted in (True, False):
        name = save(folders, parts, ctx, prompt=prompt, extra_pnginfo=extra, metadata=wanted)
        with safe_open(folders.path("checkpoints", name), "pt") as file:
            said.append(file.metadata())

    assert json.loads(said[0]["prompt"]) == prompt
    assert json.loads(said[0]["workflow"]) == extra["workflow"]
    assert not {"prompt", "workflow"} & said[1].keys()


def test_a_model_alone(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sdxl.safetensors")

    shown = saving.save_model(model=parts.model, folders=folders, ctx=ctx)

    (saved,) = shown.files["models"]
    model = loaders.load_unet(folders=folders, unet_name=saved.filename)
    assert all_equal(network_of(model), network_of(parts.model))
    assert ctx.steps[-1][0] == ctx.steps[-1][1]


def network_of(model: Model) -> dict[str, Tensor]:
    with WEIGHTS.network(model) as network:
        return {n: t.clone() for n, t in network.module.state_dict().items()}


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
def test_text_encoders_alone(folders: Folders, ctx: Running, family: str) -> None:
    clip = loaders.load_diffusers(folders=folders, model_path=family).clip

    shown = saving.save_clip(clip=clip, folders=folders, ctx=ctx)

    names = [saved.filename for saved in shown.files["models"]]
    ends = {"sd15": ["clip_l"], "sd2": ["clip_h"], "sdxl": ["clip_l", "clip_g"]}[family]
    assert names == [f"ComfyUI_{end}_00001_.safetensors" for end in ends]
    again = (
        loaders.load_clip(folders=folders, clip_name=names[0])
        if len(names) == 1
        else loaders.load_two_clips(folders=folders, clip_name1=names[1], clip_name2=names[0])
    )
    mine = Clip(tuple(checkpoint._as(s, s.part, family) for s in again.sources))  # tiny ones do not say their family
    assert torch.equal(said(folders, mine), said(folders, clip))


def said(folders: Folders, clip: Clip) -> Tensor:
    (part,) = conditioning.encode_text(weights=WEIGHTS, folders=folders, text="a (red:1.3) boat", clip=clip)
    assert part.tokens is not None
    return part.tokens


def test_a_vae_alone(folders: Folders, ctx: Running) -> None:
    parts = loaders.load_diffusers(folders=folders, model_path="sdxl")

    shown = saving.save_vae(vae=parts.vae, folders=folders, ctx=ctx)

    (saved,) = shown.files["models"]
    again = loaders.load_vae(folders=folders, vae_name=saved.filename)
    assert saved.filename == "ComfyUI_vae_00001_.safetensors"
    assert all_equal(weights_of(parts._replace(vae=again)), weights_of(parts))


def test_what_is_no_vae_is_told(folders: Folders, ctx: Running) -> None:
    with pytest.raises(NodeError, match="pixel_space is no VAE that can be saved"):
        saving.save_vae(vae=PIXEL_SPACE, folders=folders, ctx=ctx)


def test_a_text_encoder_of_another_family_is_told(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sd15.safetensors")._replace(clip=load(folders, "sdxl.safetensors").clip)

    with pytest.raises(NodeError, match="that the model's family has no place for"):
        save(folders, parts, ctx)
    assert not list((folders.root("output")).rglob("*.*"))


@pytest.mark.parametrize("prefix", ["../out", "/etc/x", "a/../../b", "checkpoints/con"])
def test_nothing_is_written_outside(folders: Folders, ctx: Running, prefix: str) -> None:
    with pytest.raises(NodeError, match="is no"):
        save(folders, load(folders, "sd15.safetensors"), ctx, filename_prefix=prefix)
    assert not folders.root("output").exists()


def test_a_stopped_save_leaves_nothing(folders: Folders, ctx: Running) -> None:
    ctx.stopped = True

    with pytest.raises(Cancelled):
        save(folders, load(folders, "sd15.safetensors"), ctx)

    assert [p for p in folders.root("output").rglob("*") if p.is_file()] == []


def test_a_job_that_runs_again_finds_its_file(folders: Folders, ctx: Running) -> None:
    parts = load(folders, "sd15.safetensors")

    first, second = save(folders, parts, ctx), save(folders, parts, ctx)

    assert first == second == "ComfyUI_00001_.safetensors"
    assert folders.exists(Saved(first, "checkpoints"))


def test_the_bundled_model_in_one_file_draws_the_same_picture(folders: Folders, ctx: Running) -> None:
    folder = load(folders, STARTER)

    single = load(folders, save(folders, folder, ctx))

    assert torch.equal(drawn(folders, ctx, folder), drawn(folders, ctx, single))
    assert options.latent_format(single.model) == options.latent_format(folder.model)


def drawn(folders: Folders, ctx: Running, parts: loaders.Parts) -> Tensor:
    positive, negative = (
        conditioning.encode_text(weights=WEIGHTS, folders=folders, text=text, clip=parts.clip)
        for text in ("a (red:1.2) house at night", "")
    )
    latent = sampling.ksampler(
        ctx=ctx,
        weights=WEIGHTS,
        model=parts.model,
        seed=3,
        steps=3,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=negative,
        latent_image=empty_latents.empty_latent_image(width=64, height=64),
        denoise=1.0,
    )
    return vae.decode(weights=WEIGHTS, samples=latent, vae=parts.vae).pixels


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("sfumato.config.unet", "[]", "must hold a JSON object"),
        ("sfumato.config.unet", "{", "no readable JSON"),
        ("sfumato.facts", "3", "must hold a JSON object"),
        ("sfumato.facts", '{"preview": 1}', "factors"),
    ],
)
def test_metadata_that_makes_no_sense_is_told(
    folders: Folders, tmp_path: Path, key: str, value: str, says: str
) -> None:
    state = load_file(folders.path("checkpoints", "sd15.safetensors"))
    save_file(state, tmp_path / "odd.safetensors", {key: value})

    with pytest.raises(NodeError, match=says):
        checkpoint.open_checkpoint(tmp_path / "odd.safetensors")
