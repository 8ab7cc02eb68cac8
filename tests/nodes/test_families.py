"""Every family by both roads, and by its parts: a single file and a diffusers folder draw the same, bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes import conditioning, loaders, lora, sampling
from nodes.define import NodeError
from nodes.diffusion import checkpoint, options
from nodes.diffusion.network import Inputs, Parametrization
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Latent
from tests.diffusion import tiny
from tests.nodes.conftest import Running

WEIGHTS = Weights("cpu", "fp32")
NOTHING = torch.zeros(0)
V, V_ZERO = Parametrization("v"), Parametrization("v", zero_snr=True)
OWN = {"sd_x4": Parametrization("v", beta_start=0.0001, beta_end=0.02)}
VARIANTS: Mapping[str, tuple[str, Mapping[str, Tensor], Mapping[str, str], Mapping[str, Any], Parametrization]] = {
    **{family: (family, {}, {}, {}, OWN.get(family, Parametrization())) for family in tiny.FAMILIES},
    # How single files say it, and how folders do.
    "sd2 v": ("sd2", {}, {"modelspec.prediction_type": "v"}, {"prediction_type": "v_prediction"}, V),
    "sdxl v": ("sdxl", {"v_pred": NOTHING}, {}, {"prediction_type": "v_prediction"}, V),
    "sdxl v, zero terminal SNR": (
        "sdxl",
        {"v_pred": NOTHING, "ztsnr": NOTHING},
        {},
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
        V_ZERO,
    ),
    # Turbo and lightning checkpoints are SDXL's own layout; their folders differ in the scheduler only.
    "sdxl turbo": ("sdxl", {}, {}, {"timestep_spacing": "trailing"}, Parametrization()),
}


Base = Callable[[str], Folders]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Gives a base folder with a variant as a file and as a folder."""
    root = tmp_path_factory.mktemp("families")

    def written(family: str) -> Path:
        path = root / family
        if not path.exists():
            tiny.write_single(path / "models" / "checkpoints" / "a.safetensors", family)
            tiny.write_folder(path / "models" / "diffusers" / "a", family)
        return path

    def base(variant: str) -> Folders:
        family, marks, metadata, scheduler, _ = VARIANTS[variant]
        if variant == family:
            return Folders.at(written(family))
        path = root / variant
        shutil.copytree(written(family), path)
        file = path / "models" / "checkpoints" / "a.safetensors"
        save_file(load_file(file) | dict(marks), file, dict(metadata))
        config = path / "models" / "diffusers" / "a" / "scheduler" / "scheduler_config.json"
        tiny.write_json(config, {"prediction_type": "epsilon", **scheduler})
        return Folders.at(path)

    return base


