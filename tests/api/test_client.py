"""A public client of ComfyUI's API, not written by us, draws a picture with the bundled model."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from PIL import Image

from tests.api.running import Running, messages_until_end, running, socket

PICTURE: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sfumato-starter"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle on a blue background", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            **{"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]},
            **{"seed": 7, "steps": 6, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
        },
        "_meta": {"title": "KSampler"},
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "7": {
        "class_type": "SaveImage",
        "inputs": {"images": ["6", 0], "filename_prefix": "client"},
        "_meta": {"title": "Save Image"},
    },
}


for _name, _node in PICTURE.items():
    _node.setdefault("_meta", {"title": f"{_node['class_type']} {_name}"})


def test_a_public_client_draws(tmp_path: Path) -> None:
    with running(tmp_path, custom_nodes=False) as server:
        client = ComfyApiWrapper(server.origin)
        workflow = ComfyWorkflowWrapper(PICTURE)
        workflow.set_node_param("KSampler", "seed", 11)
        pictures = client.queue_and_wait_images(workflow, "Save Image")
        assert list(pictures) == ["client_00001_.png"]
        picture = Image.open(io.BytesIO(pictures["client_00001_.png"]))
        assert picture.size == (64, 64)
        assert {"prompt"} <= set(picture.info)
        assert len(picture.convert("RGB").getcolors(1 << 16) or []) > 16
        uploaded = client.upload_image(str(tmp_path / "output" / "client_00001_.png"))
        assert uploaded["name"] == "client_00001_.png"
        _hears_progress_and_previews(server)


def _hears_progress_and_previews(server: Running) -> None:
    import asyncio

    async def hear() -> list[Any]:
        async with socket(server, "watching") as ws:
            prompt = copy.deepcopy(PICTURE)
            prompt["5"]["inputs"]["seed"] = 99
            job = server.submit(prompt, client_id="watching", extra_data={"preview_method": "auto"})
            return await messages_until_end(ws, job)

    heard = asyncio.run(hear())
    steps = [m["data"]["value"] for m in heard if not isinstance(m, bytes) and m["type"] == "progress"]
    assert steps[-1] == 6
    assert any(isinstance(m, bytes) for m in heard)
    shown = next(m["data"]["output"] for m in heard if not isinstance(m, bytes) and m["type"] == "executed")
    assert shown["images"][0]["filename"] == "client_00002_.png"
