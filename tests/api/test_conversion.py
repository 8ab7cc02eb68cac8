"""What another program wrote, as a file for the editor."""

from __future__ import annotations

import json
from typing import Any

from tests.api.running import Running

JSON = {"Content-Type": "application/json"}

A1111 = (
    "a boat\nNegative prompt: fog\nSteps: 4, Sampler: Euler a, CFG scale: 2, Seed: 7, Size: 64x64, "
    "Denoising strength: 0.5, Hires upscale: 2, Hires steps: 3, Hires upscaler: Latent"
)


def convert(shared: Running, text: str) -> tuple[int, Any]:
    reply = shared.ask("POST", "/api/convert", text.encode(), {"Content-Type": "text/plain"})
    return reply.status, reply.json


def test_a_text_becomes_a_file_for_the_editor(shared: Running) -> None:
    status, made = convert(shared, A1111)
    assert status == 200
    types = [node["type"] for node in made["document"]["nodes"]]
    assert [kind for kind in types if "Sampler" in kind or "Upscale" in kind] == [
        "KSampler",
        "LatentUpscaleBy",
        "KSamplerAdvanced",
    ]
    assert any("sfumato-starter stands in" in note for note in made["notes"])
    assert made["document"]["version"] == 0.4


def test_any_other_text_is_refused_in_a_sentence(shared: Running) -> None:
    status, answer = convert(shared, "just words")
    assert status == 400
    assert "This is no workflow" in answer["error"]["message"]


def test_the_fields_of_nodes_are_told_where_they_are_known(shared: Running) -> None:
    nodes = [
        {"id": 1, "type": "IPAdapterAdvanced", "inputs": [], "widgets_values": [1, "linear", "concat", 0, 1, "V only"]},
        {"id": 2, "type": "CannyEdgePreprocessor", "inputs": [], "widgets_values": [100, 200, "disable"]},
        {"id": 3, "type": "SomebodysNode", "inputs": [], "widgets_values": ["a"]},
        {"id": 4, "type": "KSampler", "inputs": 7, "widgets_values": [1]},
        "no node",
    ]
    reply = shared.ask("POST", "/api/fields", json.dumps({"nodes": nodes}).encode(), JSON)
    known, version, *rest = reply.json["fields"]
    assert [each["name"] for each in known[:2]] == ["weight", "weight_type"]
    assert [each["name"] for each in version] == ["low_threshold", "high_threshold", "l2gradient"]
    assert rest == [None, None, None]
    assert shared.ask("POST", "/api/fields", b"{}", JSON).status == 400
