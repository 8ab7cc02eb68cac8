"""What pictures say of what drew them, and whether it draws them again."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sfumato
from server.cli import main
from server.formats import open_workflow, read_texts, write_texts
from server.formats.infotext import read_infotext

DRAWN: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sfumato-starter"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle, [blue] é", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 2}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            **{"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]},
            **{"seed": 7, "steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
        },
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "photo": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
    "small": {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["photo", 0], "upscale_method": "area", "scale_by": 0.5},
    },
}


def saving(source: str, **how: Any) -> dict[str, Any]:
    return {"class_type": "SaveImageAs", "inputs": {"images": [source, 0], **how}}


SAVED = {
    "png": saving("6", filename_prefix="png", format="png"),
    "webp": saving("6", filename_prefix="webp", format="webp", quality=80),
    "jpeg": saving("6", filename_prefix="jpeg", format="jpeg", quality=80),
    "moving": {"class_type": "SaveAnimatedPNG", "inputs": {"images": ["6", 0], "filename_prefix": "moving"}},
    "plain": saving("small", filename_prefix="plain", format="png"),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder in which every kind of picture was written."""
    base = tmp_path_factory.mktemp("elsewhere")
    (base / "input").mkdir()
    Image.new("RGB", (16, 16), "teal").save(base / "input" / "photo.png")
    sfumato.run({**DRAWN, **SAVED}, base=base, device="cpu")
    return base


@pytest.fixture(autouse=True)
def handlers() -> Generator[None]:
    """The command hears Ctrl-C itself."""
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


def texts(file: Path) -> dict[str, str]:
    return read_texts(file.read_bytes())


def rewritten(file: Path, to: Path, **changed: str) -> Path:
    to.write_bytes(write_texts(file.read_bytes(), {**texts(file), **changed}))
    return to


@pytest.mark.parametrize("name", ["png_00001_.png", "webp_00001_.webp", "jpeg_00002_.jpg", "moving_00001_.png"])
def test_pictures_say_what_drew_them(base: Path, name: str) -> None:
    said = texts(base / "output" / name)
    facts = json.loads(said["sfumato"])
    assert (facts["device"], set(facts["precision"])) == ("cpu", {"unet", "text", "vae"})
    assert facts["torch"].startswith("2.")
    assert {"nodes.sampling", "nodes.vae", "nodes.diffusion"} <= set(facts["nodes"])
    assert {name: len(digest) for name, digest in facts["files"].items()} == {
        "checkpoints/sfumato-starter": 64,
        "input/photo.png": 64,
    }
    info = read_infotext(said["parameters"])
    assert info.prompt == r"a red circle, \[blue\] é"
    assert (info.settings["Seed"], info.settings["Size"]) == ("7", "64x64")
    assert info.settings["Version"].startswith("sfumato ")
    assert str(base) not in (base / "output" / name).read_bytes().decode("latin-1")


def test_a_gallery_reads_the_settings(base: Path) -> None:
    with Image.open(base / "output" / "png_00001_.png") as image:
        assert "Steps: 1, Sampler: Euler" in image.info["parameters"]
    with Image.open(base / "output" / "jpeg_00001_.jpg") as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0")
    assert "Steps: 1, Sampler: Euler" in comment[8:].decode("utf-16-be")


def test_what_no_sampler_drew_has_no_settings(base: Path) -> None:
    assert set(texts(base / "output" / "plain_00001_.png")) == {"prompt", "sfumato"}


