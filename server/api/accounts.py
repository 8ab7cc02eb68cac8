"""Who the users are: one, or with --multi-user several, told apart by the header `comfy-user`.

Users keep their settings and files apart. That is tidiness, not protection: whoever may reach the server may name any.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from nodes.folders import write_whole
from server.api import shapes
from server.api.answers import answer, json_object, refuse
from server.api.keys import parts
from server.api.routes import Route

DEFAULT = "default"
_MAX_NAME = 100


class Accounts:
    """The users by id; without `several`, the one that there always is."""

    def __init__(self, folder: Path, *, several: bool) -> None:
        self.several = several
        self._folder = folder
        self._file = folder / "users.json"

    def all(self) -> dict[str, str]:
        """Names by id."""
        if not self.several:
            return {DEFAULT: DEFAULT}
        try:
            found: object = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(key): str(name) for key, name in cast("dict[str, Any]", found).items()} if _is_table(found) else {}

    def add(self, name: str) -> str:
        """The id of a new user. Refuses a name that is taken."""
        users = self.all()
        if name.casefold() in (known.casefold() for known in users.values()):
            refuse(400, "There is a user of this name already.", type="taken")
        safe = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "-_"))[:40]
        user = f"{safe}_{secrets.token_hex(8)}"
        write_whole(self._file, json.dumps({**users, user: name}, indent=4).encode())
        return user

    def root(self, request: web.Request) -> Path:
        """The folder of the user who asks. Refuses one that is not known."""
        user = request.headers.get("comfy-user", DEFAULT) if self.several else DEFAULT
        if user not in self.all():
            refuse(401, "There is no such user; POST /users makes one.", type="unauthorized")
        return self._folder / user


async def get_users(request: web.Request) -> web.Response:
    """Where settings are kept: with the server, for one user or, by id, for several."""
    accounts = parts(request).accounts
    about = {"users": await asyncio.to_thread(accounts.all)} if accounts.several else {"migrated": True}
    return answer({"storage": "server", **about})


async def post_users(request: web.Request) -> web.Response:
    """Make a user, and give the id."""
    accounts = parts(request).accounts
    if not accounts.several:
        refuse(400, "There is one user; start the server with --multi-user to have several.")
    name = (await json_object(request)).get("username")
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        refuse(400, f"username must be 1 to {_MAX_NAME} printable characters.")
    async with parts(request).writing:
        return answer(await asyncio.to_thread(accounts.add, name.strip()))


def _is_table(found: object) -> bool:
    return isinstance(found, dict)


ROUTES = (
    Route("GET", "/users", get_users, gives=shapes.Users),
    Route("POST", "/users", post_users, takes=shapes.NewUser, gives=str),
)
