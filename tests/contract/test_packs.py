"""A user's own nodes: ours by decorator, classic ones by class; a broken pack harms nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.define import NEVER, Expand, Out, Returned
from nodes.packs import load_packs
from nodes.registry import Registry, builtin
from nodes.types import Image, Latent, Mask
from nodes.widgets import Choice, Seed

OURS = """
from typing import Annotated
from nodes.define import node
from nodes.widgets import Range

@node(id="Triple", category="mine")
def triple(*, value: Annotated[int, Range(0, 10)] = 1) -> int:
    '''Three times.'''
    return 3 * value
"""

CLASSIC = """
class AnyType(str):
    def __ne__(self, other):
        return False

class Brighten:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "a picture"}),
                "by": ("FLOAT", {"default": 0.25, "min": 0.0, "max": 1.0, "step": 0.05}),
                "mode": (["add", "multiply"],),
                "seed": ("INT", {"default": 3}),
            },
            "optional": {"mask": ("MASK",), "anything": (AnyType("*"),)},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }
    RETURN_TYPES = ("IMAGE", "MASK", "LATENT")
    RETURN_NAMES = ("image", "where", "latent")
    FUNCTION = "go"
    CATEGORY = "classic"
    OUTPUT_NODE = True
    DESCRIPTION = "Brighter."

    def go(self, image, by, mode, seed, unique_id, mask=None, anything=None):
        out = (image + by).clamp(0, 1) if mode == "add" else (image * (1 + by)).clamp(0, 1)
        images = [{"filename": "a.png", "subfolder": "", "type": "temp"}]
        return {"ui": {"images": images, "text": [unique_id]},
                "result": (out, image[0, :, :, 0], {"samples": image.permute(0, 3, 1, 2)})}

    @classmethod
    def IS_CHANGED(cls, seed, **kwargs):
        return float("nan") if seed == 0 else seed

    @classmethod
    def VALIDATE_INPUTS(cls, by):
        return True if by < 0.9 else "by is too large"

class Later:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("INT", {"lazy": True}), "n": ("INT",)}}
    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    def check_lazy_status(self, a=None, n=0):
        return ["a"] if n else []
    async def go(self, a, n):
        return {"result": (["x", 0],), "expand": {"x": {"class_type": "Triple", "inputs": {"value": n, "b": ["x", 0]}}}}

