"""Pictures as prompts, on tiny real networks: against transformers' CLIP and diffusers' unCLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from nodes import clip_vision as nodes
from nodes import sampling
from nodes.define import NodeError
from nodes.diffusion import checkpoint, unclip, vision
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import ClipVision, ClipVisionOutput, Cond, Conditioning, Image, Latent, Model
from tests.diffusion import tiny, tiny_adapters


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def folder(folders: Folders, kind: str) -> Path:
    path = folders.base / "models" / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def picture(height: int = 80, width: int = 100) -> Image:
    return Image(torch.rand((2, height, width, 3), generator=torch.Generator().manual_seed(5)))


def seen_by(width: int, *, embedding: int = 32, tokens: int = 17) -> ClipVisionOutput:
    rand = tiny_adapters.rand
    return ClipVisionOutput(rand(1, tokens, width), rand(1, tokens, width, seed=1), rand(1, embedding, seed=2))


@pytest.mark.parametrize("layout", ["transformers", "OpenCLIP"])
@pytest.mark.parametrize("crop", ["center", "none"])
def test_pictures_are_seen_as_transformers_sees_them(
    folders: Folders, weights: Weights, layout: str, crop: str
) -> None:
    module = tiny_adapters.vision_module()
    state = module.state_dict() if layout == "transformers" else tiny_adapters.open_clip_vision(module)
    tiny_adapters.write(folder(folders, "clip_vision") / "eye.safetensors", state)
    image = picture()

    loaded = nodes.load_clip_vision(folders=folders, clip_name="eye.safetensors")
    got = nodes.encode_picture(weights=weights, clip_vision=loaded, image=image, crop=crop)

    with torch.no_grad():
        ready = vision.prepared(image.pixels, 56, cast("Any", crop))
        expected: Any = module(pixel_values=ready, output_hidden_states=True)
    # Adding up in another order, in a network of random weights.
    for mine, theirs in (
        (got.last_hidden_state, expected.last_hidden_state),
        (got.penultimate_hidden_states, expected.hidden_states[-2]),
        (got.image_embeds, expected.image_embeds),
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_pictures_are_prepared_as_clips_own_processor_prepares_them() -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pixels = (picture().pixels * 255).round() / 255
    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    theirs = processor(list((pixels * 255).round().byte().movedim(-1, 1)), return_tensors="pt")["pixel_values"]

    mine = vision.prepared(pixels, 56, "center")

    # PIL rounds and clips between its two passes, which in a picture of noise is some steps of 256 here and there.
    steps = (mine - theirs).abs() * torch.tensor(vision.DEVIATION)[:, None, None] * 255
    assert steps.mean() < 0.6
    assert steps.max() < 10


def test_cropping_keeps_the_middle_and_squeezing_keeps_all() -> None:
    pixels = torch.zeros(1, 56, 112, 3)
    pixels[:, :, :20] = 1.0

    cut, whole = (vision.prepared(pixels, 56, crop) for crop in ("center", "none"))

    assert cut.shape == whole.shape == (1, 3, 56, 56)
    assert cut.amax() == cut.amin(1).amax() or cut[0, 0].unique().numel() == 1
    assert whole[0, 0, :, :8].mean() > whole[0, 0, :, 14:].mean()


def test_siglip_is_seen_too(folders: Folders, weights: Weights) -> None:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=1, image_size=28, patch_size=14
    )
    module = cast("SiglipVisionModel", tiny.randomized(SiglipVisionModel(config), 3))
    state = {f"vision_model.{n}": t for n, t in module.state_dict().items()}
    tiny_adapters.write(folder(folders, "clip_vision") / "siglip.safetensors", state)
    image = picture()

    loaded = nodes.load_clip_vision(folders=folders, clip_name="siglip.safetensors")
    got = nodes.encode_picture(weights=weights, clip_vision=loaded, image=image)

    with torch.no_grad():
        expected: Any = module(pixel_values=vision.prepared(image.pixels, 28, "center", siglip=True))
    torch.testing.assert_close(got.last_hidden_state, expected.last_hidden_state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "act", "heads"),
    [((1024, 14, 257), "quick_gelu", 16), ((1280, 14, 257), "gelu", 16), ((1664, 14, 257), "gelu", 16)],
    ids=["ViT-L", "ViT-H", "ViT-bigG"],
)
def test_the_well_known_encoders_are_recognised(state: tuple[int, int, int], act: str, heads: int) -> None:
    width, patch, places = state
    shapes = {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (places, width),
        "vision_model.encoder.layers.23.mlp.fc1.weight": (width * 4, width),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (width * 4, width),
        "visual_projection.weight": (768, width),
    }

    found = vision.config_of(shapes)

    assert (found["hidden_act"], found["num_attention_heads"], found["image_size"]) == (act, heads, 224)
    assert (found["num_hidden_layers"], found["projection_dim"]) == (24, 768)


def test_a_file_that_is_no_image_encoder_is_told(folders: Folders) -> None:
    tiny_adapters.write(folder(folders, "clip_vision") / "no.safetensors", {"something.weight": torch.zeros(3)})
    with pytest.raises(NodeError, match=r"no\.safetensors is no CLIP image encoder; its first tensors are something"):
        nodes.load_clip_vision(folders=folders, clip_name="no.safetensors")


# unCLIP.

_EMBEDDING = 64


@pytest.fixture(scope="module")
def unclip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unCLIP checkpoint with everything in it."""
    extra = {f"embedder.model.{n}": t for n, t in encoder_state().items()}
    extra |= {"noise_augmentor.data_mean": tiny_adapters.rand(1, _EMBEDDING)}
    extra |= {"noise_augmentor.data_std": tiny_adapters.rand(1, _EMBEDDING, seed=3).abs() + 0.5}
    path = tmp_path_factory.mktemp("unclip") / "unclip.safetensors"
    return tiny.write_single(path, "unclip", extra=extra)


