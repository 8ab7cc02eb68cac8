from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes.registry import Registry
from server.formats import (
    FormatError,
    Shapes,
    open_document,
    open_workflow,
    read_prompt,
    read_texts,
    to_document,
    write_texts,
)
from server.formats.infotext import write_infotext
from server.formats.script import to_script
from server.formats.settings import to_infotext
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


def infotext(chance: random.Random) -> bytes:
    """Settings in A1111's form, of pieces that mean something to its grammar."""
    pieces = (*"[]():|\\,\né{", "0.5", "12", " AND ", " BREAK ", "<lora:a:1>", "cat")
    names = ("Sampler", "Schedule type", "CFG scale", "Hires upscale", "Hires steps", "Denoising strength", "Clip skip")
    values = ("Euler a", "Karras", "1e9", "-3", "0", "2", "nan", '"a, b"', "999999999999", "Latent", "None", "8x8")
    text = "".join(chance.choice(pieces) for _ in range(chance.randint(0, 120)))
    more = "".join(f", {chance.choice(names)}: {chance.choice(values)}" for _ in range(chance.randint(0, 9)))
    steps = chance.choice((1, 20, 150, 10_000))
    return f"{text}\nNegative prompt: {text[:40]}\nSteps: {steps}, Seed: 1, Size: 8x8{more}".encode()


def check_infotexts(seeds: range, registry: Registry) -> None:
    for seed in seeds:
        data = infotext(random.Random(seed))
        opened = open_workflow(data, registry)
        told = to_infotext(opened.prompt)
        assert told is not None
        opened_or_refused(write_infotext(told).encode(), registry)


def check_scripts(seeds: range, registry: Registry) -> None:
    script = to_script(read_prompt(open_document(text_to_image(), registry).prompt), Shapes(registry)).encode()
    for seed in seeds:
        opened_or_refused(damaged(script, random.Random(seed)), registry)


def check_texts(seeds: range, registry: Registry) -> None:
    """Documents whose text is damaged, rather than what it says."""
    document = json.dumps(text_to_image()).encode()
    for seed in seeds:
        opened_or_refused(damaged(document, random.Random(seed)), registry)


CHECKS = (check_pictures, check_documents, check_prompts, check_infotexts, check_scripts, check_texts)
SOAK_S = 60.0
MOST_S = 20.0
"""For one file, on a machine that does much else."""
MOST_BYTES = 512 << 20


@pytest.mark.parametrize("check", CHECKS[3:])
def test_damaged_texts_are_read_or_refused(check: Any, registry: Registry) -> None:
    check(range(300), registry)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", CHECKS)
def test_a_minute_of_bad_files(check: Any, registry: Registry, record_property: Any) -> None:
    resource = pytest.importorskip("resource")  # memory is not to be measured so on Windows
    check(range(50), registry)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, seed, slowest = time.monotonic(), 10_000, 0.0
    while time.monotonic() - began < SOAK_S:
        start = time.monotonic()
        check(range(seed, seed + 1), registry)
        slowest = max(slowest, time.monotonic() - start)
        seed += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    record_property("files", seed - 10_000)
    sys.stdout.write(f"{check.__name__}: {seed - 10_000} files, slowest {slowest:.2f} s, {grown >> 20} MB more\n")
    assert slowest < MOST_S
    assert grown < MOST_BYTES
