from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.folders import Folders
from nodes.registry import Registry
from server.engine.engine import Engine
from server.formats import open_workflow, read_prompt
from server.formats.a1111 import from_infotext
from server.formats.a1111_names import OWN_SAMPLERS, SAMPLERS, SCHEDULES, STAND_INS
from server.formats.infotext import Infotext, is_infotext, read_infotext, write_infotext
from server.formats.noise_levels import EXACT, percent_before
from server.formats.settings import to_infotext

TEXT = """a red [circle] <lora:ink:0.7:0.5>, (best:1.2)
second line
Negative prompt: bad, ugly
Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 965400086, Size: 512x768, \
Model hash: 45dee52b, Model: dream, Clip skip: 2, Lora hashes: "ink: abc, more: def", Version: v1.9.0"""


def kinds(text: str, folders: Folders | None = None) -> dict[str, dict[str, object]]:
    """Inputs by node type; the types here occur once each, but for texts."""
    return {n["class_type"]: n["inputs"] for n in from_infotext(read_infotext(text), folders).prompt.values()}


def test_text_is_taken_apart() -> None:
    info = read_infotext(TEXT)
    assert info.prompt == "a red [circle] <lora:ink:0.7:0.5>, (best:1.2)\nsecond line"
    assert info.negative == "bad, ugly"
    assert info.settings["Lora hashes"] == "ink: abc, more: def"
    assert (info.size, info.number("CFG scale", 0), info.number("Model", 3)) == ((512, 768), 6.5, 3)


@pytest.mark.parametrize(
    "info",
    [
        read_infotext(TEXT),
        Infotext("only\nlines", "", {"Steps": "1", "Seed": "2", "Size": "8x8"}),
        Infotext("", "no\nprompt", {"Steps": "1", "Seed": "2", "Note": 'a "b", c: d\ne'}),
    ],
)
def test_what_is_written_reads_the_same(info: Infotext) -> None:
    assert read_infotext(write_infotext(info)) == info


@pytest.mark.parametrize("text", ["", "a cat", "one: 1, two: 2", '{"a": 1, "b": 2, "c": 3}', "Steps: 1\nSeed: 2"])
def test_other_texts_are_no_infotext(text: str) -> None:
    assert not is_infotext(text)


def test_settings_become_a_workflow() -> None:
    made = kinds(TEXT)
    assert made["CheckpointLoaderSimple"] == {"ckpt_name": "dream.safetensors"}
    lora = made["LoraLoader"]
    assert (lora["lora_name"], lora["strength_clip"], lora["strength_model"]) == ("ink.safetensors", 0.7, 0.5)
    assert made["CLIPSetLastLayer"]["stop_at_clip_layer"] == -2
    assert made["EmptyLatentImage"] == {"width": 512, "height": 768, "batch_size": 1}
    sampler = {k: v for k, v in made["KSampler"].items() if not isinstance(v, list)}
    assert sampler == {
        "seed": 965400086,
        "steps": 25,
        "cfg": 6.5,
        "sampler_name": "dpmpp_2m",
        "scheduler": "karras",
        "denoise": 1.0,
    }
    prompt = from_infotext(read_infotext(TEXT), None).prompt
    texts = [n["inputs"]["text"] for n in prompt.values() if n["class_type"] == "CLIPTextEncode"]
    assert texts == ["a red (circle:0.909) , (best:1.2)\nsecond line", "bad, ugly"]


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        ("Euler a", "", ("euler_ancestral", "normal")),
        ("DPM++ 2M Karras", "", ("dpmpp_2m", "karras")),
        ("DPM++ 2M", "", ("dpmpp_2m", "normal")),
        ("DPM++ 2M", "Automatic", ("dpmpp_2m", "karras")),
        ("DPM++ 3M SDE", "Automatic", ("dpmpp_3m_sde", "exponential")),
        ("Euler", "SGM Uniform", ("euler", "sgm_uniform")),
        ("UniPC", "Beta", ("uni_pc", "beta")),
        ("Undefined", "", ("euler", "normal")),
    ],
)
def test_sampler_and_schedule_by_their_names(sampler: str, schedule: str, expected: tuple[str, str]) -> None:
    said = f", Schedule type: {schedule}" if schedule else ""
    made = kinds(f"a\nSteps: 20, Sampler: {sampler}{said}, Seed: 1, Size: 64x64")["KSampler"]
    assert (made["sampler_name"], made["scheduler"]) == expected


