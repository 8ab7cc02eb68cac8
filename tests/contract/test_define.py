"""The contract: what a signature says is what the schema says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import pytest

from nodes.define import (
    MISSING,
    NEVER,
    AnyValue,
    Context,
    Expand,
    ExtraPnginfo,
    NodeDef,
    Prompt,
    Provided,
    Saved,
    Shown,
    Subgraph,
    UniqueId,
    node,
    unpack,
)
from nodes.types import Image, Latent, Mask, Model
from nodes.widgets import (
    Choice,
    Each,
    Files,
    Lazy,
    Many,
    Named,
    Range,
    Seed,
    Socket,
    Spare,
    Text,
    Tip,
    Wire,
)


class Shelf(Provided):
    """Something a worker hands out."""


class Two(NamedTuple):
    image: Image
    size: int


class Kept(NamedTuple):
    image: Image
    shown: Shown


@node(id="Everything", title="Every thing", category="test", version=2, aliases=["all"])
def everything(
    ctx: Context,
    shelf: Shelf,
    *,
    model: Model,
    seed: Annotated[int, Seed()] = 0,
    amount: Annotated[float, Range(0, 1, step=0.01), Tip("How much.")] = 0.5,
    name: Annotated[str, Choice(["a", "b"])] = "a",
    file: Annotated[str, Files("loras")],
    text: Annotated[str, Text(multiline=True)],
    on: bool = True,
    forced: Annotated[int, Wire],
    anything: AnyValue,
    either: Annotated[Any, Socket("IMAGE,MASK")],
    images: Annotated[list[Image], Each(max=3, min=1)],
    masks: Annotated[list[Mask], Many],
    later: Annotated[Latent | None, Lazy] = None,
    spare: Annotated[int, Range(1, 2), Spare] = 1,
    from_: Annotated[int, Named("from")] = 3,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    unique_id: UniqueId = "",
) -> Two:
    """Say a lot.

    Not shown in the description.
    """
    raise NotImplementedError


def test_a_signature_says_types_widgets_and_defaults() -> None:
    made = everything.definition
    assert (made.id, made.title, made.category, made.version) == ("Everything", "Every thing", "test", 2)
    assert made.description == "Say a lot."
    assert {i.name: i.type for i in made.inputs} == {
        "model": "MODEL",
        "seed": "INT",
        "amount": "FLOAT",
        "name": "COMBO",
        "file": "COMBO",
        "text": "STRING",
        "on": "BOOLEAN",
        "forced": "INT",
        "anything": "*",
        "either": "IMAGE,MASK",
        "images": "IMAGE",
        "masks": "MASK",
        "later": "LATENT",
        "spare": "INT",
        "from": "INT",
    }
    assert {i.name for i in made.inputs if i.optional} == {"later", "spare"}
    assert {i.name for i in made.inputs if i.default is MISSING} >= {"model", "file", "text", "forced"}
    assert {i.name for i in made.inputs if i.is_widget} == {
        "seed",
        "amount",
        "name",
        "file",
        "text",
        "on",
        "spare",
        "from",
    }


def test_marks_say_how_a_socket_travels() -> None:
    by_name = {i.name: i for i in everything.definition.inputs}
    assert by_name["forced"].wire
    assert by_name["masks"].many
    assert by_name["later"].lazy
    assert by_name["images"].each == Each(max=3, min=1)
    assert by_name["amount"].tooltip == "How much."
    assert by_name["from"].parameter == "from_"


def test_what_a_worker_hands_out_is_no_socket() -> None:
    assert everything.definition.provided == {"ctx": Context, "shelf": Shelf}
    assert everything.definition.hidden == {
        "prompt": "PROMPT",
        "extra_pnginfo": "EXTRA_PNGINFO",
        "unique_id": "UNIQUE_ID",
    }


def test_growing_inputs_are_found_by_their_places() -> None:
    found = everything.definition.input("images.2")
    assert found is not None
    assert found.name == "images"
    assert everything.definition.input("nothing.2") is None


def test_outputs_are_named_by_field_or_by_type() -> None:
    assert [(o.name, o.type) for o in everything.definition.outputs] == [("IMAGE", "IMAGE"), ("size", "INT")]


def test_a_node_stays_a_function() -> None:
    @node(id="Add")
    def add(*, a: int, b: int = 2) -> int:
        """Their sum."""
        return a + b

    assert add(a=1) == 3
    assert unpack(add.definition, add(a=1)).outputs == (3,)


@pytest.mark.parametrize("bad", ["Latents", "set"])
def test_a_type_without_a_socket_is_refused_by_name(bad: str) -> None:
    def strange(*, it: Any) -> int:
        return 0

    strange.__annotations__["it"] = {"Latents": complex, "set": set[int]}[bad]
    made = node(id="Strange")(strange)

    with pytest.raises(TypeError, match=r"Strange\.it: .* is no socket type"):
        _ = made.definition


def test_hooks_become_part_of_the_definition() -> None:
    @node(id="Hooked", version=2)
    def hooked(*, a: int = 1, b: Annotated[int | None, Lazy] = None) -> int:
        return a + (b or 0)

    @hooked.needs
    def _needs(a: int) -> list[str]:
        return ["b"] if a else []

    @hooked.fingerprint
    def _fingerprint() -> object:
        return NEVER

    @hooked.check
    def _check(a: int) -> Iterator[str]:
        if a == 7:
            yield "a must not be 7"

    @hooked.migrate(1)
    def _migrate(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"a": inputs["old"]}

    made = hooked.definition
    assert list(made.needs(a=1)) == ["b"]
    assert made.fingerprint is not None
    assert made.fingerprint() is NEVER
    assert list(made.check(a=7)) == ["a must not be 7"]
    assert made.migrations[1]({"old": 4}) == {"a": 4}


def _definition(annotation: Any) -> NodeDef:
    def fn() -> None: ...

    fn.__annotations__["return"] = annotation
    return node(id="X", terminal=True)(fn).definition


def test_results_are_taken_apart() -> None:
    image = object()
    shown = Shown.images([Saved("a.png")])
    assert unpack(_definition(Shown), shown).shown is shown
    assert unpack(_definition(None), None).outputs == ()
    kept = unpack(_definition(Kept), Kept(image, shown))  # type: ignore[arg-type]
    assert kept.outputs == (image,)
    assert kept.shown is shown
    with pytest.raises(TypeError, match="returned 1 outputs; it declares 2"):
        unpack(_definition(Two), (1,))


def test_a_subgraph_is_built_by_name() -> None:
    graph = Subgraph()
    first = graph.add("Add", a=1, b=2)
    second = graph.add("Add", a=first, b=first)
    made = graph.expand(second)
    assert made == Expand({"1": ("Add", {"a": 1, "b": 2}), "2": ("Add", {"a": first, "b": first})}, (second,))
