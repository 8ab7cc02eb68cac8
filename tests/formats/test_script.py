from __future__ import annotations

import ast

import pytest

from nodes.registry import Registry
from server.formats import FormatError, Shapes, diff, open_workflow, read_prompt, to_prompt
from server.formats.script import from_script, function_name, functions_of, to_script
from tests.formats.documents import text_to_image
from tests.formats.test_rewriting import random_document

EXPECTED = '''"""Seven. Running this script runs the workflow."""

import sfumato
from sfumato.nodes import (
    checkpoint_loader_simple,
    clip_text_encode,
    empty_latent_image,
    ksampler,
    save_image,
    vae_decode,
)

model, clip, vae = checkpoint_loader_simple(ckpt_name='a.safetensors')
prompt = clip_text_encode(text='a cat', clip=clip, _title='Prompt')
conditioning = clip_text_encode(text='bad', clip=clip)
latent = empty_latent_image(width=64, height=32, batch_size=2)
latent_2 = ksampler(
    seed=7,
    steps=20,
    cfg=5.5,
    sampler_name='euler',
    scheduler='normal',
    denoise=0.75,
    model=model,
    positive=prompt,
    negative=conditioning,
    latent_image=latent,
)
image = vae_decode(samples=latent_2, vae=vae)
result = save_image(filename_prefix='out', images=image)

workflow = sfumato.workflow(result)

if __name__ == "__main__":
    sfumato.run(workflow)
'''


def test_script_reads_like_one_that_a_person_wrote(shapes: Shapes) -> None:
    graph = read_prompt(to_prompt(text_to_image(), shapes))
    assert to_script(graph, shapes, "Seven") == EXPECTED


def test_script_opens_as_the_same_workflow(registry: Registry, shapes: Shapes) -> None:
    before = read_prompt(to_prompt(text_to_image(), shapes))
    opened = open_workflow(EXPECTED.encode(), registry)
    assert opened.source == "python"
    assert diff(before, read_prompt(opened.prompt)) == []


@pytest.mark.parametrize("seed", range(150))
def test_any_workflow_comes_back_from_its_script(seed: int, shapes: Shapes) -> None:
    before = read_prompt(to_prompt(random_document(seed), shapes))
    if len(before) == 0:
        return
    script = to_script(before, shapes, 'odd "title"\\')
    ast.parse(script)
    after = read_prompt(from_script(script, shapes))
    assert sorted(p.type for p in after) == sorted(p.type for p in before)
    assert to_script(after, shapes, 'odd "title"\\') == script


def test_names_that_are_no_python_are_kept(shapes: Shapes) -> None:
    prompt = {
        "1": {
            "class_type": "Odd Node|x (pack)",
            "inputs": {"a b": 1, "class": ["2", 3], "__value__": {"__value__": [1]}},
        },
        "2": {"class_type": "def", "inputs": {}, "_meta": {"title": "class"}},
    }
    graph = read_prompt(prompt)
    assert diff(graph, read_prompt(from_script(to_script(graph, shapes), shapes))) == []


@pytest.mark.parametrize(
    ("node_type", "name"),
    [
        ("KSampler", "ksampler"),
        ("CLIPTextEncode", "clip_text_encode"),
        ("CheckpointLoaderSimple", "checkpoint_loader_simple"),
        ("VAEDecode", "vae_decode"),
        ("ImageScaleBy", "image_scale_by"),
        ("KSamplerAdvanced", "ksampler_advanced"),
        ("unCLIPConditioning", "un_clip_conditioning"),
        ("FreeU_V2", "free_u_v2"),
        ("Not", "not_"),
        ("ImageResize+", "image_resize_plus"),
    ],
)
def test_functions_are_called_as_types(node_type: str, name: str) -> None:
    assert function_name(node_type) == name


def test_every_node_of_ours_has_a_function(registry: Registry, shapes: Shapes) -> None:
    assert set(registry.definitions) <= set(functions_of(shapes).values())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x = open('a')", "Line 2 of the script calls open"),
        ("x = node('T', a=__import__('os'))", "Line 2 of the script is more than a workflow"),
        ("for n in range(3): node('T')", "Line 2"),
        ("x = node('T', *[1])", "Line 2"),
        ("x = node(", "no Python"),
        ("", "builds no workflow"),
    ],
)
def test_script_that_does_more_is_refused(line: str, message: str, shapes: Shapes) -> None:
    with pytest.raises(FormatError, match=message):
        from_script(f"from sfumato.nodes import node\n{line}", shapes)


def test_nothing_that_runs_is_no_script(shapes: Shapes) -> None:
    with pytest.raises(FormatError, match="No node of this workflow runs"):
        to_script(read_prompt({}), shapes)


def test_cycle_is_no_script(shapes: Shapes) -> None:
    ring = {"1": {"class_type": "T", "inputs": {"a": ["2", 0]}}, "2": {"class_type": "T", "inputs": {"a": ["1", 0]}}}
    with pytest.raises(FormatError, match="cycle"):
        to_script(read_prompt(ring), shapes)