def encoder_state() -> dict[str, torch.Tensor]:
    return tiny_adapters.open_clip_vision(tiny_adapters.vision_module(projection=_EMBEDDING))


def noised_by_diffusers(embeds: torch.Tensor, level: int, seed: int, file: Path) -> torch.Tensor:
    """Embeddings with noise as diffusers' own unCLIP pipeline adds it."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_unclip_img2img import StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from safetensors.torch import load_file

    held = load_file(file)
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=embeds.shape[-1])
    normalizer.mean = nn.Parameter(held["noise_augmentor.data_mean"])
    normalizer.std = nn.Parameter(held["noise_augmentor.data_std"])
    pipe = StableUnCLIPImg2ImgPipeline.__new__(StableUnCLIPImg2ImgPipeline)
    object.__setattr__(pipe, "image_normalizer", normalizer)
    object.__setattr__(pipe, "image_noising_scheduler", DDPMScheduler(beta_schedule="squaredcos_cap_v2"))
    noise = torch.randn(embeds.shape, generator=torch.Generator().manual_seed(seed))
    return pipe.noise_image_embeddings(embeds, level, noise=noise).detach()


@pytest.mark.parametrize("augmentation", [0.0, 0.25, 1.0])
def test_embeddings_are_noised_as_diffusers_noises_them(unclip_file: Path, augmentation: float) -> None:
    model = checkpoint.open_checkpoint(unclip_file).model
    embeds = tiny_adapters.rand(1, _EMBEDDING, seed=7)
    network = cast("Any", type("Network", (), {"label_width": 2 * _EMBEDDING, "pooled_width": 0, "title": "unCLIP"}))
    cond = Cond(None, extras={unclip.KEY: ((embeds, 0.5, augmentation),)})

    got = unclip.with_embeddings({"positive": Conditioning((cond,))}, network, model.source, 110)["positive"].parts[0]

    expected = noised_by_diffusers(embeds, round(999 * augmentation), 100, unclip_file)
    assert got.pooled is not None
    torch.testing.assert_close(got.pooled, 0.5 * expected, rtol=1e-4, atol=1e-5)
    assert unclip.KEY not in got.extras


def test_an_unclip_checkpoint_draws_what_it_is_shown(
    unclip_file: Path, folders: Folders, weights: Weights, ctx: Any
) -> None:
    (folder(folders, "checkpoints") / "unclip.safetensors").symlink_to(unclip_file)
    folders = Folders(folders.base, {"checkpoints": (unclip_file.parent,)})
    parts = nodes.load_unclip_checkpoint(folders=folders, ckpt_name="unclip.safetensors")
    seen = nodes.encode_picture(weights=weights, clip_vision=parts.clip_vision, image=Image(picture().pixels[:1]))
    text = Conditioning((Cond(tiny_adapters.rand(1, 77, 128)),))
    shown = nodes.unclip_conditioning(conditioning=text, clip_vision_output=seen, strength=0.7, noise_augmentation=0.3)
    twice = nodes.unclip_conditioning(conditioning=shown, clip_vision_output=seen, strength=0.3)
    given = {"ctx": ctx, "weights": weights, "model": parts.model, "steps": 1, "cfg": 1.0, "seed": 12}
    empty = Latent(torch.zeros(1, 4, 8, 8))

    drawn = [
        sampling.ksampler(**given, positive=p, negative=text, latent_image=empty).samples
        for p in (text, shown, twice, shown)
    ]

    assert all(torch.isfinite(each).all() for each in drawn)
    assert torch.equal(drawn[1], drawn[3])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


def test_the_label_reaches_the_unet(unclip_file: Path, weights: Weights) -> None:
    from nodes.diffusion.network import Inputs

    model = checkpoint.open_checkpoint(unclip_file).model
    x, t, context = tiny_adapters.rand(1, 4, 8, 8), torch.tensor([300.0]), tiny_adapters.rand(1, 77, 128)
    label = tiny_adapters.rand(1, 2 * _EMBEDDING)
    with weights.network(model) as network, torch.no_grad():
        got = network(x, t, Inputs(context, pooled=label))
        expected = tiny.unet_module("unclip")(x, t, context, class_labels=label).sample

    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_sdxl_takes_a_picture_in_the_place_of_its_pooled_text() -> None:
    network = cast("Any", type("Network", (), {"label_width": 0, "pooled_width": 32, "title": "SDXL"}))
    source = checkpoint.Source(Path("none.safetensors"), "0", "unet", "sdxl")
    text = Cond(tiny_adapters.rand(1, 77, 8), pooled=tiny_adapters.rand(1, 32))
    shown = nodes.unclip_conditioning(
        conditioning=Conditioning((text,)), clip_vision_output=seen_by(64, embedding=32), strength=2.0
    )

    got = unclip.with_embeddings({"positive": shown, "negative": Conditioning((text,))}, network, source, 0)

    pooled = got["positive"].parts[0].pooled
    assert pooled is not None
    assert pooled.shape == (1, 32)
    # At the lowest level nearly nothing of the noise is there: 1 - alpha is 4e-5.
    torch.testing.assert_close(pooled, 2.0 * seen_by(64, embedding=32).image_embeds, rtol=0, atol=0.06)
    assert got["negative"].parts[0] is text


def test_zero_strength_leaves_the_prompt() -> None:
    text = Conditioning((Cond(torch.zeros(1, 77, 8)),))
    assert nodes.unclip_conditioning(conditioning=text, clip_vision_output=seen_by(8), strength=0.0) is text


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("sd15", r"SD 1\.x takes no pictures as prompts; unCLIPConditioning is for unCLIP models and for SDXL"),
        ("sdxl", r"SDXL takes pictures as 96 numbers, this CLIP vision model gives 32\. Use the CLIP vision model"),
    ],
)
def test_pictures_for_the_wrong_family_are_told(
    tmp_path: Path, weights: Weights, ctx: Any, family: str, said: str
) -> None:
    model: Model = checkpoint.open_unet(tiny.write_single(tmp_path / "m.safetensors", family))
    width = tiny.FAMILIES[family].unet["cross_attention_dim"]
    text = Conditioning((Cond(tiny_adapters.rand(1, 77, width), pooled=tiny_adapters.rand(1, 96)),))
    shown = nodes.unclip_conditioning(conditioning=text, clip_vision_output=seen_by(8, embedding=32))
    with pytest.raises(NodeError, match=said):
        sampling.ksampler(
            ctx=ctx, weights=weights, model=model, steps=1, positive=shown, negative=text,
            latent_image=Latent(torch.zeros(1, 4, 8, 8)),
        )  # fmt: skip


# Style models.


def style_state(width: int = 128, context: int = 64, count: int = 3) -> dict[str, torch.Tensor]:
    """The T2I style adapter's tensors, by the names of its release."""
    rand = tiny_adapters.rand
    state = {
        "style_embedding": rand(1, count, width),
        "proj": rand(width, context),
        **{
            f"{ln}.{end}": rand(width, seed=i)
            for i, ln in enumerate(("ln_pre", "ln_post"))
            for end in ("weight", "bias")
        },
    }
    for i in range(3):
        at = f"transformer_layes.{i}"
        state |= {
            f"{at}.attn.in_proj_weight": rand(3 * width, width, seed=i),
            f"{at}.attn.in_proj_bias": rand(3 * width),
        }
        state |= {f"{at}.attn.out_proj.weight": rand(width, width, seed=i), f"{at}.attn.out_proj.bias": rand(width)}
        state |= {f"{at}.mlp.c_fc.weight": rand(4 * width, width), f"{at}.mlp.c_fc.bias": rand(4 * width)}
        state |= {f"{at}.mlp.c_proj.weight": rand(width, 4 * width), f"{at}.mlp.c_proj.bias": rand(width, seed=9)}
        state |= {f"{at}.{ln}.{end}": rand(width, seed=i) + 1 for ln in ("ln_1", "ln_2") for end in ("weight", "bias")}
    return state


