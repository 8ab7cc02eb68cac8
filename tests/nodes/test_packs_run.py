"""Other packs' nodes as workflows use them: through the engine, with tiny real models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import comfyroll, impact_pipes, impact_text, loaders, lora, rgthree, sampling
from nodes.conditioning import encode_text
from nodes.define import NEVER, NodeError
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Latent
from nodes.vae import decode
from server.engine.execute import Outcome
from tests.diffusion import tiny

Run = Callable[[Mapping[str, Any]], Outcome]


def placed(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def texts(outcome: Outcome, node: str) -> list[str]:
    assert outcome.state == "done", outcome.error
    return list(outcome.outputs[node]["text"])


def test_only_the_chosen_input_of_a_switch_is_computed(run_prompt: Run) -> None:
    prompt = {
        "1": placed("Text Multiline", text="first"),
        "2": placed("Text Multiline", text="second"),
        "3": placed("ImpactSwitch", select=2, sel_mode=False, input1=["1", 0], input2=["2", 0]),
        "4": placed("ShowText|pysssss", text=["3", 0]),
        "5": placed("CR Text Input Switch", Input=1, text1=["4", 0], text2=["1", 0]),
        "6": placed("ShowText|pysssss", text=["5", 0]),
    }
    outcome = run_prompt(prompt)
    assert texts(outcome, "4") == texts(outcome, "6") == ["second"]
    assert "1" not in outcome.executed


def test_lists_go_through_one_by_one(run_prompt: Run) -> None:
    prompt = {
        "1": placed("ImpactMakeAnyList", value1=["2", 0], value3=["3", 0]),
        "2": placed("Text Multiline", text="a"),
        "3": placed("Text Multiline", text="b"),
        "4": placed("Text Concatenate", delimiter="-", clean_whitespace="true", text_a=["1", 0], text_b=["3", 0]),
        "5": placed("ShowText|pysssss", text=["4", 0]),
        "6": placed("StringListToString", join_with="+", string_list=["4", 0]),
        "7": placed("Text to Console", text=["6", 0], label="all"),
    }
    outcome = run_prompt(prompt)
    assert texts(outcome, "5") == ["a-b", "b-b"]
    assert texts(outcome, "7") == ["all:\na-b+b-b"]


def test_sums_take_values_from_anywhere(run_prompt: Run) -> None:
    prompt = {
        "1": placed("easy int", value=5),
        "2": placed("EmptyImage", width=64, height=32, batch_size=1, color=0),
        "3": placed("MathExpression|pysssss", expression="a * b.width", a=["1", 0], b=["2", 0]),
        "4": placed("SimpleMath+", value="a / 2 + b", a=["3", 0], b=["1", 0]),
        "5": placed("CR Float To String", float_=["4", 1]),
        "6": placed("ShowText|pysssss", text=["5", 0]),
    }
    assert texts(run_prompt(prompt), "6") == ["165.0"]


def test_a_seed_below_0_is_another_each_time(run_prompt: Run) -> None:
    def drawn(seed: int) -> str:
        prompt = {
            "1": placed("Seed (rgthree)", seed=seed),
            "2": placed("CR Integer To String", int_=["1", 0]),
            "3": placed("ShowText|pysssss", text=["2", 0]),
        }
        return texts(run_prompt(prompt), "3")[0]

    assert drawn(7) == drawn(7) == "7"
    assert len({drawn(-1) for _ in range(4)}) == 4


def test_two_pictures_are_shown_to_be_compared(run_prompt: Run, folders: Folders) -> None:
    prompt = {
        "1": placed("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "2": placed("ImageInvert", image=["1", 0]),
        "3": placed("Image Comparer (rgthree)", image_a=["1", 0], image_b=["2", 0]),
    }
    outcome = run_prompt(prompt)
    shown = outcome.outputs["3"]["images"]
    assert [saved["type"] for saved in shown] == ["temp", "temp"]
    assert len({saved["filename"] for saved in shown}) == 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with a tiny SD 1.x checkpoint and two LoRAs for it."""
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("base")
    tiny.write_single(root / "models" / "checkpoints" / "sd15.safetensors", "sd15")
    (root / "models" / "loras").mkdir(parents=True)
    draw = torch.Generator().manual_seed(1)
    for name in ("ink", "wash"):
        stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
        text = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
        state = {
            f"{stem}.lora_down.weight": torch.randn(2, 32, generator=draw),
            f"{stem}.lora_up.weight": torch.randn(32, 2, generator=draw),
            f"{text}.lora_down.weight": torch.randn(2, 64, generator=draw),
            f"{text}.lora_up.weight": torch.randn(64, 2, generator=draw),
        }
        save_file(state, root / "models" / "loras" / f"{name}.safetensors")
    return root