HIRES = "a\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x64, Denoising strength: 0.5, Hires upscale: 2"


def test_hires_fix_runs_the_last_part_of_the_schedule() -> None:
    made = kinds(f"{HIRES}, Hires steps: 10, Hires upscaler: Latent (nearest-exact)")
    upscale, second = made["LatentUpscaleBy"], made["KSamplerAdvanced"]
    assert (upscale["upscale_method"], upscale["scale_by"]) == ("nearest-exact", 2.0)
    assert (second["steps"], second["start_at_step"], second["noise_seed"]) == (10, 4, 1)


def test_hires_fix_with_a_model_uses_it_if_it_is_there(tmp_path: Path) -> None:
    text = f"{HIRES}, Hires upscaler: 4x-Ink"
    without = from_infotext(read_infotext(text), Folders.at(tmp_path))
    assert any("4x-Ink is not in models/upscale_models" in note for note in without.notes)
    (tmp_path / "models" / "upscale_models").mkdir(parents=True)
    (tmp_path / "models" / "upscale_models" / "4x-ink.pth").write_bytes(b"")
    made = kinds(text, Folders.at(tmp_path))
    assert made["UpscaleModelLoader"] == {"model_name": "4x-ink.pth"}
    assert (made["ImageScale"]["width"], made["ImageScale"]["height"]) == (128, 128)


