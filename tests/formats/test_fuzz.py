from __future__ import annotations

import contextlib
import io
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes.registry import Registry
from server.formats import FormatError, Shapes, open_document, open_workflow, read_texts, to_document, write_texts
from tests.formats.documents import text_to_image
from tests.formats.test_rewriting import random_document

HEALTH = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
QUICK = settings(max_examples=100, deadline=None, database=None, suppress_health_check=HEALTH)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def opened_or_refused(data: bytes, registry: Registry) -> None:
    """Any bytes open, or are refused in a sentence."""
    refused = ""
    try:
        prompt = open_workflow(data, registry, "file").prompt
    except FormatError as error:
        prompt, refused = {}, str(error)
    json.dumps(to_document(prompt, Shapes(registry)))
    assert not refused or (refused.startswith("file: ") and len(refused) < 1000)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, cut or repeated."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(raw))
        match chance.randrange(4):
            case 0:
                raw[place] = chance.randrange(256)
            case 1:
                raw[place : place + chance.randrange(40)] = b""
            case 2:
                raw[place:place] = raw[place : place + chance.randrange(40)]
            case _:
                raw[place : place + 4] = chance.randbytes(4)
        raw = raw or bytearray(b"x")
    return bytes(raw)


def pictures() -> list[bytes]:
    found: list[bytes] = []
    texts = {"workflow": json.dumps(text_to_image()), "parameters": "a\nSteps: 1, Seed: 2, Size: 8x8"}
    for kind in ("PNG", "WEBP", "JPEG"):
        out = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(out, kind)
        found.append(write_texts(out.getvalue(), texts))
    return found


def twisted(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part somewhere replaced by another kind of thing."""
    if isinstance(value, list | dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        changed = twisted(value[key], chance)
        if isinstance(value, dict):
            return {**value, key: changed} if chance.random() < 0.9 else {k: v for k, v in value.items() if k != key}
        return [*value[:key], changed, *value[key + 1 :]]
    return chance.choice(
        (None, True, -1, 2**70, 1.5, float("inf"), "", "x", "-10", [], {}, [[]], [1, 2, 3, 4, 5], {"a": []})
    )


def check_pictures(seeds: range, registry: Registry) -> None:
    known = pictures()
    for seed in seeds:
        chance = random.Random(seed)
        data = damaged(chance.choice(known), chance)
        opened_or_refused(data, registry)
        with contextlib.suppress(FormatError):
            read_texts(write_texts(data, {"prompt": "{}"}))


def check_documents(seeds: range, registry: Registry) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        document = random_document(seed) if seed % 2 else text_to_image()
        for _ in range(chance.randint(1, 4)):
            document = twisted(document, chance)
        opened_or_refused(json.dumps(document).encode(), registry)


def check_prompts(seeds: range, registry: Registry) -> None:
    prompt = open_document(text_to_image(), registry).prompt
    for seed in seeds:
        chance = random.Random(seed)
        opened_or_refused(json.dumps(twisted(twisted(prompt, chance), chance)).encode(), registry)


def test_damaged_pictures_are_read_or_refused(registry: Registry) -> None:
    check_pictures(range(1500), registry)


def test_twisted_documents_are_read_or_refused(registry: Registry) -> None:
    check_documents(range(1500), registry)


def test_twisted_prompts_are_read_or_refused(registry: Registry) -> None:
    check_prompts(range(1500), registry)


@QUICK
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes, registry: Registry) -> None:
    opened_or_refused(data, registry)


@QUICK
@given(value=JSON)
def test_any_json_is_read_or_refused(value: Any, registry: Registry) -> None:
    opened_or_refused(json.dumps({"nodes": [value], "links": value}).encode(), registry)
    opened_or_refused(json.dumps({"1": {"class_type": "X", "inputs": {"a": value}}, "2": value}).encode(), registry)


@QUICK
@given(text=st.text(alphabet='ab:,[]{}|\\()<>lora \n"019.', max_size=200))
def test_any_infotext_is_read(text: str, registry: Registry) -> None:
    opened_or_refused(f"{text}\nSteps: 1, Seed: {text[:5]!r}, Size: 8x8, CFG scale: 1".encode(), registry)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 100_000,
        '{"nodes":[],"x":1e999999}',
        "[:" * 200_000 + "\nSteps: 1, B: 2, C: 3",
    ],
    ids=["lists", "objects", "digits", "exponent", "brackets"],
)
def test_hostile_texts_end_soon(text: str, registry: Registry) -> None:
    opened_or_refused(text.encode(), registry)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_long_fuzz(registry: Registry) -> None:
    check_pictures(range(10_000, 60_000), registry)
    check_documents(range(10_000, 60_000), registry)
    check_prompts(range(10_000, 60_000), registry)