def style_by_clips_layers(state: dict[str, torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    """What the adapter makes of states, by transformers' CLIP layers: an independent writing of the same block."""
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPEncoderLayer

    count, width = state["style_embedding"].shape[1:]
    config = CLIPVisionConfig(
        hidden_size=width, intermediate_size=4 * width, num_attention_heads=8, hidden_act="quick_gelu"
    )
    x = torch.cat([states, state["style_embedding"].expand(len(states), -1, -1)], 1)
    x = torch.nn.functional.layer_norm(x, (width,), state["ln_pre.weight"], state["ln_pre.bias"])
    names = {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "ln_1": "layer_norm1", "ln_2": "layer_norm2"}
    for i in range(3):
        layer = CLIPEncoderLayer(config)
        mine = {
            n.removeprefix(f"transformer_layes.{i}."): t
            for n, t in state.items()
            if n.startswith(f"transformer_layes.{i}.")
        }
        loaded = {}
        for n, t in mine.items():
            if n.startswith("attn.in_proj_"):
                loaded |= {f"self_attn.{k}_proj.{n[13:]}": p for k, p in zip("qkv", t.chunk(3), strict=True)}
            else:
                stem, _, end = n.rpartition(".")
                loaded[f"{names.get(stem, stem.replace('attn', 'self_attn'))}.{end}"] = t
        layer.load_state_dict(loaded)
        x = layer(x, None)
        x = x[0] if isinstance(x, tuple) else x
    x = torch.nn.functional.layer_norm(x[:, -count:], (width,), state["ln_post.weight"], state["ln_post.bias"])
    return x @ state["proj"]


def test_a_style_follows_the_prompt(folders: Folders, weights: Weights) -> None:
    state = style_state()
    tiny_adapters.write(folder(folders, "style_models") / "style.safetensors", state)
    seen, text = seen_by(128), Conditioning((Cond(tiny_adapters.rand(1, 77, 64)),))
    model = nodes.load_style_model(folders=folders, style_model_name="style.safetensors")

    got = nodes.apply_style_model(
        weights=weights, conditioning=text, style_model=model, clip_vision_output=seen, strength=0.5
    ).parts[0]

    with torch.no_grad():
        expected = style_by_clips_layers(state, seen.last_hidden_state)
    assert got.tokens is not None
    assert torch.equal(got.tokens[:, :77], cast("torch.Tensor", text.parts[0].tokens))
    torch.testing.assert_close(got.tokens[:, 77:], 0.5 * expected, rtol=1e-4, atol=1e-5)


def test_redux_says_a_picture_in_as_many_words_as_it_was_seen(folders: Folders, weights: Weights) -> None:
    rand = tiny_adapters.rand
    state = {
        "redux_up.weight": rand(96, 16), "redux_up.bias": rand(96), "redux_down.weight": rand(32, 96),
        "redux_down.bias": rand(32),
    }  # fmt: skip
    tiny_adapters.write(folder(folders, "style_models") / "redux.safetensors", state)
    model = nodes.load_style_model(folders=folders, style_model_name="redux.safetensors")
    text, seen = Conditioning((Cond(rand(1, 4, 32)),)), seen_by(16)

    got = nodes.apply_style_model(weights=weights, conditioning=text, style_model=model, clip_vision_output=seen)

    up = torch.nn.functional.silu(seen.last_hidden_state @ state["redux_up.weight"].T + state["redux_up.bias"])
    tokens = got.parts[0].tokens
    assert tokens is not None
    torch.testing.assert_close(tokens[:, 4:], up @ state["redux_down.weight"].T + state["redux_down.bias"])


def test_what_does_not_belong_together_is_told(folders: Folders, weights: Weights) -> None:
    there = folder(folders, "style_models")
    tiny_adapters.write(there / "style.safetensors", style_state())
    tiny_adapters.write(there / "other.safetensors", {"x": torch.zeros(1)})
    model = nodes.load_style_model(folders=folders, style_model_name="style.safetensors")
    text, wide = (Conditioning((Cond(tiny_adapters.rand(1, 77, width)),)) for width in (64, 96))

    def apply(conditioning: Conditioning, seen: ClipVisionOutput, **more: Any) -> None:
        nodes.apply_style_model(
            weights=weights, conditioning=conditioning, style_model=model, clip_vision_output=seen, **more
        )

    with pytest.raises(NodeError, match=r"reads image encoders 128 wide; this one's states are 64 wide"):
        apply(text, seen_by(64))
    with pytest.raises(NodeError, match=r"words of 64 numbers; this prompt's have 96: it was made for another model"):
        apply(wide, seen_by(128))
    with pytest.raises(NodeError, match=r"attn_bias at 0\.5 is for models that attend"):
        apply(text, seen_by(128), strength=0.5, strength_type="attn_bias")
    with pytest.raises(NodeError, match=r"other\.safetensors is no style model"):
        nodes.load_style_model(folders=folders, style_model_name="other.safetensors")


def test_handles_name_their_files(folders: Folders) -> None:
    path = tiny_adapters.write(folder(folders, "clip_vision") / "eye.safetensors", encoder_state())
    loaded: ClipVision = nodes.load_clip_vision(folders=folders, clip_name="eye.safetensors")
    assert loaded.source.path == path
    assert vision.config(loaded)["hidden_size"] == 128