@pytest.mark.parametrize("length", [10, 8], ids=["new hash", "hash of 2022"])
def test_model_is_found_by_its_hash(length: int, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "checkpoints" / "sub"
    folder.mkdir(parents=True)
    content = bytes(range(256)) * 5000
    (folder / "renamed.safetensors").write_bytes(content)
    (folder / "other.safetensors").write_bytes(b"other")
    digest = hashlib.sha256(content if length == 10 else content[0x100000:0x110000]).hexdigest()[:length]
    text = f"a\nSteps: 20, Seed: 1, Size: 64x64, Model hash: {digest}, Model: gone"
    made = kinds(text, Folders.at(tmp_path))
    assert made["CheckpointLoaderSimple"]["ckpt_name"] == "sub/renamed.safetensors"


def test_embeddings_get_their_prefix(tmp_path: Path) -> None:
    (tmp_path / "models" / "embeddings").mkdir(parents=True)
    (tmp_path / "models" / "embeddings" / "EasyNegative.safetensors").write_bytes(b"")
    text = "a cat\nNegative prompt: easynegative, bad\nSteps: 20, Seed: 1, Size: 64x64"
    prompt = from_infotext(read_infotext(text), Folders.at(tmp_path)).prompt
    assert [n["inputs"]["text"] for n in prompt.values() if n["class_type"] == "CLIPTextEncode"] == [
        "a cat",
        "embedding:easynegative, bad",
    ]


@pytest.mark.parametrize(
    ("text", "more", "note"),
    [
        ("a <hypernet:x:1>", "", "hypernetwork x"),
        ("a", "", "another picture"),
        ("a AND b :-1", "", "negative weights"),
        ("[a:b:0.5]", "Schedule type: Beta", "only roughly"),
        ("[a|b]", "Steps: 900", "changes at too many steps"),
        ("(a:1.2)", "", "evens weighted prompts out"),
        ("a", "", "first noise on the GPU"),
        ("a", "Sampler: Euler a", "noise of its own"),
        ("a", "Sampler: Euler a, ENSD: 31337", "ENSD"),
        ("a", "Sampler: Restart", "no sampler 'Restart'"),
        ("a", "Schedule type: Align Your Steps", "no schedule 'Align Your Steps'"),
        ("a", "Variation seed: 3, Variation seed strength: 0.1", "variation seed"),
        ("a", 'ADetailer model: face.pt, ControlNet 0: "Module: canny"', "left out: ADetailer model, ControlNet 0."),
    ],
)
def test_what_cannot_be_kept_is_noted(text: str, more: str, note: str) -> None:
    settings = f"Steps: 20, Seed: 1, Size: 8x8, Denoising strength: 0.4{', ' if more else ''}{more}"
    made = from_infotext(read_infotext(f"{text}\n{settings}"), None)
    assert any(note in each for each in made.notes), made.notes


def test_what_is_kept_leaves_no_note() -> None:
    text = "a BREAK [b:c:3] AND d :0.5\nSteps: 20, Sampler: Euler, Seed: 1, Size: 8x8, RNG: CPU, ENSD: 31337, Model: x"
    assert from_infotext(read_infotext(text), None).notes == ()


def conditioning(text: str, link: list[object] | None = None, settings: str = "") -> object:
    """What comes to the sampler's positive input, as nested tuples."""
    prompt = from_infotext(read_infotext(f"{text}\nSteps: 10, Seed: 1, Size: 8x8{settings}"), None).prompt

    def told(link: object) -> object:
        assert isinstance(link, list)
        node = prompt[link[0]]
        inputs = node["inputs"]
        match node["class_type"]:
            case "CLIPTextEncode":
                return inputs["text"]
            case "ConditioningConcat":
                return ("then", told(inputs["conditioning_to"]), told(inputs["conditioning_from"]))
            case "ConditioningCombine":
                return ("with", told(inputs["conditioning_1"]), told(inputs["conditioning_2"]))
            case "ConditioningSetAreaStrength":
                return (inputs["strength"], told(inputs["conditioning"]))
            case "ConditioningSetTimestepRange":
                return (round(inputs["start"], 2), round(inputs["end"], 2), told(inputs["conditioning"]))
            case other:
                return other

    sampler = next(n for n in reversed(prompt.values()) if n["class_type"].startswith("KSampler"))
    return told(sampler["inputs"]["positive"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BREAK b", ("then", "a", "b")),
        ("BREAK a", ("then", "", "a")),
        ("a BREAK", "a"),
        ("(a BREAK b:1.2)", ("then", "(a:1.2)", "(b:1.2)")),
        ("a AND b :0.5", ("with", (1.0, "a"), (0.5, "b"))),
        ("[a:b:0.5] x", ("with", (0.0, 0.66, "a x"), (0.66, 1.0, "b x"))),
        ("[b:4]", ("with", (0.0, 0.54, ""), (0.54, 1.0, "b"))),
        ("[a::4]", ("with", (0.0, 0.54, "a"), (0.54, 1.0, ""))),
        ("[a:b:1.5]", "a"),
        ("[a:[b:c:6]:4]", ("with", ("with", (0.0, 0.54, "a"), (0.54, 0.77, "b")), (0.77, 1.0, "c"))),
        ("[a]", "(a:0.909)"),
        ("[[a]]", "(a:0.826)"),
        ("((a:1.2):1.5)", "(a:1.8)"),
        ("(a [b]:1.1)", "(a:1.1) b"),
        ("(a", "(a:1.1)"),
        (r"a \[b\] \(c\)", r"a [b] \(c\)"),
        ("(best:1.2), ok", "(best:1.2), ok"),
        ("[a: b: c]", "(a: b: c:0.909)"),
    ],
)
def test_prompts_say_the_same_here(text: str, expected: object) -> None:
    assert conditioning(text) == expected


def test_alternating_words_take_turns() -> None:
    prompt = from_infotext(read_infotext("[a|b]\nSteps: 4, Seed: 1, Size: 8x8"), None).prompt
    encoded = {name: n["inputs"]["text"] for name, n in prompt.items() if n["class_type"] == "CLIPTextEncode"}
    ranges = [n["inputs"] for n in prompt.values() if n["class_type"] == "ConditioningSetTimestepRange"]
    assert [encoded[each["conditioning"][0]] for each in ranges] == ["a", "b", "a"]
    assert [each["start"] for each in ranges[1:]] == [each["end"] for each in ranges[:-1]]


def test_and_adds_guidance_up() -> None:
    assert kinds("a AND b :0.5\nSteps: 10, Seed: 1, Size: 8x8, CFG scale: 6")["KSampler"]["cfg"] == 9


@pytest.mark.parametrize("scheduler", sorted(EXACT))
@pytest.mark.parametrize("sampler", ["euler", "dpm_2"])
def test_a_step_begins_between_two_noise_levels(scheduler: str, sampler: str) -> None:
    from nodes.diffusion.network import Parametrization
    from nodes.diffusion.prediction import prediction
    from nodes.diffusion.schedules import for_denoise

    sd = prediction(Parametrization())
    for steps in (2, 7, 30):
        levels = for_denoise(scheduler, sd, steps, drop_penultimate=sampler == "dpm_2").tolist()
        for step in range(1, steps):
            level = sd.levels.at_percent(percent_before(step, steps, scheduler, sampler))
            assert levels[step] < level < levels[step - 1]


def test_hires_pass_has_its_own_settings() -> None:
    more = ", Hires sampler: DPM++ 2M, Hires schedule type: Karras, Hires CFG Scale: 3, Hires prompt: close up"
    prompt = from_infotext(read_infotext(HIRES + more), None).prompt
    second = next(n["inputs"] for n in prompt.values() if n["class_type"] == "KSamplerAdvanced")
    assert (second["sampler_name"], second["scheduler"], second["cfg"]) == ("dpmpp_2m", "karras", 3)
    assert prompt[second["positive"][0]]["inputs"]["text"] == "close up"
    assert conditioning("[a:b:0.5]", settings=", Denoising strength: 0.5, Hires upscale: 2") == "b"


def test_refiner_takes_over() -> None:
    text = "a\nSteps: 20, Seed: 1, Size: 8x8, Model: base, Refiner: fine [abcdef0123], Refiner switch at: 0.8"
    prompt = from_infotext(read_infotext(text), None).prompt
    first, second = (n["inputs"] for n in prompt.values() if n["class_type"] == "KSamplerAdvanced")
    assert (first["end_at_step"], second["start_at_step"], second["add_noise"]) == (16, 16, "disable")
    assert prompt[second["model"][0]]["inputs"]["ckpt_name"] == "fine.safetensors"


def test_forge_modules_are_loaded_one_by_one(tmp_path: Path) -> None:
    names = ("diffusion_models/flux1-dev", "text_encoders/clip_l", "text_encoders/t5xxl_fp16", "vae/ae")
    for name in names:
        path = tmp_path / "models" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    text = "a\nSteps: 20, Distilled CFG Scale: 3.5, Seed: 1, Size: 8x8, Model: flux1-dev, \
Module 1: ae, Module 2: clip_l, Module 3: t5xxl_fp16"
    made = kinds(text, Folders.at(tmp_path))
    assert made["UNETLoader"]["unet_name"] == "flux1-dev.safetensors"
    assert made["DualCLIPLoader"]["clip_name2"] == "t5xxl_fp16.safetensors"
    assert made["VAELoader"] == {"vae_name": "ae.safetensors"}
    assert made["FluxGuidance"]["guidance"] == 3.5


@pytest.mark.parametrize("length", [10, 12], ids=["whole", "behind the header"])
def test_lora_is_found_by_its_hash(length: int, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True)
    header, content = b"{}", b"tensors"
    whole = len(header).to_bytes(8, "little") + header + content
    (folder / "renamed.safetensors").write_bytes(whole)
    digest = hashlib.sha256(whole if length == 10 else content).hexdigest()[:length]
    text = f'a <lora:ink:0.5>\nSteps: 20, Seed: 1, Size: 8x8, Lora hashes: "other: 0123456789, ink: {digest}"'
    assert kinds(text, Folders.at(tmp_path))["LoraLoader"]["lora_name"] == "renamed.safetensors"


def test_made_workflow_is_valid_with_the_bundled_model(registry: Registry, tmp_path: Path) -> None:
    text = "a red circle\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 3, Size: 64x64"
    folders = Folders.at(tmp_path)
    opened = open_workflow(text.encode(), registry, folders=folders)
    assert opened.report.notes[0] == "The settings do not name the model that drew this; sfumato-starter stands in."
    names = {n["class_type"] for n in opened.prompt.values()}
    assert names == {
        "CheckpointLoaderSimple",
        "CLIPTextEncode",
        "EmptyLatentImage",
        "KSampler",
        "VAEDecode",
        "SaveImage",
    }
    checked = Engine(registry, provided={Folders: folders}).validate(read_prompt(opened.prompt))
    assert {p.input_name for p in checked.problems} <= {"ckpt_name"}


def test_workflow_says_its_settings() -> None:
    info = to_infotext(from_infotext(read_infotext(TEXT), None).prompt)
    assert info is not None
    assert info.prompt == "a red (circle:0.909) , (best:1.2)\nsecond line <lora:ink:0.7:0.5>"
    assert info.negative == "bad, ugly"
    assert dict(info.settings) == {
        "Steps": "25",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "6.5",
        "Seed": "965400086",
        "Size": "512x768",
        "Model": "dream",
        "Clip skip": "2",
    }


WORDS = st.text(alphabet="abc ,.éß漢", min_size=1, max_size=12).map(str.strip).filter(bool)
PLAIN = st.lists(WORDS | WORDS.map(lambda t: f"({t}:1.25)") | WORDS.map(lambda t: f"\\[{t}\\]"), max_size=3).map(
    " ".join
)
TAGS = st.sampled_from(["", " <lora:ink:0.5>", " <lora:ink:0.5:1> <lora:v1.5 look:-1>"])
PICKED = st.sampled_from([name for name in SAMPLERS if name not in STAND_INS] + sorted(OWN_SAMPLERS))


@st.composite
def infotexts(draw: st.DrawFn) -> Infotext:
    """What A1111 may write of what can be kept whole, in the order in which we write it."""
    joiner = draw(st.sampled_from([" BREAK ", " :0.5 AND ", ""]))
    positive = joiner.join(draw(st.lists(PLAIN.filter(bool), min_size=2, max_size=3))) if joiner else draw(PLAIN)
    settings = {
        "Steps": str(draw(st.integers(1, 150))),
        "Sampler": draw(PICKED),
        "Schedule type": draw(st.sampled_from([each for each in SCHEDULES if each not in ("Uniform",)])),
        "CFG scale": draw(st.sampled_from(["1", "4.5", "7", "12"])),
        "Seed": str(draw(st.integers(0, 2**64 - 1))),
        "Size": f"{draw(st.integers(2, 200)) * 8}x{draw(st.integers(2, 200)) * 8}",
        "Model": draw(st.sampled_from(["dream", "v1.5 dream", "a,b: c"])),
    }
    hires = draw(st.booleans())
    strength = draw(st.sampled_from(["0.3", "0.5", "0.75"]))
    if hires:
        settings["Denoising strength"] = strength
    if (skip := draw(st.integers(1, 3))) > 1:
        settings["Clip skip"] = str(skip)
    if hires:
        settings |= {"Hires upscale": draw(st.sampled_from(["1.5", "2"])), "Hires steps": str(draw(st.integers(1, 60)))}
        settings["Hires upscaler"] = draw(st.sampled_from(["Latent", "Latent (bicubic)", "Lanczos", "Bicubic"]))
        if draw(st.booleans()):
            settings |= {"Hires CFG Scale": "3", "Hires prompt": "closer"}
    text = (positive + (":0.25" if " AND " in positive else "") + draw(TAGS)).strip()
    return Infotext(text, draw(PLAIN), settings)


@settings(max_examples=150, deadline=None, database=None)
@given(info=infotexts())
def test_what_we_write_of_a_workflow_draws_the_same(info: Infotext) -> None:
    made = from_infotext(read_infotext(write_infotext(info)), None).prompt
    told = to_infotext(made)
    assert told is not None
    again = from_infotext(read_infotext(write_infotext(told)), None).prompt
    assert again == made
    assert {**told.settings, "Denoising strength": ""} == {**info.settings, "Denoising strength": ""}
    assert to_infotext(again) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a:b:0.5] x", "[a x:b x:5]"),
        ("[a:[b:c:6]:4]", "[[a:b:4]:c:6]"),
        ("[:(b:1.2):4]", "[:(b:1.2):4]"),
        ("[a:b BREAK c:4]", "[a:b BREAK c:4]"),
    ],
)
def test_words_that_change_are_told_with_their_steps(text: str, told: str) -> None:
    made = from_infotext(
        read_infotext(f"{text}\nSteps: 10, Sampler: DPM2, Schedule type: Karras, Seed: 1"), None
    ).prompt
    said = to_infotext(made)
    assert said is not None
    assert said.prompt == told
    again = from_infotext(read_infotext(write_infotext(said)), None).prompt
    assert [n["class_type"] for n in again.values()] == [n["class_type"] for n in made.values()]


