from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import sfumato
from nodes.registry import builtin
from server.formats import Shapes, diff, open_workflow, read_prompt
from server.formats.script import to_script
from sfumato import nodes

CHECKERBOARD = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
}


def built() -> sfumato.Workflow:
    image = nodes.empty_image(16, 8, batch_size=1, color=255)
    return sfumato.workflow(nodes.save_image(images=image, filename_prefix="blue"))


def test_calls_of_nodes_are_a_workflow() -> None:
    assert built().prompt == CHECKERBOARD


def test_outputs_are_taken_apart_and_shared() -> None:
    model, clip, vae = nodes.checkpoint_loader_simple("sfumato-starter")
    text = nodes.clip_text_encode(text="a", clip=clip, _title="Prompt")
    latent = nodes.ksampler(model=model, positive=text, negative=text, latent_image=nodes.empty_latent_image(64, 64, 1))
    prompt = sfumato.workflow(nodes.vae_decode(samples=latent, vae=vae)).prompt
    assert [n["class_type"] for n in prompt.values()] == [
        "CheckpointLoaderSimple",
        "CLIPTextEncode",
        "EmptyLatentImage",
        "KSampler",
        "VAEDecode",
    ]
    assert prompt["4"]["inputs"]["positive"] == prompt["4"]["inputs"]["negative"] == ["2", 0]
    assert prompt["2"]["_meta"] == {"title": "Prompt"}
    assert prompt["5"]["inputs"] == {"samples": ["4", 0], "vae": ["1", 2]}


def test_wrong_inputs_are_named() -> None:
    with pytest.raises(TypeError, match=r"EmptyImage has no input 'widht'\. Is it 'width'\?"):
        nodes.empty_image(widht=3)
    with pytest.raises(TypeError, match="width is given twice"):
        nodes.empty_image(3, width=3)
    with pytest.raises(ImportError, match="no_such_node"):
        from sfumato.nodes import no_such_node  # noqa: F401 # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("kind", ["built", "prompt", "file"])
def test_workflow_runs_from_python(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    shapes = Shapes(builtin())
    file.write_text(to_script(read_prompt(CHECKERBOARD), shapes))
    what = {"built": built(), "prompt": CHECKERBOARD, "file": file}[kind]
    result = sfumato.run(what, {"EmptyImage.width": 32}, base=tmp_path)
    (image,) = result.images()
    assert (image.size, image.getpixel((3, 3))) == ((32, 8), (0, 0, 255))
    assert result.tensors()[0].shape == (8, 32, 3)
    assert [f.parent for f in result.files] == [tmp_path / "output"]


def test_workflow_runs_beside_the_event_loop(tmp_path: Path) -> None:
    result = asyncio.run(sfumato.run_async(built(), base=tmp_path))
    assert len(result.files) == 1


def test_what_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(sfumato.WorkflowError, match="width"):
        sfumato.run(built(), {"EmptyImage.width": -5}, base=tmp_path)
    with pytest.raises(sfumato.WorkflowError, match="Nobody"):
        sfumato.run(built(), {"Nobody.seed": 1}, base=tmp_path)


def test_script_of_a_workflow_runs_as_a_program(tmp_path: Path) -> None:
    script = tmp_path / "blue.py"
    script.write_text(to_script(read_prompt(CHECKERBOARD), Shapes(builtin()), "Blue"))
    environment = {"SFUMATO_BASE": str(tmp_path), "PYTHONPATH": str(Path(sfumato.__file__).parents[1])}
    subprocess.run([sys.executable, str(script)], check=True, env=environment, timeout=280)
    (picture,) = (tmp_path / "output").iterdir()
    opened = open_workflow(picture.read_bytes(), builtin())
    assert diff(read_prompt(CHECKERBOARD), read_prompt(opened.prompt)) == []
