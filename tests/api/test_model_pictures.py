"""Which models have a picture beside them, and the picture."""

from __future__ import annotations

import io

from PIL import Image

from tests.api.running import Running


def test_a_model_with_a_picture_says_so_and_gives_it(shared: Running) -> None:
    folder = shared.base / "models" / "loras" / "inks"
    folder.mkdir(parents=True)
    for name in ("black.safetensors", "blue.safetensors"):
        (folder / name).write_bytes(b"")
    Image.new("RGB", (512, 256), "navy").save(folder / "blue.preview.png")
    listed = {one["name"]: one for one in shared.get("/experiment/models/loras")}
    assert {name: one["preview"] for name, one in listed.items() if name.startswith("inks/")} == {
        "inks/black.safetensors": False,
        "inks/blue.safetensors": True,
    }
    index = listed["inks/blue.safetensors"]["pathIndex"]
    reply = shared.ask("GET", f"/experiment/models/preview/loras/{index}/inks/blue.safetensors")
    assert reply.status == 200
    with Image.open(io.BytesIO(reply.body)) as picture:
        assert picture.format == "WEBP"
