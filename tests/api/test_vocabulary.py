"""What the editor counts a prompt's tokens with."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

from nodes.diffusion.tokenizer import clips_own
from tests.api.running import running


def _write(path: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def test_the_merges_are_clips_and_may_be_kept(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        reply = server.ask("GET", "/api/vocabulary/clip", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(reply.body).decode().split("\n") == list(clips_own().merges)
    assert "immutable" in (reply.headers["Cache-Control"] or "")


def test_an_embedding_is_as_long_as_its_file_says(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "embeddings"
    folder.mkdir(parents=True)
    _write(folder / "ink.safetensors", {"__metadata__": {"a": "b"}, "clip_g": {"shape": [3, 1280]}})
    _write(folder / "one.safetensors", {"emb_params": {"shape": [768]}})
    _write(folder / "odd.safetensors", {"x": {"shape": "3"}, "y": 1})
    (folder / "old.pt").write_bytes(b"who knows")
    with running(tmp_path) as server:
        assert server.get("/vocabulary/embeddings") == {"ink": 3, "one": 1, "odd": None, "old": None}
