"""The same weights as a single file and as a diffusers folder are the same model, for every family."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.diffusion import checkpoint, clip, modules
from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import Inputs
from nodes.diffusion.weights import Weights
from tests.diffusion import tiny
from tests.diffusion.conftest import Written

FAMILY_OF = {
    "sd15": "sd15",
    "inpaint": "sd15",
    "ip2p": "sd15",
    "sd2": "sd2",
    "unclip": "sd2",
    "sd_x4": "sd_x4",
    "sdxl": "sdxl",
    "sdxl_refiner": "sdxl_refiner",
}
PROMPT = "a (red:1.4) boat, night"


def answer(weights: Weights, found: checkpoint.Checkpoint) -> list[torch.Tensor]:
    """What every part of a checkpoint says to fixed questions."""
    generator = torch.Generator().manual_seed(5)
    assert found.clip is not None
    assert found.vae is not None
    encoded = clip.encode(weights, found.clip, PROMPT)
    with weights.network(found.model) as network:
        x = torch.randn((1, network.in_channels, 12, 10), generator=generator)
        ids = torch.tensor([[96.0, 80.0, 0.0, 0.0, 96.0, 80.0]])
        ids = ids[:, :5] if network.family == "sdxl_refiner" else ids
        out = network(x, torch.tensor([500.0]), Inputs(encoded.tokens, pooled=encoded.pooled, time_ids=ids))
    with weights.vae(found.vae) as vae:
        picture = torch.rand((1, 64, 48, 3), generator=generator)
        latent = vae.encode(picture)
        decoded = vae.decode(latent)
    return [encoded.tokens, encoded.pooled, out, latent, decoded]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_both_roads_give_the_same_model(family: str, weights: Weights, single_file: Written, folder: Written) -> None:
    one = checkpoint.open_checkpoint(single_file(family))
    other = checkpoint.open_checkpoint(folder(family))

    assert one.model.source.family == other.model.source.family == FAMILY_OF[family]
    for a, b in zip(answer(weights, one), answer(weights, other), strict=True):
        assert torch.equal(a, b)
        assert a.isfinite().all()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_single_file_becomes_exactly_its_unet(family: str, weights: Weights, single_file: Written) -> None:
    module = tiny.unet_module(family)
    opened = checkpoint.open_checkpoint(single_file(family)).model

    with weights.network(opened) as network:
        loaded = network.module.state_dict()

    expected = module.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
def test_the_unet_is_called_as_diffusers_calls_it(family: str, weights: Weights, single_file: Written) -> None:
    module = tiny.unet_module(family)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((2, 4, 8, 8), generator=generator)
    context = torch.randn((2, 77, module.config["cross_attention_dim"]), generator=generator)
    pooled, ids = torch.randn((2, 96), generator=generator), torch.full((2, 6), 64.0)
    with torch.no_grad():
        expected = module(x, 7, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample

    with weights.network(checkpoint.open_unet(single_file(family))) as network:
        got = network(x, torch.tensor([7.0, 7.0]), Inputs(context, pooled=pooled, time_ids=ids))

    assert torch.equal(got, expected)


def test_half_precision_files_load(tmp_path: Path, weights: Weights) -> None:
    path = tiny.write_single(tmp_path / "half.safetensors", dtype=torch.float16)
    with weights.network(checkpoint.open_unet(path)) as network:
        assert network.dtype == torch.float32
        weight = network.module.conv_in.weight
    assert torch.equal(weight, tiny.unet_module().conv_in.weight.half().float())


def test_a_unet_under_diffusers_names_needs_no_configuration(tmp_path: Path, weights: Weights) -> None:
    module = tiny.unet_module("sdxl")
    save_file(module.state_dict(), tmp_path / "unet.safetensors")

    model = checkpoint.open_unet(tmp_path / "unet.safetensors")

    assert model.source.family == "sdxl"
    with weights.network(model) as network:
        assert network.module.config["block_out_channels"] == (64, 128)


def test_v_prediction_is_read_from_marks(tmp_path: Path) -> None:
    marks = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    path = tiny.write_single(tmp_path / "v.safetensors", "sdxl", extra=marks)

    facts = dict(checkpoint.open_checkpoint(path).model.source.options)

    assert facts["kind"] == "v"
    assert facts["zero_snr"] is True


@pytest.mark.parametrize(("spread", "kind"), [(0.2, "v"), (0.02, None)])
def test_sd2_predicts_v_when_its_telltale_tensor_is_spread(tmp_path: Path, spread: float, kind: str | None) -> None:
    name = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    bias = torch.randn(64, generator=torch.Generator().manual_seed(0)) * spread
    path = tmp_path / "sd2.safetensors"
    header = tiny.write_single(path, "sd2")
    state = load_file(header) | {name: bias}
    # Alone, the tensor would be a block without a ResNet; the marks are all that is read here.
    facts = checkpoint._facts_of_file(_header_of(tmp_path, state), "sd2", "model.diffusion_model.")

    assert facts.get("kind") == kind


def _header_of(tmp_path: Path, state: dict[str, torch.Tensor]):
    from nodes.diffusion.files import read_header

    path = tmp_path / "marked.safetensors"
    save_file(state, path)
    return read_header(path)


def test_a_folders_scheduler_says_how_it_predicts(tmp_path: Path, folder: Written) -> None:
    import shutil

    path = tmp_path / "v"
    shutil.copytree(folder("sd15"), path)
    scheduler = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "beta_start": 0.001}
    tiny.write_json(path / "scheduler" / "scheduler_config.json", scheduler)

    facts = dict(checkpoint.open_checkpoint(path).model.source.options)

    assert (facts["kind"], facts["zero_snr"], facts["beta_start"]) == ("v", True, 0.001)
    assert (facts["scale"], facts["downscale"]) == (0.18215, 8)


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    path = tiny.write_single(tmp_path / "a.safetensors")
    before = checkpoint.open_checkpoint(path)
    state = load_file(path)
    state["model.diffusion_model.conv_in_marker"] = torch.zeros(1)
    save_file(state, path)

    after = checkpoint.open_checkpoint(path)

    assert before.model.source.digest != after.model.source.digest


def test_parts_that_are_missing_are_none(tmp_path: Path, single_file: Written) -> None:
    only = {k: v for k, v in load_file(single_file("sd15")).items() if k.startswith("model.")}
    save_file(only, tmp_path / "unet.safetensors")

    found = checkpoint.open_checkpoint(tmp_path / "unet.safetensors")

    assert found.clip is None
    assert found.vae is None


def test_a_missing_tensor_is_named(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    state = load_file(single_file("sd15"))
    del state["model.diffusion_model.middle_block.0.out_layers.3.bias"]
    save_file(state, tmp_path / "cut.safetensors")
    model = checkpoint.open_checkpoint(tmp_path / "cut.safetensors").model

    with (
        pytest.raises(WeightsError, match=r"lacks 1 tensors.*mid_block\.resnets\.0\.conv2\.bias"),
        weights.network(model),
    ):
        pass


def test_a_tensor_of_another_shape_is_named(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    state = load_file(single_file("sd15"))
    state["model.diffusion_model.out.0.bias"] = torch.zeros(7)
    save_file(state, tmp_path / "odd.safetensors")
    model = checkpoint.open_checkpoint(tmp_path / "odd.safetensors").model

    with (
        pytest.raises(WeightsError, match=r"conv_norm_out\.bias has shape \[7\]; the model needs \[32\]"),
        weights.network(model),
    ):
        pass


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["lora_unet_x.lora_up.weight"], "looks like a LoRA"),
        (["control_model.input_blocks.0.0.weight"], "looks like a ControlNet"),
        (["decoder.conv_in.weight"], "looks like a VAE"),
        (["double_blocks.0.img_attn.qkv.weight"], "looks like Flux"),
        (["text_model.final_layer_norm.weight"], "looks like a text encoder"),
        (["something.else"], "first tensors are something.else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_kind_of_file_is_told(tmp_path: Path, names: list[str], what: str) -> None:
    save_file({name: torch.zeros(2, 2) for name in names}, tmp_path / "other.safetensors")

    with pytest.raises(WeightsError, match=what):
        checkpoint.open_checkpoint(tmp_path / "other.safetensors")


def test_text_encoders_by_themselves(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    tiny_xl = tiny.FAMILIES["sdxl"]
    small, large = (tiny.text_module(config) for config in tiny_xl.texts.values())
    save_file(tiny.text_state(small), tmp_path / "l.safetensors")
    save_file({k: v.contiguous() for k, v in tiny.open_clip_text(large).items()}, tmp_path / "g.safetensors")
    both = checkpoint.open_checkpoint(single_file("sdxl")).clip
    assert both is not None

    pair = checkpoint.open_clip([tmp_path / "g.safetensors", tmp_path / "l.safetensors"])

    mine, theirs = clip.encode(weights, pair, PROMPT), clip.encode(weights, both, PROMPT)
    assert torch.equal(mine.tokens, theirs.tokens)
    assert torch.equal(mine.pooled, theirs.pooled)


def test_a_vae_by_itself(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    whole = checkpoint.open_checkpoint(single_file("sd15")).vae
    assert whole is not None
    save_file({k: v.contiguous() for k, v in tiny.ldm_vae(tiny.vae_module()).items()}, tmp_path / "vae.safetensors")
    samples = torch.randn((1, 4, 6, 6), generator=torch.Generator().manual_seed(2))

    with weights.vae(checkpoint.open_vae(tmp_path / "vae.safetensors")) as lone, weights.vae(whole) as other:
        assert torch.equal(lone.decode(samples), other.decode(samples))


def test_a_folder_of_pickles_is_refused(tmp_path: Path, folder: Written) -> None:
    tiny.write_json(tmp_path / "unet" / "config.json", dict(tiny.FAMILIES["sd15"].unet))
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02")

    with pytest.raises(WeightsError, match=r"only pickles.*convert them to safetensors"):
        checkpoint.open_checkpoint(tmp_path)


def test_modules_come_ready_for_inference(single_file: Written) -> None:
    module = modules.load_unet(checkpoint.open_unet(single_file("sd15")).source, torch.bfloat16)

    assert not module.training
    assert {(p.dtype, p.requires_grad, p.device.type) for p in module.parameters()} == {(torch.bfloat16, False, "cpu")}