@pytest.fixture
def stocked(base: Path, folders: Folders) -> Folders:
    """The test's own folders, with the models of `base`."""
    (folders.base / "models").rename(folders.base / "none")
    (folders.base / "models").symlink_to(base / "models")
    return folders


@pytest.fixture
def parts(stocked: Folders) -> Any:
    return loaders.load_checkpoint(folders=stocked, ckpt_name="sd15.safetensors")


def test_stacks_are_the_same_as_loras_one_after_another(stocked: Folders, parts: Any) -> None:
    one = lora.load_lora(
        folders=stocked,
        model=parts.model,
        clip=parts.clip,
        lora_name="ink.safetensors",
        strength_model=0.5,
        strength_clip=0.25,
    )
    two = lora.load_lora(
        folders=stocked,
        model=one.model,
        clip=one.clip,
        lora_name="wash.safetensors",
        strength_model=-1.0,
        strength_clip=-1.0,
    )
    power = rgthree.power_lora_loader(
        folders=stocked, model=parts.model, clip=parts.clip,
        lora_1={"on": True, "lora": "ink.safetensors", "strength": 0.5, "strengthTwo": 0.25},  # type: ignore[arg-type]
        lora_2={"on": False, "lora": "ink.safetensors", "strength": 9},  # type: ignore[arg-type]
        lora_4={"on": True, "lora": "wash.safetensors", "strength": -1, "strengthTwo": None},  # type: ignore[arg-type]
    )  # fmt: skip
    first = comfyroll.cr_lora_stack(
        switch_1="On", lora_name_1="ink.safetensors", model_weight_1=0.5, clip_weight_1=0.25
    )
    second = comfyroll.cr_lora_stack(
        switch_2="Off", lora_name_2="ink.safetensors", switch_3="On", lora_name_3="wash.safetensors",
        model_weight_3=-1.0, clip_weight_3=-1.0, lora_stack=first.LORA_STACK,
    )  # fmt: skip
    stack = comfyroll.cr_apply_lora_stack(
        model=parts.model, clip=parts.clip, lora_stack=second.LORA_STACK, folders=stocked
    )
    for found in (power, stack):
        assert [p.key for p in found.MODEL.patches] == [p.key for p in two.model.patches]
        assert [p.key for p in found.CLIP.patches] == [p.key for p in two.clip.patches]
    fixed = rgthree.lora_stack(
        model=parts.model, clip=parts.clip, folders=stocked, lora_02="ink.safetensors", strength_02=0.5
    )
    assert len(fixed.MODEL.patches) == len(fixed.CLIP.patches) == 1


def test_a_row_that_is_none_is_told(stocked: Folders, parts: Any) -> None:
    given: Any = {"model": parts.model, "clip": parts.clip, "folders": stocked}
    with pytest.raises(NodeError, match="lora_1 is 'ink'; it must be"):
        rgthree.power_lora_loader(**{**given, "lora_1": "ink"})
    with pytest.raises(NodeError, match="lora_2 has the strength 'much'; it must be a number"):
        rgthree.power_lora_loader(**{**given, "lora_2": {"lora": "ink.safetensors", "strength": "much"}})
    with pytest.raises(NodeError, match=r"'inkk\.safetensors' is not in models/loras"):
        rgthree.power_lora_loader(**{**given, "lora_2": {"lora": "inkk.safetensors"}})