def custom(latent: list[Any], **more: Any) -> dict[str, Any]:
    """A workflow whose sampler is put together of nodes, as Flux's are."""
    return {
        "unet": {"class_type": "UNETLoader", "inputs": {"unet_name": "sub/flux1-dev.safetensors"}},
        "lora": {
            "class_type": "LoraLoaderModelOnly",
            "inputs": {"model": ["unet", 0], "lora_name": "x\\ink.safetensors", "strength_model": 0.5},
        },
        "clip": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "a", "clip_name2": "b"}},
        "words": {"class_type": "PrimitiveString", "inputs": {"value": "a cat"}},
        "text": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["clip", 0], "text": ["words", 0]}},
        "flux": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["text", 0], "guidance": 3.5}},
        "guider": {"class_type": "BasicGuider", "inputs": {"model": ["lora", 0], "conditioning": ["flux", 0]}},
        "noise": {"class_type": "RandomNoise", "inputs": {"noise_seed": 5}},
        "pick": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "sigmas": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 4, "denoise": 1.0}},
        "empty": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 32, "batch_size": 1}},
        "draw": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                **{"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["pick", 0], "sigmas": ["sigmas", 0]},
                "latent_image": latent,
            },
        },
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
        "pixels": {"class_type": "VAEDecode", "inputs": {"samples": ["draw", 0], "vae": ["vae", 0]}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["pixels", 0]}},
        **more,
    }


