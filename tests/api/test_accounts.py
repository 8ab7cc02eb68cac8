"""Several users, each with settings and files of their own."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.api.running import Running, running


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("several"), multi_user=True) as server:
        server.post("/users", {"username": "Ada"})
        yield server


def test_there_is_one_user_unless_several_are_asked_for(shared: Running) -> None:
    assert shared.get("/users") == {"storage": "server", "migrated": True}
    assert shared.ask("POST", "/users", {"username": "ada"}).status == 400
    shared.post("/settings/Accounts.Test", 1, headers={"comfy-user": "somebody"})
    assert shared.get("/settings/Accounts.Test") == 1


def test_users_have_their_own_settings_and_files(tmp_path: Path) -> None:
    with running(tmp_path, multi_user=True) as server:
        assert server.get("/users") == {"storage": "server", "users": {}}
        assert server.ask("GET", "/settings").status == 401
        ada, bob = server.post("/users", {"username": "ada"}), server.post("/users", {"username": "Bob/../.."})
        assert server.get("/users")["users"] == {ada: "ada", bob: "Bob/../.."}
        for user in (ada, bob):
            headers = {"comfy-user": user}
            server.post("/settings", {"Name": user}, headers=headers)
            server.ask("POST", "/userdata/workflows%2Fmine.json", json.dumps(user).encode(), headers)
        for user in (ada, bob):
            headers = {"comfy-user": user}
            assert server.get("/settings", headers=headers) == {"Name": user}
            assert server.get("/userdata/workflows%2Fmine.json", headers=headers) == user
        assert sorted(path.name for path in (tmp_path / "user").iterdir() if path.is_dir()) == sorted(
            {ada, bob, *(path.name for path in (tmp_path / "user").glob(".*"))}
        )
    with running(tmp_path, multi_user=True) as server:
        assert server.get("/settings/Name", headers={"comfy-user": ada}) == ada


@pytest.mark.parametrize("name", ["", "  ", "ada", "ADA", 5, None, ["x"], "a\x00b", "x" * 101])
def test_a_name_that_cannot_be_is_refused(several: Running, name: object) -> None:
    reply = several.ask("POST", "/users", {"username": name})
    assert reply.status == 400
    assert reply.json["error"]


@pytest.mark.parametrize("user", ["nobody", "", "default", "..", "../default", "users.json"])
def test_an_unknown_user_gets_nothing(several: Running, user: str) -> None:
    for path in ("/settings", "/settings/x", "/userdata?dir=.", "/v2/userdata", "/userdata/users.json"):
        assert several.ask("GET", path, headers={"comfy-user": user}).status == 401
