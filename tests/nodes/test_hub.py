"""Networks that nodes fetch, from a hub on this machine: when it is allowed, and what is said when it is not."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import hub
from nodes.annotators import midas_depth
from nodes.define import Cancelled, NodeError
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Image
from server.engine.engine import Engine
from server.engine.execute import Outcome
from server.formats.prompt import read_prompt
from tests.api.running import running
from tests.nodes.test_annotators import depth_anything, put

REPO = "depth-anything/Depth-Anything-V2-Small-hf"
PICTURE = Image(torch.rand((1, 48, 64, 3), generator=torch.Generator().manual_seed(1)))
PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0x808080}},
    "2": {"class_type": "Zoe-DepthMapPreprocessor", "inputs": {"image": ["1", 0], "resolution": 64}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
}


@dataclass
class Hub:
    """Files by their place on the hub, and what was asked for."""

    files: dict[str, bytes]
    url: str = ""
    status: int = 404
    cut: int | None = None
    asked: list[str] = field(default_factory=list[str])

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        body = self.files.get(handler.path)
        handler.send_response(self.status if body is None else 200)
        handler.send_header("Content-Length", str(len(body or b"")))
        handler.end_headers()
        handler.wfile.write((body or b"")[: self.cut])
        handler.close_connection = True


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A tiny depth network's files, as the hub has them."""
    folder = put(Folders.at(tmp_path_factory.mktemp("made")), "depth", depth_anything, size={"height": 56, "width": 56})
    names = ("config.json", "preprocessor_config.json", "model.safetensors")
    return {f"/{REPO}/resolve/main/{name}": (folder / name).read_bytes() for name in names}


@pytest.fixture
def local_hub(network: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    found = Hub(dict(network))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_folders(folders: Folders) -> Folders:
    """A base folder that nodes may fetch models into."""
    return Folders.at(folders.base, allow_downloads=True)


@pytest.fixture
def run(every_node: Any) -> Callable[[Folders, Mapping[str, Any]], Outcome]:
    def call(folders: Folders, prompt: Mapping[str, Any]) -> Outcome:
        engine = Engine(every_node, provided={Folders: folders, Weights: Weights("cpu", "fp32")})
        checked = engine.validate(read_prompt(prompt))
        assert checked.sound, checked.sentences()
        return engine.run("job", checked.graph, checked.good_outputs, lambda _: None, lambda: False)

    return call


def test_nothing_is_fetched_unless_it_is_allowed(local_hub: Hub, folders: Folders, run: Any) -> None:
    outcome = run(folders, PROMPT)
    place = folders.base / "models" / "annotators" / "Depth-Anything-V2-Small-hf"
    assert outcome.state == "failed"
    told = outcome.error.sentence
    assert REPO in told
    assert "into models/annotators/Depth-Anything-V2-Small-hf" in told
    assert "allow downloads with --allow-downloads" in told
    assert not local_hub.asked
    assert not place.exists()


def test_a_missing_network_is_fetched_once(local_hub: Hub, open_folders: Folders, run: Any) -> None:
    first = run(open_folders, PROMPT)
    assert first.state == "done", first.error
    assert [path.rpartition("/")[2] for path in local_hub.asked] == [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ]
    second = run(Folders.at(open_folders.base), PROMPT)
    assert second.state == "done", second.error
    assert len(local_hub.asked) == 3


def test_a_repository_may_lack_what_is_not_needed(local_hub: Hub, open_folders: Folders, ctx: Any) -> None:
    del local_hub.files[f"/{REPO}/resolve/main/preprocessor_config.json"]
    assert hub.fetch(open_folders, REPO, ctx).joinpath("model.safetensors").is_file()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": 401}, "only for those who have an account"),
        ({"status": 404}, f"{REPO} has no model.safetensors"),
        ({"status": 503}, "answers 503"),
        ({"cut": 100}, "broke off after 100 of|could not be downloaded"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_half_file(
    local_hub: Hub, open_folders: Folders, ctx: Any, change: dict[str, int], told: str
) -> None:
    if "status" in change:
        del local_hub.files[f"/{REPO}/resolve/main/model.safetensors"]
    local_hub.cut, local_hub.status = change.get("cut"), change.get("status", 404)
    for path in list(local_hub.files):
        if path.endswith("config.json"):
            local_hub.files[path] = local_hub.files[path][:90]
    with pytest.raises(NodeError, match=told):
        hub.fetch(open_folders, REPO, ctx)
    place = hub.place_of(open_folders, REPO)
    assert not list(place.glob(".sfumato-*"))
    assert not (place / "model.safetensors").exists()


def test_a_hub_out_of_reach_is_said(open_folders: Folders, ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, told in (
        ("http://127.0.0.1:9", "could not be downloaded"),
        ("file:///etc", "must be an https address"),
    ):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(NodeError, match=told):
            hub.fetch(open_folders, REPO, ctx)


def test_another_kind_of_network_is_said(local_hub: Hub, open_folders: Folders, ctx: Any) -> None:
    config = f"/{REPO}/resolve/main/config.json"
    local_hub.files[config] = json.dumps({**json.loads(local_hub.files[config]), "model_type": "bert"}).encode()
    with pytest.raises(NodeError, match="holds no network for depth"):
        midas_depth(image=PICTURE, resolution=64, weights=Weights("cpu", "fp32"), folders=open_folders, ctx=ctx)


def test_fetching_can_be_cancelled(local_hub: Hub, open_folders: Folders, ctx: Any) -> None:
    ctx.stopped = True
    with pytest.raises(Cancelled):
        hub.fetch(open_folders, REPO, ctx)
    assert not any(hub.place_of(open_folders, REPO).iterdir())


@pytest.mark.parametrize("allowed", [True, False])
def test_the_servers_setting_reaches_the_worker(local_hub: Hub, tmp_path: Path, allowed: bool) -> None:
    local_hub.files.clear()
    local_hub.status = 401
    with running(tmp_path, worker_options={"allow_downloads": allowed}) as server:
        ended = server.ended(server.submit(PROMPT))
    assert ended["status"] == "failed"
    said = str(ended["execution_error"])
    assert ("only for those who have an account" if allowed else "allow downloads") in said, said
    assert bool(local_hub.asked) == allowed
