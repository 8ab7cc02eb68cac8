"""One way to write a workflow file: keys and nodes in a fixed order, a value a line, so that a diff reads well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from server.formats.document import is_document
from server.formats.prompt import is_prompt

_FIRST = ("id", "name", "title", "type", "class_type", "mode", "pos", "size", "version", "inputs", "outputs")
_LAST = ("widgets_values", "nodes", "links", "definitions", "extra", "_meta")
_RANK: Mapping[str, int] = {
    **{key: place - len(_FIRST) for place, key in enumerate(_FIRST)},
    **{key: place + 1 for place, key in enumerate(_LAST)},
}
_SORTED_LISTS = frozenset({"nodes", "links", "subgraphs", "groups", "reroutes"})


def canonical(value: Any) -> str:
    """The text of a workflow (API or editor JSON) in its canonical form. Formatting it again changes nothing."""
    return json.dumps(_ordered(value), indent=2, ensure_ascii=False) + "\n"


def _ordered(root: Any) -> Any:
    """The value with its parts in order. Works through a list of what is to do, not by recursion."""
    out: dict[str, Any] = {"": root}
    waiting: list[tuple[Any, Any]] = [(out, "")]
    prompt = is_prompt(root)
    while waiting:
        holder, key = waiting.pop()
        value = holder[key]
        if isinstance(value, dict):
            given = cast("dict[str, Any]", value)
            top = prompt and value is root
            holder[key] = ordered = {k: given[k] for k in sorted(given, key=_by_id if top else _by_rank)}
            waiting.extend((ordered, k) for k in ordered)
        elif isinstance(value, list):
            listed = list(cast("list[Any]", value))
            if isinstance(key, str) and key in _SORTED_LISTS and _is_sheet(holder):
                listed = _by_their_ids(listed)
            holder[key] = listed
            waiting.extend((listed, place) for place in range(len(listed)))
    return out[""]


def _is_sheet(holder: Any) -> bool:
    """Whether lists of this object are those of a document, not values that happen to be called so."""
    return is_document(holder) or (isinstance(holder, dict) and set(cast("dict[str, Any]", holder)) == {"subgraphs"})


def _by_their_ids(listed: Iterable[Any]) -> list[Any]:
    return sorted((each for each in listed if each is not None), key=lambda each: _by_id(_id_of(each)))


def _id_of(each: Any) -> str:
    match each:
        case {"id": int() | str() as found}:
            return str(found)
        case [int() | str() as found, *_]:
            return str(found)
        case _:
            return ""


def _by_rank(key: str) -> tuple[int, str]:
    return _RANK.get(key, 0), key


def _by_id(name: str) -> tuple[bool, int, str]:
    """Numbers before words, by their value."""
    number = name.isascii() and name.isdigit() and len(name) < 20
    return not number, int(name) if number else 0, name