def test_a_picture_is_drawn_again(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("jpeg_00002_.jpg", "moving_00001_.png")
    before = sorted(path.name for path in (base / "output").iterdir())
    for name in files:
        assert main(["verify", str(base / "output" / name), "--base", str(base), "--device", "cpu"]) == 0
        assert capsys.readouterr().out == "identical\n"
    assert sorted(path.name for path in (base / "output").iterdir()) == before


def test_another_pixel_is_told(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = base / "output" / "png_00001_.png"
    with Image.open(source) as image:
        pixels = np.array(image)
    pixels[3, 4] = pixels[3, 4] ^ 1
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "PNG")
    (tmp_path / "changed.png").write_bytes(write_texts(raw.getvalue(), texts(source)))
    assert main(["verify", str(tmp_path / "changed.png"), "--base", str(base), "--device", "cpu"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 of 4096 pixels differ (0.0244 %), by at most 1 of 255.",
        "Nothing that was recorded has changed.",
    ]


def test_the_fact_that_changed_is_told(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = base / "output" / "png_00001_.png"
    said = texts(source)
    facts = {**json.loads(said["sfumato"]), "torch": "1.0"}
    facts["files"] = {**facts["files"], "loras/gone.safetensors": "abc"}
    prompt = json.loads(said["prompt"])
    prompt["5"]["inputs"]["seed"] = 8
    changed = rewritten(source, tmp_path / "a.png", sfumato=json.dumps(facts), prompt=json.dumps(prompt))
    assert main(["verify", str(changed), "--base", str(base), "--device", "cpu", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["identical"] is False
    assert answer["difference"]["pixels"] > 100
    assert answer["changed"].keys() == {"torch", "files loras/gone.safetensors"}
    assert answer["changed"]["torch"]["was"] == "1.0"
    assert answer["changed"]["files loras/gone.safetensors"] == {"was": "abc", "now": None}


def test_what_cannot_run_is_told(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = base / "output" / "png_00001_.png"
    prompt = json.loads(texts(source)["prompt"])
    prompt["1"]["inputs"]["ckpt_name"] = "gone.safetensors"
    changed = rewritten(source, tmp_path / "a.png", prompt=json.dumps(prompt))
    assert main(["verify", str(changed), "--base", str(base)]) == 2
    said = capsys.readouterr().err
    assert "gone.safetensors" in said
    assert "files checkpoints/sfumato-starter was d" in said or "it is not there now" in said
    Image.new("RGB", (8, 8)).save(tmp_path / "bare.png")
    assert main(["verify", str(tmp_path / "bare.png"), "--base", str(base)]) == 2
    assert "carries no workflow" in capsys.readouterr().err


@pytest.mark.parametrize("facts", ["", "[]", '{"nodes": []}', '{"files": {"a": {"b": 1}}}', "[" * 100_000])
def test_strange_facts_are_read(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], facts: str) -> None:
    changed = rewritten(base / "output" / "plain_00001_.png", tmp_path / "a.png", sfumato=facts)
    prompt = {name: node for name, node in json.loads(texts(changed)["prompt"]).items() if name in ("photo", "small")}
    prompt["plain"] = SAVED["plain"]
    rewritten(changed, changed, prompt=json.dumps(prompt))
    assert main(["verify", str(changed), "--base", str(base)]) == 0
    assert capsys.readouterr().out == "identical\n"


def test_nothing_is_written_when_told_so(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = {"photo": DRAWN["photo"], "png": saving("photo"), "jpeg": saving("photo", format="jpeg")}
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    told = ["run", str(tmp_path / "flow.json"), "--base", str(base), "--out", str(tmp_path / "bare")]
    assert main([*told, "--disable-metadata"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [texts(file) for file in written] == [{}, {}]


def test_a_long_workflow_leaves_a_jpeg_its_settings(base: Path) -> None:
    long = {**DRAWN, "jpeg": saving("6", filename_prefix="long", format="jpeg")}
    long["2"] = {**long["2"], "_meta": {"title": "y" * 70_000}}
    file, *_ = sfumato.run(long, base=base, device="cpu").files
    said = texts(file)
    assert set(said) == {"sfumato", "parameters"}
    assert open_workflow(file.read_bytes(), _registry()).source == "picture"


def _registry() -> Any:
    from nodes.registry import builtin

    return builtin()