def draw(ctx: Running, folders: Folders, parts: loaders.Parts) -> Tensor:
    positive, negative = (
        conditioning.encode_text(weights=WEIGHTS, folders=folders, text=text, clip=parts.clip) for text in ("a cat", "")
    )
    return sampling.ksampler(
        ctx=ctx,
        weights=WEIGHTS,
        model=parts.model,
        seed=1,
        steps=2,
        cfg=2.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=negative,
        latent_image=Latent(torch.zeros(1, 4, 6, 4)),
        denoise=1.0,
    ).samples


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_roads_draw_the_same(base: Base, ctx: Running, variant: str) -> None:
    folders = base(variant)

    one = loaders.load_checkpoint(folders=folders, ckpt_name="a.safetensors")
    other = loaders.load_diffusers(folders=folders, model_path="a")

    assert options.parametrization(one.model) == options.parametrization(other.model) == VARIANTS[variant][-1]
    drawn = draw(ctx, folders, one)
    assert drawn.isfinite().all()
    assert torch.equal(drawn, draw(ctx, folders, other))


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
@pytest.mark.parametrize("road", ["file", "folder"])
def test_parts_loaded_apart_draw_the_same(base: Base, tmp_path: Path, ctx: Running, family: str, road: str) -> None:
    made = base(family).base / "models"
    whole = loaders.load_checkpoint(folders=base(family), ckpt_name="a.safetensors")
    models, texts = tmp_path / "models", list(tiny.FAMILIES[family].texts)
    state, folder = load_file(made / "checkpoints" / "a.safetensors"), made / "diffusers" / "a"
    folders = Folders.at(tmp_path)
    parts = {"unet": "model.diffusion_model.", "vae": "first_stage_model.", **tiny.FAMILIES[family].prefixes}
    places = {"unet": "unet", "vae": "vae", "text_encoder": "clip", "text_encoder_2": "clip"}
    for part, prefix in parts.items():
        (file,) = [p for p in (folder / part).iterdir() if p.suffix == ".safetensors"]
        mine = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        (models / places[part]).mkdir(parents=True, exist_ok=True)
        save_file(load_file(file) if road == "folder" else mine, models / places[part] / f"{part}.safetensors")

    unet = loaders.load_unet(folders=folders, unet_name="unet.safetensors")
    vae = loaders.load_vae(folders=folders, vae_name="vae.safetensors")
    names = [f"{part}.safetensors" for part in texts]
    clip = (
        loaders.load_clip(folders=folders, clip_name=names[0])
        if len(names) == 1
        else loaders.load_two_clips(folders=folders, clip_name1=names[0], clip_name2=names[1])
    )
    # A tiny text encoder does not say by its width which family it is of, nor which activation it has.
    said = Clip(tuple(checkpoint._as(s, s.part, family) for s in clip.sources))

    mine = draw(ctx, folders, loaders.Parts(unet, whole.clip if road == "folder" else said, vae))
    assert unet.source.family == family
    assert torch.equal(mine, draw(ctx, folders, whole))
    with WEIGHTS.vae(vae) as a, WEIGHTS.vae(whole.vae) as b:
        latent = torch.ones(1, 4, 4, 4)
        assert torch.equal(a.decode(latent), b.decode(latent))


@pytest.mark.parametrize(("width", "family"), [(768, "sd15"), (1024, "sd2"), (1280, "sdxl_refiner")])
def test_a_text_encoder_says_by_its_width_whose_it_is(tmp_path: Path, width: int, family: str) -> None:
    shapes = {
        "embeddings.token_embedding.weight": (10, width),
        "embeddings.position_embedding.weight": (77, width),
        "encoder.layers.0.mlp.fc1.weight": (4, width),
        "text_projection.weight": (width, width),
    }
    (tmp_path / "models" / "clip").mkdir(parents=True)
    save_file(
        {f"text_model.{n}" if "projection" not in n else n: torch.zeros(s) for n, s in shapes.items()},
        tmp_path / "models" / "clip" / "text.safetensors",
    )

    (source,) = loaders.load_clip(folders=Folders.at(tmp_path), clip_name="text.safetensors").sources

    assert source.family == family


@pytest.mark.parametrize("channels", [8, 9])
def test_sdxl_that_is_shown_a_picture(tmp_path: Path, channels: int) -> None:
    module: Any = tiny.randomized(UNet2DConditionModel(**{**tiny.FAMILIES["sdxl"].unet, "in_channels": channels}), 1)
    save_file(tiny.ldm_unet(module), tmp_path / "unet.safetensors")
    module.save_pretrained(tmp_path / "unet")
    x, context = torch.ones(1, channels, 4, 4), torch.ones(1, 77, 192)
    inputs = Inputs(context, pooled=torch.ones(1, 96), time_ids=torch.full((1, 6), 32.0))

    found: list[Tensor] = []
    for path in (tmp_path / "unet.safetensors", tmp_path):
        model = checkpoint.open_unet(path)
        with WEIGHTS.network(model) as network:
            assert (network.family, network.in_channels) == ("sdxl", channels)
            found.append(network(x, torch.tensor([5.0]), inputs))

    assert torch.equal(*found)