def test_samplers_of_parts_are_told_too() -> None:
    digests = {("diffusion_models", "sub/flux1-dev.safetensors"): "a" * 64, ("loras", "x\\ink.safetensors"): "b" * 64}
    told = to_infotext(
        custom(["empty", 0]), "save", digest_of=lambda kind, name: digests.get((kind, name)), version="sfumato 1"
    )
    assert told is not None
    assert told.prompt == "a cat <lora:ink:0:0.5>"
    assert dict(told.settings) == {
        "Steps": "4",
        "Sampler": "Euler",
        "Schedule type": "Simple",
        "CFG scale": "1",
        "Distilled CFG Scale": "3.5",
        "Seed": "5",
        "Size": "64x32",
        "Model hash": "aaaaaaaaaa",
        "Model": "flux1-dev",
        "VAE": "ae.safetensors",
        "Lora hashes": "ink: bbbbbbbbbb",
        "Version": "sfumato 1",
    }


def test_each_output_is_told_for_itself() -> None:
    prompt = {
        **from_infotext(read_infotext("a\nSteps: 5, Seed: 1, Size: 8x8"), None).prompt,
        "photo": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "plain": {"class_type": "SaveImage", "inputs": {"images": ["photo", 0]}},
        **custom(["empty", 0]),
    }
    assert to_infotext(prompt, "plain") is None
    assert [told.settings["Seed"] for name in ("7", "save") if (told := to_infotext(prompt, name))] == ["1", "5"]


def test_what_goes_in_rings_ends() -> None:
    prompt = custom(["draw", 0], flux={"class_type": "ConditioningConcat", "inputs": {"conditioning_to": ["flux", 0]}})
    assert to_infotext(prompt, "save") is not None
    prompt["flux"] = {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["flux", 0]}}
    assert to_infotext(prompt, "save") is not None


def test_every_sampler_that_is_named_is_one_of_ours(registry: Registry) -> None:
    from nodes.schema import choices_of

    sampler = registry.definitions["KSampler"]
    folders = Folders(Path("/nowhere"))
    named, scheduled = sampler.input("sampler_name"), sampler.input("scheduler")
    assert named is not None
    assert scheduled is not None
    assert {*SAMPLERS.values(), *OWN_SAMPLERS} == set(choices_of(named, folders) or ())
    assert set(SCHEDULES.values()) == set(choices_of(scheduled, folders) or ())
