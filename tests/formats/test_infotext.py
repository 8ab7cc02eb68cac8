from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nodes.folders import Folders
from nodes.registry import Registry
from server.engine.engine import Engine
from server.formats import open_workflow, read_prompt
from server.formats.a1111 import SAMPLERS, SCHEDULES, from_infotext
from server.formats.infotext import Infotext, is_infotext, read_infotext, write_infotext
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
    ("text", "note"),
    [
        ("[a:b:0.5]", "Prompt editing"),
        ("a <hypernet:x:1>", "hypernetwork x"),
        ("a", "another picture"),
    ],
)
def test_what_cannot_be_kept_is_noted(text: str, note: str) -> None:
    made = from_infotext(read_infotext(f"{text}\nSteps: 20, Seed: 1, Size: 8x8, Denoising strength: 0.4"), None)
    assert any(note in each for each in made.notes)


def test_made_workflow_is_valid_with_the_bundled_model(registry: Registry, tmp_path: Path) -> None:
    text = "a red circle\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 3, Size: 64x64"
    folders = Folders.at(tmp_path)
    opened = open_workflow(text.encode(), registry, folders=folders)
    assert opened.report.notes == ("The settings do not name the model that drew this; sfumato-starter stands in.",)
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


def test_workflow_says_its_settings(tmp_path: Path) -> None:
    info = to_infotext(from_infotext(read_infotext(TEXT), None).prompt)
    assert info is not None
    assert info.prompt == "a red (circle:0.909) , (best:1.2)\nsecond line <lora:ink:0.5>"
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


def test_every_sampler_that_is_named_is_one_of_ours(registry: Registry) -> None:
    from nodes.schema import choices_of

    sampler = registry.definitions["KSampler"]
    folders = Folders(Path("/nowhere"))
    named, scheduled = sampler.input("sampler_name"), sampler.input("scheduler")
    assert named is not None
    assert scheduled is not None
    assert set(SAMPLERS.values()) <= set(choices_of(named, folders) or ())
    assert set(SCHEDULES.values()) <= set(choices_of(scheduled, folders) or ())