def test_unets_that_are_told_how_strongly_to_guide(tmp_path: Path) -> None:
    module: Any = tiny.randomized(UNet2DConditionModel(**{**tiny.FAMILIES["sd15"].unet, "time_cond_proj_dim": 16}), 1)
    state = {n: t for n, t in module.state_dict().items() if "cond_proj" not in n}
    plain: Any = tiny.unet_module("sd15")
    plain.load_state_dict(state)
    ldm = {**tiny.ldm_unet(plain), "time_embed.cond_proj.weight": module.time_embedding.cond_proj.weight}
    save_file(ldm, tmp_path / "lcm.safetensors")

    with WEIGHTS.network(checkpoint.open_unet(tmp_path / "lcm.safetensors")) as network:
        loaded = network.module.state_dict()

    assert all(torch.equal(loaded[n], t) for n, t in module.state_dict().items())


def test_continuous_levels_are_read_off_the_file(tmp_path: Path, ctx: Running) -> None:
    ends = {"edm_vpred.sigma_max": torch.tensor(100.0), "edm_vpred.sigma_min": torch.tensor(0.004)}
    path = tiny.write_single(tmp_path / "models" / "checkpoints" / "cos.safetensors", "sdxl", extra=ends)

    found = loaders.load_checkpoint(folders=Folders.at(tmp_path), ckpt_name=path.name)

    predicts = options.parametrization(found.model)
    assert (predicts.kind, predicts.levels, predicts.sigma_max) == ("v", "edm", 100.0)
    assert predicts.sigma_min == pytest.approx(0.004)
    assert draw(ctx, Folders.at(tmp_path), found).isfinite().all()


# Which family a LoRA or an embedding is made for, by its width.
WIDTHS = {"sd15": 768, "sd2": 1024, "sdxl": 2048, "sdxl_refiner": 1280}
TITLES = {"sd15": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner"}
PAIRS = [(made_for, here) for made_for in WIDTHS for here in WIDTHS if made_for != here]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A model of each family, and a LoRA and an embedding in each family's real size."""
    root = tmp_path_factory.mktemp("every")
    (root / "models" / "loras").mkdir(parents=True)
    (root / "models" / "embeddings").mkdir()
    for family, width in WIDTHS.items():
        tiny.write_single(root / "models" / "checkpoints" / f"{family}.safetensors", family)
        level = 1 if family in ("sdxl", "sdxl_refiner") else 0
        stem = f"lora_unet_down_blocks_{level}_attentions_0_transformer_blocks_0_attn2_to_k"
        save_file(
            {f"{stem}.lora_up.weight": torch.zeros(640, 4), f"{stem}.lora_down.weight": torch.zeros(4, width)},
            root / "models" / "loras" / f"{family}.safetensors",
        )
        vectors = {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)} if family == "sdxl" else {
            "emb_params": torch.zeros(1, width)
        }  # fmt: skip
        save_file(vectors, root / "models" / "embeddings" / f"{family}.safetensors")
    return Folders.at(root)


@pytest.mark.parametrize(("made_for", "here"), PAIRS)
def test_every_familys_lora_says_so_to_the_others(every: Folders, made_for: str, here: str) -> None:
    model = loaders.load_checkpoint(folders=every, ckpt_name=f"{here}.safetensors").model

    with pytest.raises(NodeError) as caught:
        lora.load_lora_model_only(folders=every, model=model, lora_name=f"{made_for}.safetensors")

    path = every.path("loras", f"{made_for}.safetensors")
    assert str(caught.value) == f"{path} is made for {TITLES[made_for]}; the model here is {TITLES[here]}."


@pytest.mark.parametrize(("made_for", "here"), PAIRS)
def test_every_familys_embedding_says_so_to_the_others(every: Folders, made_for: str, here: str) -> None:
    clip = loaders.load_checkpoint(folders=every, ckpt_name=f"{here}.safetensors").clip

    with pytest.raises(NodeError) as caught:
        conditioning.encode_text(weights=WEIGHTS, folders=every, text=f"a embedding:{made_for}", clip=clip)

    assert f"{made_for}.safetensors is an embedding for another model family: it has vectors of" in str(caught.value)
    assert TITLES[here] in str(caught.value)
