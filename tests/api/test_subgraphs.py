"""Subgraphs that custom packs bring."""

from __future__ import annotations

import json

from tests.api.running import Running

FILE = json.dumps({"nodes": [], "links": [], "definitions": {"subgraphs": []}, "version": 0.4})


def test_a_pack_s_subgraphs_are_listed_and_read(shared: Running) -> None:
    folder = shared.base / "custom_nodes" / "somebodys-pack" / "subgraphs"
    folder.mkdir(parents=True)
    (folder / "Sharpen.json").write_text(FILE)
    (folder / "notes.txt").write_text("no subgraph")
    (folder / "away.json").symlink_to("/etc/hostname")
    listed = shared.get("/global_subgraphs")
    [(name, about)] = listed.items()
    assert about == {"source": "custom_node", "name": "Sharpen", "info": {"node_pack": "custom_nodes.somebodys-pack"}}
    assert shared.get(f"/global_subgraphs/{name}") == {**about, "data": FILE}


def test_a_subgraph_that_is_not_there_is_said_to_be(shared: Running) -> None:
    assert shared.ask("GET", "/global_subgraphs/nothing").status == 404
