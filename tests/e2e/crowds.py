"""Workflows of many nodes."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.e2e.serving import ROOT

ACROSS, WIDTH, HEIGHT = 8, 1860, 640


def crowd(count: int) -> dict[str, Any]:
    """The text-to-image template side by side until there are `count` nodes, as a file in the editor's format."""
    template = json.loads((ROOT / "workflows" / "text_to_image.json").read_text("utf-8"))
    nodes: list[dict[str, Any]] = []
    links: list[list[Any]] = []
    copies = -(-count // len(template["nodes"]))
    for n in range(copies):
        ids = {node["id"]: len(nodes) + i + 1 for i, node in enumerate(template["nodes"])}
        first = len(links)
        for node in copy.deepcopy(template["nodes"]):
            node["id"] = ids[node["id"]]
            node["pos"] = [node["pos"][0] + WIDTH * (n % ACROSS), node["pos"][1] + HEIGHT * (n // ACROSS)]
            for one in node["inputs"]:
                one["link"] += first
            for one in node["outputs"]:
                one["links"] = [link + first for link in one["links"]]
            nodes.append(node)
        for link, start, slot, end, place, kind in template["links"]:
            links.append([link + first, ids[start], slot, ids[end], place, kind])
    return cut({**template, "id": f"crowd-of-{count}", "nodes": nodes, "links": links, "extra": {}}, count)


def cut(workflow: dict[str, Any], count: int) -> dict[str, Any]:
    """The first `count` nodes of a workflow and the links between them."""
    nodes = workflow["nodes"][:count]
    kept = {node["id"] for node in nodes}
    links = [link for link in workflow["links"] if link[1] in kept and link[3] in kept]
    known = {link[0] for link in links}
    for node in nodes:
        for one in node["inputs"]:
            one["link"] = one["link"] if one["link"] in known else None
        for one in node["outputs"]:
            one["links"] = [link for link in one["links"] if link in known]
    return {**workflow, "nodes": nodes, "links": links, "last_node_id": count, "last_link_id": len(workflow["links"])}
