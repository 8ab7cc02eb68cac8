"""An API-format prompt as a document that the editor opens: every node drawn, placed in columns along its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from nodes.brought import is_brought
from nodes.define import MISSING
from nodes.widgets import Rows
from server.formats.prompt import Prompt, is_link
from server.formats.rows import list_rows, places_of
from server.formats.shapes import InputShape, NodeShape, Shapes, compatible
from server.formats.texts import escaped

_COLUMN_GAP, _ROW_GAP, _TOP = 80, 60, 100
_WIDTH, _LINE, _HEAD, _TEXT_LINES = 315, 26, 40, 6
_BIGGEST_ID = 2**53
_NO_FIELDS = frozenset(
    {
        "upload",
        "choose file to upload",
        "control_after_generate",
        "PowerLoraLoaderHeaderWidget",
        "➕ Add Lora",
    }
)
"""What prompts have of buttons and headings."""


def to_document(prompt: Prompt, shapes: Shapes, *, title: str = "", description: str = "") -> dict[str, Any]:
    """The editor's file (0.4) of a prompt, in a form that converts back to the same nodes, links and values.

    Ids that are whole numbers stay; others become new ones. Fields that the prompt leaves out get their defaults.
    """
    drawn = _Drawing(prompt, shapes)
    extra = {key: text for key, text in (("title", title), ("description", description)) if text}
    nodes = drawn.nodes()
    return {
        "last_node_id": max((node["id"] for node in nodes), default=0),
        "last_link_id": len(drawn.links),
        "nodes": nodes,
        "links": drawn.links,
        "groups": [],
        "config": {},
        "extra": extra,
        "version": 0.4,
    }


@dataclass(slots=True)
class _Node:
    """A node while it is drawn."""

    id: int
    type: str
    title: str
    shape: NodeShape | None
    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    values: list[Any] = field(default_factory=list[Any])
    lines: int = 0

    @property
    def size(self) -> list[int]:
        sockets = sum("widget" not in each for each in self.inputs)
        return [_WIDTH, _HEAD + _LINE * (max(sockets, len(self.outputs)) + self.lines)]


class _Drawing:
    def __init__(self, prompt: Prompt, shapes: Shapes) -> None:
        self._prompt = prompt
        self._shapes = shapes
        self.links: list[list[Any]] = []
        ids = numbered(prompt)
        self._nodes = {
            name: _Node(ids[name], node["class_type"], _title(node), shapes.get(node["class_type"]))
            for name, node in prompt.items()
        }

    def nodes(self) -> list[dict[str, Any]]:
        """The node objects, placed."""
        for node in self._nodes.values():
            self._draw_outputs(node)
        for name, node in self._nodes.items():
            self._draw_inputs(node, self._prompt[name]["inputs"])
        places = self._places()
        order = sorted(self._nodes, key=lambda name: places[name][0])
        turn = {name: number for number, name in enumerate(order)}
        return [self._object(node, places[name], turn[name]) for name, node in self._nodes.items()]

    def _draw_outputs(self, node: _Node) -> None:
        """The outputs that the type has; of an unknown type those that are used."""
        known = node.shape.outputs if node.shape else ()
        node.outputs = [{"name": n, "type": t, "links": []} for n, t in known]

    def _output(self, name: str, slot: int, wanted: str) -> dict[str, Any] | None:
        node = self._nodes.get(name)
        if node is None or not 0 <= slot < 1000:
            return None
        known = len(node.shape.outputs) if node.shape else 0
        while len(node.outputs) <= slot:  # a later version of a known node may have more than we know
            node.outputs.append({"name": f"output {len(node.outputs)}", "type": "*", "links": []})
        if slot >= known and node.outputs[slot]["type"] == "*":
            node.outputs[slot].update(type=wanted, name=wanted)
        return node.outputs[slot]

    def _draw_inputs(self, node: _Node, given: Mapping[str, Any]) -> None:
        left = dict(given)
        self._draw_rows(node, left)
        for each in node.shape.inputs if node.shape else ():
            if each.rows is not None and each.name not in left:
                continue
            grown = [n for n in left if n.startswith(each.name + ".")] if not each.widget else []
            if each.name not in left and is_brought(node.type, each.name):
                continue  # another choice brings it
            for name in grown or [each.name]:
                self._draw_input(node, name, each, left.pop(name, MISSING))
        for name, value in left.items():
            if name not in _NO_FIELDS:
                plain = not is_link(value)
                self._draw_input(node, name, InputShape(name, _type_of(value), widget=plain), value)

    def _draw_rows(self, node: _Node, left: dict[str, Any]) -> None:
        """Rows are in no input of a node: they stand one after another among its values."""
        places: Mapping[str, Rows] = places_of(node.shape) if node.shape else {}
        for rows in {each.name: each for each in places.values()}.values():
            names = [name for name, each in places.items() if each == rows and each.holds(left.get(name))]
            node.values += list_rows(rows, [left.pop(name) for name in names])
            node.lines += len(names) + 1

    def _draw_input(self, node: _Node, name: str, each: InputShape, value: Any) -> None:
        socket: dict[str, Any] = {"name": name, "type": each.type, "link": None}
        if is_link(value):
            self._connect(node, socket, value)
        if each.widget:
            socket["widget"] = {"name": name}
            self._draw_field(node, each, socket, value)
        elif value is not MISSING and socket["link"] is None:
            socket["widget"] = {"name": name}  # a value where a socket is: kept, so that nothing is lost
            node.values.append(_unwrapped(value))
        node.inputs.append(socket)

    def _draw_field(self, node: _Node, each: InputShape, socket: Mapping[str, Any], value: Any) -> None:
        if value is MISSING or socket["link"] is not None or is_link(value):
            value = None if each.default is MISSING else each.default
        literal = escaped(value) if each.dynamic and isinstance(value, str) else _unwrapped(value)
        node.values.append(literal)
        node.lines += _TEXT_LINES if each.type == "STRING" and len(str(value)) > 40 else 1
        if each.control:
            node.values.append("fixed")
            node.lines += 1

    def _connect(self, node: _Node, socket: dict[str, Any], link: list[Any]) -> None:
        origin, slot = link
        output = self._output(origin, slot, socket["type"])
        if output is None:
            return
        if socket["type"] == "*" or not compatible(socket["type"], output["type"]):
            socket["type"] = output["type"] if socket["type"] == "*" else socket["type"]
        number = len(self.links) + 1
        socket["link"] = number
        output["links"].append(number)
        self.links.append([number, self._nodes[origin].id, slot, node.id, len(node.inputs), output["type"]])

    def _places(self) -> dict[str, tuple[int, int]]:
        """Where each node stands: the column after the last of what feeds it, below those that came before."""
        columns = columns_of(self._prompt)
        bottoms: dict[int, int] = {}
        found: dict[str, tuple[int, int]] = {}
        for name, node in self._nodes.items():
            column = columns[name]
            y = bottoms.get(column, _TOP)
            found[name] = (column * (_WIDTH + _COLUMN_GAP), y)
            bottoms[column] = y + node.size[1] + _ROW_GAP
        return found

    def _object(self, node: _Node, place: tuple[int, int], order: int) -> dict[str, Any]:
        shown = {"title": node.title} if node.title and node.title != (node.shape and node.shape.title) else {}
        return {
            "id": node.id,
            "type": node.type,
            "pos": list(place),
            "size": node.size,
            "flags": {},
            "order": order,
            "mode": 0,
            **shown,
            "inputs": node.inputs,
            "outputs": node.outputs,
            "properties": {"Node name for S&R": node.type},
            "widgets_values": node.values,
        }


def numbered(prompt: Prompt) -> dict[str, int]:
    """A number for each node: its id where that is one, else a new one."""
    found = {name: int(name) for name in prompt if name.isascii() and name.isdigit() and str(int(name[:20])) == name}
    found = {name: number for name, number in found.items() if number < _BIGGEST_ID}
    last = max(found.values(), default=0)
    for name in prompt:
        if name not in found:
            last += 1
            found[name] = last
    return found


def columns_of(prompt: Prompt) -> dict[str, int]:
    """How many links lead to each node one after another, at most; nodes on a ring count from where they are met."""
    feeds: dict[str, list[str]] = {name: [] for name in prompt}
    waits: dict[str, int] = dict.fromkeys(prompt, 0)
    for name, node in prompt.items():
        for value in node["inputs"].values():
            if is_link(value) and value[0] in feeds and value[0] != name:
                feeds[value[0]].append(name)
                waits[name] += 1
    columns = dict.fromkeys(prompt, 0)
    ready = [name for name, count in waits.items() if count == 0]
    done: set[str] = set()
    rest = iter(prompt)
    while len(done) < len(prompt):
        if not ready:  # only rings are left
            ready.append(next(name for name in rest if name not in done))
        name = ready.pop()
        if name in done:
            continue
        done.add(name)
        for fed in feeds[name]:
            if fed not in done:
                columns[fed] = max(columns[fed], columns[name] + 1)
                waits[fed] -= 1
                if waits[fed] == 0:
                    ready.append(fed)
    return columns


def _title(node: Mapping[str, Any]) -> str:
    title: object = cast("Mapping[str, Any]", node.get("_meta") or {}).get("title")
    return title if isinstance(title, str) else ""


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "BOOLEAN"
        case int():
            return "INT"
        case float():
            return "FLOAT"
        case str():
            return "STRING"
        case _:
            return "*"


def _unwrapped(value: Any) -> Any:
    match value:
        case {"__value__": inner}:
            return inner
        case _:
            return value
