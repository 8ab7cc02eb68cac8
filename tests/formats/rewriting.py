"""A slow, obvious converter to compare with: it rewrites the drawing step by step until only what runs is left.

Instances are replaced by copies of their definitions, then every link from a reroute or a bypassed node is replaced by
the link that it passes on, until none is left. The converter proper walks upstream instead and rewrites nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.formats.documents import Json

Place = tuple[str, int]
WALL = "wall"


@dataclass
class Flat:
    """Nodes by id; for each input that is linked where it comes from; constants that replace a field's value."""

    nodes: dict[str, Json] = field(default_factory=dict)
    edges: dict[Place, Place] = field(default_factory=dict)
    constants: dict[Place, Any] = field(default_factory=dict)
    results: list[Place | None] = field(default_factory=list)


def reference(document: Json) -> dict[str, Any]:
    """Inputs by node of what runs."""
    definitions = {d["id"]: d for d in document.get("definitions", {}).get("subgraphs", [])}
    flat = flatten(document, definitions, "")
    remove_passers(flat)
    return {name: inputs(flat, name) for name, node in flat.nodes.items() if runs(node)}


def runs(node: Json) -> bool:
    return node["mode"] == 0 and node["type"] not in ("Reroute", "PrimitiveNode")


def flatten(sheet: Json, definitions: dict[str, Json], prefix: str) -> Flat:
    flat = Flat()
    links = {link["id"]: link for each in sheet["links"] for link in [as_object(each)]}

    def place(link: Json) -> Place:
        return (WALL if link["origin_id"] == -10 else f"{prefix}{link['origin_id']}", link["origin_slot"])

    for node in sheet["nodes"]:
        flat.nodes[f"{prefix}{node['id']}"] = node
        for slot, socket in enumerate(node["inputs"]):
            if socket["link"] in links:
                flat.edges[f"{prefix}{node['id']}", slot] = place(links[socket["link"]])
    for slot in range(len(sheet.get("outputs", []))):
        feeding = [link for link in links.values() if link["target_id"] == -20 and link["target_slot"] == slot]
        flat.results.append(place(feeding[-1]) if feeding else None)
    for node in sheet["nodes"]:
        if node["type"] in definitions and node["mode"] == 0:
            inline(flat, f"{prefix}{node['id']}", node, definitions)
    return flat


def inline(flat: Flat, name: str, instance: Json, definitions: dict[str, Json]) -> None:
    """Put a copy of the definition in the instance's place."""
    definition = definitions[instance["type"]]
    inner = flatten(definition, definitions, f"{name}:")
    fields = [s["name"] for s in instance["inputs"] if "widget" in s]
    values = dict(zip(fields, instance["widgets_values"], strict=True))

    def outer(source: Place) -> Place | None:
        """What a place inside is, seen from outside: itself, or what feeds the instance."""
        if source[0] != WALL:
            return source
        wanted = definition["inputs"][source[1]]["name"]
        slot = next(n for n, s in enumerate(instance["inputs"]) if s["name"] == wanted)
        return flat.edges.get((name, slot))

    def constant(source: Place) -> Any:
        wanted = definition["inputs"][source[1]]["name"] if source[0] == WALL else None
        slot = next((n for n, s in enumerate(instance["inputs"]) if s["name"] == wanted), -1)
        return flat.constants.get((name, slot), values.get(wanted))

    for target, source in inner.edges.items():
        seen = outer(source)
        if seen is not None:
            flat.edges[target] = seen
        elif constant(source) is not None:
            flat.constants[target] = constant(source)
    flat.constants |= inner.constants
    for target, source in list(flat.edges.items()):
        if source[0] != name:
            continue
        given = inner.results[source[1]]
        del flat.edges[target]
        if given is not None and outer(given) is not None:
            flat.edges[target] = outer(given)  # pyright: ignore[reportArgumentType]
        elif given is not None and constant(given) is not None:
            flat.constants[target] = constant(given)
    for place, result in enumerate(flat.results):
        if result is not None and result[0] == name:
            given = inner.results[result[1]]
            flat.results[place] = None if given is None else outer(given)
    for slot in range(len(instance["inputs"])):
        flat.edges.pop((name, slot), None)
    del flat.nodes[name]
    flat.nodes |= inner.nodes


def remove_passers(flat: Flat) -> None:
    """Follow each link one step at a time until it comes from a node that runs or that is muted."""
    changed = True
    while changed:
        changed = False
        for target, source in list(flat.edges.items()):
            consumer = flat.nodes[target[0]]
            if not runs(consumer):
                continue
            node = flat.nodes[source[0]]
            if node["type"] == "PrimitiveNode":
                del flat.edges[target]
                flat.constants[target] = node["widgets_values"][0]
                changed = True
            elif node["type"] == "Reroute" or node["mode"] == 4:
                wanted = consumer["inputs"][target[1]]["type"]
                slot = 0 if node["type"] == "Reroute" else passing(node, source[1], wanted)
                passed = flat.edges.get((source[0], slot))
                constant = flat.constants.get((source[0], slot))
                del flat.edges[target]
                if passed is not None:
                    flat.edges[target] = passed
                elif constant is not None:
                    flat.constants[target] = constant
                changed = True


def passing(node: Json, slot: int, wanted: str) -> int:
    """The place of the input that a bypassed node hands on; -1 for none."""
    kinds = [s["type"] for s in node["inputs"]]

    def fit(a: str, b: str) -> bool:
        return a == "*" or b in ("*", a)

    if wanted == "*":
        return slot if slot < len(kinds) else 0
    if slot < len(kinds) and fit(kinds[slot], node["outputs"][slot]["type"]) and fit(kinds[slot], wanted):
        return slot
    if wanted in kinds:
        return kinds.index(wanted)
    return kinds.index("*") if "*" in kinds else -1


def inputs(flat: Flat, name: str) -> dict[str, Any]:
    node = flat.nodes[name]
    fields = [s["name"] for s in node["inputs"] if "widget" in s]
    found: dict[str, Any] = dict(zip(fields, node["widgets_values"], strict=True))
    for slot, socket in enumerate(node["inputs"]):
        source = flat.edges.get((name, slot))
        if source is not None and flat.nodes[source[0]]["mode"] == 2:
            found.pop(socket["name"], None)
        elif source is not None:
            found[socket["name"]] = [*source]
        elif (name, slot) in flat.constants:
            found[socket["name"]] = flat.constants[name, slot]
    return found


def as_object(link: Any) -> Json:
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return link if isinstance(link, dict) else dict(zip(keys, link, strict=True))
