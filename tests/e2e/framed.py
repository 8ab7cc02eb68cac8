"""A picture made and saved, and a frame around its source: what the tests of the canvas begin with."""

from __future__ import annotations

from tests.e2e.hands import Json

BLANK: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 100], "size": [256, 140], "widgets_values": [64, 64, 1, 16711680]},
    {"id": 2, "type": "SaveImage", "pos": [480, 100], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
]
LINKS = [[1, 1, 0, 2, 0, "IMAGE"]]
SOURCES: Json = {"id": 4, "title": "Sources", "bounding": [-40, 0, 340, 320], "color": "#3f789e", "flags": {}}
