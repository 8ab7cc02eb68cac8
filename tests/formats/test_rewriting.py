from __future__ import annotations

from random import Random
from typing import Any

import pytest

from server.formats import Shapes, to_prompt
from tests.formats.documents import Json, item, sheet, socket, subgraph
from tests.formats.rewriting import reference

TYPES = ("A", "B", "*")


def random_document(seed: int) -> Json:
    """Nodes in a row, each fed by some before it; definitions that use those defined after them."""
    chance = Random(seed)
    count = chance.randint(0, 4)
    walls = {f"sub{n}": (chance.randint(0, 3), chance.randint(0, 3), chance.randint(0, 2)) for n in range(count)}
    kinds = {name: random_walls(chance, *sizes) for name, sizes in walls.items()}
    definitions = [
        random_sheet(chance, {k: v for k, v in kinds.items() if k > name}, name, kinds[name]) for name in kinds
    ]
    return {**random_sheet(chance, kinds, None, ([], [])), "definitions": {"subgraphs": definitions}}


def random_walls(chance: Random, ins: int, outs: int, fields: int) -> tuple[list[Any], list[Any]]:
    entries = [(f"in{n}", chance.choice(TYPES)) for n in range(ins)] + [(f"field{n}", "INT") for n in range(fields)]
    chance.shuffle(entries)
    return entries, [(f"out{n}", chance.choice(TYPES)) for n in range(outs)]


def random_sheet(chance: Random, kinds: dict[str, Any], name: str | None, walls: tuple[list[Any], list[Any]]) -> Json:
    nodes: list[Json] = []
    links: list[list[Any]] = []
    sources = [(-10, slot, kind) for slot, (_, kind) in enumerate(walls[0])]

    def link(target: int, slot: int, kind: str) -> int | None:
        fitting = [s for s in sources if (s[2] == "INT") == (kind == "INT")]
        if not fitting or chance.random() < 0.2:
            return None
        origin, origin_slot, _ = chance.choice(fitting)
        links.append([len(links) + 1, origin, origin_slot, target, slot, kind])
        return len(links)

    for number in range(1, chance.randint(2, 9)):
        node = random_node(chance, number, kinds)
        for slot, each in enumerate(node["inputs"]):
            each["link"] = link(number, slot, each["type"])
        nodes.append(node)
        sources += [(number, slot, out["type"]) for slot, out in enumerate(node["outputs"])]
    for slot, (_, kind) in enumerate(walls[1]):
        link(-20, slot, kind)
    return sheet(nodes, links) if name is None else subgraph(name, nodes, links, *walls)


def random_node(chance: Random, number: int, kinds: dict[str, Any]) -> Json:
    roll = chance.random()
    if roll < 0.15:
        return item(number, "Reroute", ins=[("", "*")], outs=("*",))
    if roll < 0.25:
        return item(number, "PrimitiveNode", [chance.randrange(100), "fixed"], outs=("INT",))
    mode = chance.choice((0, 0, 0, 0, 2, 4, 4))
    if roll < 0.5 and kinds:
        kind = chance.choice(list(kinds))
        ins, outs = kinds[kind]
        sockets = [socket(n, t, None, n if t == "INT" else None) for n, t in ins]
        values = [chance.choice((None, chance.randrange(100, 200))) for n, t in ins if t == "INT"]
        node = item(number, kind, values, outs=[t for _, t in outs], mode=mode)
        return {**node, "inputs": sockets}
    ins = [(f"i{n}", chance.choice(TYPES)) for n in range(chance.randint(0, 3))]
    node = item(number, "Toy", [chance.randrange(200, 300)], ins=ins, mode=mode)
    node["inputs"].append(socket("w", "INT", None, "w"))
    node["outputs"] = [{"name": "", "type": chance.choice(TYPES)} for _ in range(chance.randint(0, 3))]
    return node


def check(seed: int, shapes: Shapes) -> None:
    document = random_document(seed)
    prompt = to_prompt(document, shapes)
    assert {name: node["inputs"] for name, node in prompt.items()} == reference(document), seed


@pytest.mark.parametrize("block", range(8))
def test_random_documents_convert_as_by_rewriting(block: int, shapes: Shapes) -> None:
    for seed in range(block * 250, block * 250 + 250):
        check(seed, shapes)


def test_random_documents_hold_what_they_are_to_test() -> None:
    documents = [random_document(seed) for seed in range(200)]
    nodes = [n for d in documents for s in (d, *d["definitions"]["subgraphs"]) for n in s["nodes"]]
    assert {n["mode"] for n in nodes} == {0, 2, 4}
    assert {"Reroute", "PrimitiveNode", "Toy", "sub0", "sub3"} <= {n["type"] for n in nodes}
    assert sum(len(reference(d)) for d in documents) > 400


@pytest.mark.soak
def test_many_random_documents_convert_as_by_rewriting(shapes: Shapes) -> None:
    for seed in range(10_000, 60_000):
        check(seed, shapes)
