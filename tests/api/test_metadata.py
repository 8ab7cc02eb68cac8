"""What pictures that a server writes say of it, and what they do not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from server.formats import read_texts
from tests.api.running import running

TOKEN = "open-sesame-4711"
PROMPT: dict[str, Any] = {
    "photo": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
    "png": {"class_type": "SaveImage", "inputs": {"images": ["photo", 0]}},
    "webp": {"class_type": "SaveImageAs", "inputs": {"images": ["photo", 0], "format": "webp"}},
}


@pytest.mark.parametrize("metadata", [True, False])
def test_pictures_hold_no_secret(metadata: bool, tmp_path: Path) -> None:
    with running(tmp_path, token=TOKEN, worker_options={"metadata": metadata}) as server:
        raw = io.BytesIO()
        Image.new("RGB", (8, 8), "teal").save(raw, "PNG")
        (tmp_path / "input" / "photo.png").write_bytes(raw.getvalue())
        key = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        extra = {"auth_token_comfy_org": "secret-1", "api_key_comfy_org": "secret-2", "extra_pnginfo": {"workflow": {}}}
        job = server.post("/prompt", {"prompt": PROMPT, "extra_data": extra}, **key)["prompt_id"]
        ended = server.get(f"/api/jobs/{job}?wait=60&token={TOKEN}")
        assert ended["status"] == "completed", ended
    written = sorted((tmp_path / "output").iterdir())
    assert [path.suffix for path in written] == [".png", ".webp"]
    for path in written:
        said = read_texts(path.read_bytes())
        assert set(said) == ({"prompt", "workflow", "sfumato"} if metadata else set())
        facts = json.loads(said.get("sfumato", "null"))
        assert facts is None or list(facts["files"]) == ["input/photo.png"]
        content = path.read_bytes().decode("latin-1")
        assert not any(secret in content for secret in (TOKEN, "secret-1", "secret-2", str(tmp_path), str(Path.home())))