NODE_CLASS_MAPPINGS = {"Brighten": Brighten, "Later": Later}
NODE_DISPLAY_NAME_MAPPINGS = {"Brighten": "Brighten it"}
"""


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    root = tmp_path / "custom_nodes"
    (root / "classic-pack").mkdir(parents=True)
    (root / "mine.py").write_text(OURS)
    (root / "classic-pack" / "__init__.py").write_text(CLASSIC)
    return root


def loaded(root: Path) -> Registry:
    return load_packs(Registry({}), [root])


def test_every_module_of_ours_can_be_imported() -> None:
    assert builtin().errors == ()


def test_both_kinds_are_found(packs: Path) -> None:
    registry = loaded(packs)
    assert set(registry.definitions) == {"Triple", "Brighten", "Later"}
    assert registry.errors == ()
    triple = registry.get("Triple")
    assert triple is not None
    assert triple.run(value=2) == 6


def test_a_classic_node_says_its_schema(packs: Path) -> None:
    made = loaded(packs).definitions["Brighten"]
    assert (made.title, made.category, made.description, made.terminal) == (
        "Brighten it",
        "classic",
        "Brighter.",
        True,
    )
    assert [(i.name, i.type, i.optional) for i in made.inputs] == [
        ("image", "IMAGE", False),
        ("by", "FLOAT", False),
        ("mode", "COMBO", False),
        ("seed", "INT", False),
        ("mask", "MASK", True),
        ("anything", "*", True),
    ]
    assert made.inputs[2].widget == Choice(("add", "multiply"))
    assert made.inputs[3].widget == Seed()
    assert made.hidden == {"unique_id": "UNIQUE_ID"}
    assert [(o.name, o.type) for o in made.outputs] == [("image", "IMAGE"), ("where", "MASK"), ("latent", "LATENT")]


def test_a_classic_node_runs_on_tensors(packs: Path) -> None:
    made = loaded(packs).definitions["Brighten"]
    result: Returned = made.run(image=Image(torch.zeros(1, 4, 4, 3)), by=0.5, mode="add", seed=1, unique_id="9")
    image, mask, latent = result.outputs
    assert isinstance(image, Image)
    assert torch.equal(image.pixels, torch.full((1, 4, 4, 3), 0.5))
    assert isinstance(mask, Mask)
    assert mask.values.shape == (1, 4, 4)
    assert isinstance(latent, Latent)
    assert result.shown is not None
    assert result.shown.files["images"][0].type == "temp"
    assert result.shown.data["text"] == ["9"]


def test_classic_hooks_are_kept(packs: Path) -> None:
    made = loaded(packs).definitions["Brighten"]
    assert made.fingerprint is not None
    assert made.fingerprint(seed=0) is NEVER
    assert made.fingerprint(seed=5) == made.fingerprint(seed=5) != made.fingerprint(seed=6)
    assert list(made.check(by=0.95)) == ["by is too large"]
    assert list(made.check(by=0.5)) == []


def test_classic_laziness_async_and_expansion(packs: Path) -> None:
    made = loaded(packs).definitions["Later"]
    assert list(made.needs(a=None, n=1)) == ["a"]
    assert list(made.needs(a=None, n=0)) == []
    assert made.run(a=1, n=2) == Expand({"x": ("Triple", {"value": 2, "b": Out("x")})}, (Out("x"),))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (bad.py, line 1)"),
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all' (bad.py, line 1)"),
        ("def (", "SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("x = 1", "it defines no node"),
        ("NODE_CLASS_MAPPINGS = {'A': int}", "AttributeError"),
    ],
)
def test_a_broken_pack_is_reported_and_the_rest_loads(packs: Path, code: str, reason: str) -> None:
    (packs / "bad.py").write_text(code)
    registry = loaded(packs)
    assert {"Triple", "Brighten"} <= set(registry.definitions)
    ((pack, said),) = [(e.pack, e.reason) for e in registry.errors]
    assert pack == "bad"
    assert reason in said


def test_a_pack_cannot_replace_a_node(packs: Path) -> None:
    first = loaded(packs)
    (packs / "other.py").write_text(OURS.replace("3 * value", "4 * value"))
    registry = load_packs(first, [packs])
    assert registry.definitions["Triple"] is first.definitions["Triple"]
    assert any("Triple" in e.reason for e in registry.errors)


def test_the_catalogue_costs_no_torch() -> None:
    code = """
import sys, types
from nodes.registry import builtin
from nodes.schema import object_info
from nodes.folders import Folders
from pathlib import Path
registry = builtin()
object_info(registry, Folders.at(Path(sys.argv[1])))
assert type(sys.modules.get("torch")).__name__ != "module", "torch was loaded"
for name in ("diffusers", "transformers"):
    assert name not in sys.modules, name
print(len(registry.definitions))
"""
    done = subprocess.run([sys.executable, "-c", code, "/nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_shipped_node_is_documented_and_placed() -> None:
    def lacks(definition: Any) -> list[str]:
        return [what for what in ("description", "category", "title") if not getattr(definition, what)]

    assert {d.id: lacks(d) for d in builtin() if lacks(d)} == {}


def test_an_installed_pack_takes_the_place_of_what_stands_in_for_it_only(tmp_path: Path) -> None:
    names = 'NODE_CLASS_MAPPINGS = {"Text Multiline": Brighten, "VAEDecode": Brighten}'
    (tmp_path / "mine.py").write_text(f"{CLASSIC}\n{names}\n", "utf-8")
    before = builtin()
    assert before.definitions["Text Multiline"].pack == "WAS Node Suite"
    after = load_packs(before, [tmp_path])
    assert [i.name for i in after.definitions["Text Multiline"].inputs][:2] == ["image", "by"]
    assert after.definitions["VAEDecode"] is before.definitions["VAEDecode"]
    assert [error.reason for error in after.errors] == ["VAEDecode: there are nodes of that name already."]
