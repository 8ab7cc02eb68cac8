"""Names that try to leave their folder: over every route and node input that takes one, nothing outside is touched."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from nodes.registry import builtin
from nodes.widgets import Files
from server.api.application import OPEN_ROUTES
from server.api.routes import Route
from server.api.workflows import ROUTES as PAGES
from tests.api.running import Running, prepare, report
from tests.jobs.test_disk import PNG, form

SECRET = b"CANARY-8d1f"
NAMES = (
    "../{c}",
    "../../{c}",
    "..\\{c}",
    "..\\..\\{c}",
    "./../{c}",
    "sub/../../{c}",
    "sub\\..\\..\\{c}",
    "{root}/{c}",
    "//{root}/{c}",
    "file://{root}/{c}",
    "\\\\server\\share\\{c}",
    "C:\\{c}",
    "C:{c}",
    "{c}::$DATA",
    "link/{c}",
    "link.png",
    "../{c} [output]",
    "../{c}[input]",
    "../{c}\x00.png",
    "..;/{c}",
    "....//{c}",
    "%2e%2e/{c}",
    "%2e%2e%2f{c}",
    "..%2f{c}",
    "..%5c{c}",
    "..%c0%af{c}",
    "~/{c}",
    "CON",
    "a/" * 600 + "b",
    "n" * 4000,
    "\ud800",
    "",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    outside = tmp_path_factory.mktemp("outside")
    base = prepare(outside / "base")
    (base / "user").mkdir()
    secrets = outside / "secrets"
    secrets.mkdir()
    for folder in (outside, secrets, base, base / "user"):
        (folder / "canary.png").write_bytes(SECRET)
        (folder / "canary.json").write_bytes(b'{"canary":"CANARY-8d1f"}')
    for place in ("input", "output", "temp", "user/default", "models/loras", "models/checkpoints"):
        (base / place / "sub").mkdir(parents=True)
        os.symlink(secrets, base / place / "link")
        os.symlink(secrets / "canary.png", base / place / "link.png")
    found = Running(base, {"custom_nodes": True}).start()
    yield found
    found.stop()


def names(server: Running) -> Iterator[str]:
    for name in NAMES:
        yield name.format(c="canary.png", root=server.base.parent)


def once(name: str) -> str:
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


def twice(name: str) -> str:
    return quote(once(name), safe="")


GETS = {
    "view input": "/view?type=input&filename={n}",
    "view subfolder": "/view?filename=canary.png&subfolder={n}",
    "view preview": "/view?filename={n}&preview=webp;90",
    "view channel": "/api/view?filename={n}&channel=a",
    "metadata": "/view_metadata/loras?filename={n}",
    "metadata folder": "/view_metadata/{n}?filename=canary.png",
    "experiment preview": "/experiment/models/preview/loras/0/{n}",
    "userdata list": "/userdata?dir={n}&recurse=true&full_info=true",
    "asset folder": "/assets/{n}",
}
NAMING = frozenset({"filename", "subfolder", "type", "dir", "path"})


def gets_of(routes: Iterable[Route]) -> Iterator[tuple[str, str]]:
    """Every place of every GET where a client says a name, with `{n}` for the name."""
    for route in routes:
        if route.method != "GET":
            continue
        places = re.findall(r"{(\w+)(?::[^}]*(?:\([^)]*\))?[^}]*)?}", route.path)
        for place in places:
            path = re.sub(r"{(\w+)[^}]*}", lambda m, place=place: "{n}" if m[1] == place else "0", route.path)
            yield f"{route.path} {place}", path
        for name in sorted(NAMING & set(getattr(route.query, "__annotations__", {}))):
            yield f"{route.path} {name}", f"{re.sub(r'{[^}]*}', 'loras', route.path)}?{name}={{n}}"


GETS |= dict(gets_of((*OPEN_ROUTES, *PAGES)))


def test_every_route_that_takes_a_name_is_tried() -> None:
    assert len(GETS) >= 25
    assert len(GETS) * len(NAMES) * 2 >= 200
    assert {"/view filename", "/internal/files/{place} place", "/userdata/{file} file"} <= GETS.keys()


def everything_outside(server: Running) -> dict[str, bytes]:
    """All there is outside the folders that requests may write to."""
    base = server.base
    own = [base / name for name in ("input", "output", "temp", "user/default", "user/.sfumato")]
    return {
        str(path): path.read_bytes()
        for path in base.parent.rglob("*")
        if path.is_file() and not any(path.is_relative_to(folder) for folder in own)
    }


@pytest.mark.parametrize("route", GETS)
def test_nothing_outside_is_read(server: Running, route: str) -> None:
    statuses: Counter[int] = Counter()
    for name in names(server):
        for coded in (once(name), twice(name)):
            reply = server.ask("GET", GETS[route].format(n=coded))
            statuses[reply.status] += 1
            assert reply.status < 500, (name, reply.body)
            assert SECRET not in reply.body, name
    report(f"\n  {route}: {sum(statuses.values())} names, statuses {dict(statuses)}")


def test_paths_as_they_are_read_nothing_outside(server: Running) -> None:
    for path in (
        "/../canary.png",
        "/..%2fcanary.png",
        "/assets/../../canary.png",
        "/%2e%2e/canary.png",
        "//canary.png",
    ):
        reply = server.ask("GET", path)
        assert reply.status < 500
        assert SECRET not in reply.body


@pytest.mark.parametrize("where", ["filename", "subfolder", "type"])
@pytest.mark.parametrize("route", ["/upload/image", "/upload/mask"])
def test_nothing_is_uploaded_outside(server: Running, route: str, where: str) -> None:
    before = everything_outside(server)
    for name in names(server):
        shown = name.replace('"', "_").replace("\r", "").encode("utf-8", "replace").decode("utf-8")
        body, headers = form(shown if where == "filename" else "fine.png", PNG)
        fields = {"overwrite": "true", "original_ref": json.dumps({"filename": shown, "type": "input"})}
        fields |= {where: shown} if where != "filename" else {}
        extra = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
        )
        reply = server.ask("POST", route, extra.encode() + body, headers)
        assert reply.status < 500, (name, reply.body)
        assert SECRET not in reply.body
    assert everything_outside(server) == before


@pytest.mark.parametrize("method", ["POST", "DELETE", "move from", "move to"])
def test_no_user_file_is_written_outside(server: Running, method: str) -> None:
    server.ask("POST", "/userdata/mine.json", b"{}")
    before = everything_outside(server)
    for name in names(server):
        for coded in (once(name), twice(name)):
            match method:
                case "move from":
                    reply = server.ask("POST", f"/userdata/{coded}/move/taken.json")
                case "move to":
                    server.ask("POST", "/userdata/mine.json", b"{}")
                    reply = server.ask("POST", f"/userdata/mine.json/move/{coded}")
                case _:
                    reply = server.ask(method, f"/userdata/{coded}", b"OVERWRITTEN" if method == "POST" else None)
            assert reply.status < 500, (name, reply.body)
    assert everything_outside(server) == before


def file_inputs() -> list[tuple[str, str]]:
    """Every input of every node that names a file."""
    return [
        (definition.id, each.name)
        for definition in builtin()
        for each in definition.inputs
        if isinstance(each.widget, Files)
    ]


def test_no_file_input_of_any_node_takes_a_name_that_leaves_its_folder(server: Running) -> None:
    """Judged before anything runs: the same resolver opens the file when it does."""
    tried = Counter[str]()
    for node, name in file_inputs():
        prompt: dict[str, Any] = {}
        for n, value in enumerate(names(server)):
            if value in ("", "\ud800"):
                continue
            prompt[f"f{n}"] = {"class_type": node, "inputs": {name: value}}
            prompt[f"s{n}"] = {"class_type": "ToyShow", "inputs": {"value": [f"f{n}", 0]}}
        reply = server.ask("POST", "/api/validate", {"prompt": prompt})
        assert reply.status == 200, reply.body
        assert SECRET not in reply.body
        for key in (key for key in prompt if key.startswith("f")):
            own = reply.json["node_errors"].get(key, {"errors": []})["errors"]
            about = [error for error in own if error["extra_info"].get("input_name") == name]
            assert about or is_inside(server, str(prompt[key]["inputs"][name])), (node, name, prompt[key])
            tried[node] += 1
    report(
        f"\n  {len(file_inputs())} inputs of {len(tried)} nodes that name a file: {sum(tried.values())} names refused"
    )
    assert len(file_inputs()) >= 30
    assert sum(tried.values()) >= 200


def is_inside(server: Running, name: str) -> bool:
    """Whether a strange name is one of a file that was uploaded under it, and lies where it should."""
    return any(path.name == name and not path.is_symlink() for path in (server.base / "input").iterdir())


PREFIXED = frozenset({"SaveImage", "SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveImageAs", "SaveLatent"})
WITH_MODELS = frozenset({"CheckpointSave", "ModelSave", "CLIPSave", "VAESave", "LoraSave", "IPAdapterSaveEmbeds"})
"""Savers of what takes a model to make; they name files by the same function, and are run with models elsewhere."""


def test_no_saving_node_writes_outside(server: Running) -> None:
    saving = {each.id for each in builtin() if each.terminal and each.input("filename_prefix") is not None}
    assert saving == PREFIXED | WITH_MODELS
    before = everything_outside(server)
    sources = {
        "picture": {"class_type": "EmptyImage", "inputs": {"width": 4, "height": 4, "batch_size": 1}},
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 16, "height": 16, "batch_size": 1}},
    }
    for node in sorted(PREFIXED):
        given = {"samples": ["latent", 0]} if node == "SaveLatent" else {"images": ["picture", 0]}
        for name in names(server):
            prompt = {**sources, "save": {"class_type": node, "inputs": {**given, "filename_prefix": name}}}
            reply = server.ask("POST", "/prompt", {"prompt": prompt})
            assert reply.status in (200, 400), (name, reply.body)
            if reply.status == 200:
                assert server.ended(reply.json["prompt_id"])["state"] in ("done", "failed"), name
    assert everything_outside(server) == before


@pytest.mark.parametrize("place", ["image", "lora", "prefix"])
def test_no_node_reads_or_writes_outside(server: Running, place: str) -> None:
    before = everything_outside(server)
    (server.base / "input" / "fine.png").write_bytes(PNG)
    for name in names(server):
        if place == "prefix":
            prompt = {
                "1": {"class_type": "ToyNumber", "inputs": {"value": 1}},
                "2": {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": name}},
            }
        else:
            inputs = {"image": "fine.png", "lora": "none", place: name}
            prompt = {"1": {"class_type": "ToyRead", "inputs": inputs}}
        reply = server.ask("POST", "/prompt", {"prompt": prompt})
        assert reply.status in (200, 400), (name, reply.body)
        if reply.status == 200:
            ended = server.ended(reply.json["prompt_id"])
            assert SECRET.decode() not in json.dumps(ended.get("outputs", {})), name
            assert ended["state"] in ("done", "failed"), ended
            text = json.dumps(ended.get("outputs", {}))
            assert f'"{len(SECRET)} ' not in text, (name, text)
    assert everything_outside(server) == before


def test_the_servers_own_files_are_not_served(server: Running) -> None:
    for path in (
        "/userdata/..%2f.sfumato%2fjobs.sqlite",
        "/userdata/.sfumato%2fjobs.sqlite",
        "/view?filename=jobs.sqlite",
    ):
        assert server.ask("GET", path).status in (400, 403, 404)
    assert not any(".sfumato" in str(entry) for entry in server.get("/v2/userdata"))


def test_a_linked_models_folder_is_named_instead(server: Running) -> None:
    text = Path(server.base / "extra_model_paths.yaml")
    assert not text.exists()
    prompt = {"1": {"class_type": "ToyRead", "inputs": {"image": "link/canary.png"}}}
    reply = server.ask("POST", "/prompt", {"prompt": prompt})
    assert reply.status == 400