def test_a_workflow_of_pipes_draws_what_the_plain_one_draws(stocked: Folders, run_prompt: Run) -> None:
    row = {"on": True, "lora": "ink.safetensors", "strength": 1.0}

    def prompt(sampled: dict[str, Any], vae: list[Any]) -> dict[str, Any]:
        words = {"positive": ["3", 0], "negative": ["4", 0]}
        return {
            "1": placed("CheckpointLoaderSimple", ckpt_name="sd15.safetensors"),
            "2": placed("Power Lora Loader (rgthree)", model=["1", 0], clip=["1", 1], lora_1=row),
            "3": placed("Text to Conditioning", clip=["2", 1], text="a hill"),
            "4": placed("CLIPTextEncode", clip=["2", 1], text=""),
            "5": placed("EmptyLatentImage", width=64, height=64, batch_size=1),
            "6": placed("ToBasicPipe", model=["2", 0], clip=["2", 1], vae=["1", 2], **words),
            "7": placed("EditBasicPipe", basic_pipe=["6", 0], negative=["3", 0]),
            "8": placed("FromBasicPipe_v2", basic_pipe=["7", 0]),
            "9": sampled,
            "10": placed("VAEDecode", samples=["9", 1 if vae[0] == "9" else 0], vae=vae),
            "11": placed("SaveImage", images=["10", 0], filename_prefix="x"),
        }  # fmt: skip

    settings = {"seed": 3, "steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    plain = prompt(
        placed("KSampler", model=["2", 0], positive=["8", 4], negative=["8", 5], latent_image=["5", 0], **settings),
        ["8", 3],
    )
    piped = prompt(placed("ImpactKSamplerBasicPipe", basic_pipe=["8", 0], latent_image=["5", 0], **settings), ["9", 2])
    pictures: list[bytes] = []
    for each in (plain, piped):
        outcome = run_prompt(each)
        assert outcome.state == "done", outcome.error
        saved = outcome.outputs["11"]["images"][0]
        from PIL import Image as Pil

        with Pil.open(folders_path(stocked, saved)) as picture:
            pictures.append(picture.convert("RGB").tobytes())
    assert pictures[0] == pictures[1]


def folders_path(folders: Folders, saved: Mapping[str, Any]) -> Path:
    return folders.root(saved["type"]) / saved["subfolder"] / saved["filename"]


def test_pipes_sample_in_parts_too(stocked: Folders, parts: Any, ctx: Any) -> None:
    weights = Weights("cpu", "fp32")
    words = [encode_text(weights=weights, folders=stocked, text=text, clip=parts.clip) for text in ("a hill", "")]
    pipe = impact_pipes.to_basic_pipe(
        model=parts.model, clip=parts.clip, vae=parts.vae, positive=words[0], negative=words[1]
    )
    given: Any = {
        "ctx": ctx,
        "weights": weights,
        "noise_seed": 5,
        "steps": 4,
        "cfg": 3.0,
        "latent_image": Latent(torch.zeros(1, 4, 8, 8)),
    }
    first = impact_pipes.ksampler_advanced_pipe(
        basic_pipe=pipe, **given, end_at_step=2, return_with_leftover_noise=True
    )
    rest = {**given, "latent_image": first.latent}
    second = impact_pipes.ksampler_advanced_pipe(basic_pipe=pipe, **rest, add_noise=False, start_at_step=2)
    whole = impact_pipes.ksampler_advanced_pipe(basic_pipe=pipe, **given)
    torch.testing.assert_close(second.latent.samples, whole.latent.samples, rtol=1e-3, atol=1e-4)
    assert whole.vae is parts.vae
    assert decode(weights=weights, samples=whole.latent, vae=whole.vae).pixels.shape == (1, 64, 64, 3)
    assert impact_pipes.from_basic_pipe(basic_pipe=pipe).model is parts.model


def test_wildcard_prompts_bring_their_loras(stocked: Folders, parts: Any) -> None:
    got = impact_text.encode(
        model=parts.model, clip=parts.clip, wildcard_text="a {hill} <lora:ink:0.5:0.25><lora:wash.safetensors>",
        folders=stocked, weights=Weights("cpu", "fp32"),
    )  # fmt: skip
    assert got.populated_text == "a hill <lora:ink:0.5:0.25><lora:wash.safetensors>"
    assert len(got.model.patches) == len(got.clip.patches) == 2
    said = encode_text(weights=Weights("cpu", "fp32"), folders=stocked, text="a hill ", clip=got.clip)
    torch.testing.assert_close(got.conditioning.parts[0].tokens, said.parts[0].tokens)
    with pytest.raises(NodeError, match="'strong' is no strength"):
        impact_text.encode(
            model=parts.model, clip=parts.clip, wildcard_text="<lora:ink:strong>", folders=stocked,
            weights=Weights("cpu", "fp32"),
        )  # fmt: skip


def test_drawing_by_chance_is_never_remembered() -> None:
    changed = rgthree.seed.definition.fingerprint
    assert changed is not None
    assert (changed(-1), changed(3)) == (NEVER, "")
    assert sampling.ksampler.definition.fingerprint is None
