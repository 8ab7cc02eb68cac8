"""What a signature says of an input beside its type: how it is edited, and how it travels.

Written as `Annotated[int, Range(1, 100)]`. Facts about the widget (Range, Choice, Files, Text, Seed, Toggle, Rows) and
marks about the socket (Wire, Many, Lazy, Each, ...) can stand side by side, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `min` to `max`, both included, edited in steps of `step` and kept to multiples of `round`."""

    min: float
    max: float
    step: float | None = None
    round: float | None = None
    slider: bool = False


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed, 0 to 2^64 - 1; the editor may change it after each run (`control`)."""

    control: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some names. A callable is asked when the schema is served, so the list may be long and cheap to import."""

    options: Sequence[str] | Callable[[], Sequence[str]]

    def names(self) -> tuple[str, ...]:
        """The names to choose from, in the order in which to show them."""
        return tuple(self.options() if callable(self.options) else self.options)


@dataclass(frozen=True, slots=True)
class Files:
    """A file by its name in one of the base folder's folders: "checkpoints", "loras", "input", "output", ...

    `extra` are names that stand for something without a file. `upload` adds an upload button ("image").
    """

    folder: str
    extra: tuple[str, ...] = ()
    upload: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text: one line or many; with `dynamic`, `{a|b}` picks one when the workflow is queued."""

    multiline: bool = False
    dynamic: bool = False
    placeholder: str = ""


@dataclass(frozen=True, slots=True)
class Toggle:
    """A yes or no with its two labels."""

    on: str = ""
    off: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a row: its name, its socket type ("FLOAT"), the value that a new row has, and how it is edited.

    An `optional` one is None in a new row; `default` is what it begins with once it is wanted.
    """

    name: str
    type: str
    default: Any
    widget: Range | Choice | Files | Text | Toggle | None = None
    label: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A row of a list: a mapping from the cells' names to values, `{"on": true, "lora": "ink.safetensors", ...}`.

    The inputs of a node that say the same are the places of one list called `name`, in order; a person adds, removes
    and moves its rows. Files hold them one after another, with `before` and `after` around them.
    """

    name: str
    cells: tuple[Cell, ...]
    add: str = "Add"
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()

    def holds(self, value: object) -> bool:
        """Whether a value in a file is a row."""
        return isinstance(value, Mapping) and any(cell.name in value for cell in self.cells)


Widget = Range | Seed | Choice | Files | Text | Toggle | Rows


@dataclass(frozen=True, slots=True)
class Tip:
    """A sentence shown beside the input."""

    text: str


@dataclass(frozen=True, slots=True)
class Socket:
    """The socket's type by name, where the Python type does not say it: "*", "IMAGE,MASK", "HOOKS"."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """The input's name in files, where it is not a Python identifier."""

    name: str


@dataclass(frozen=True, slots=True)
class Each:
    """An input that grows: a list of `min` to `max` sockets named `<name>.0`, `<name>.1`, ..."""

    max: int
    min: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Filled by the engine, never drawn: "PROMPT", "EXTRA_PNGINFO" or "UNIQUE_ID"."""

    name: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A plain yes about a socket; see the constants below."""

    name: str


Wire = Mark("wire")
"""Always a socket, never a widget."""

Many = Mark("many")
"""The whole list at once, in or out; other inputs are mapped over lists, the shorter repeating their last."""

Lazy = Mark("lazy")
"""Computed only when the node's `needs` asks for it."""

Spare = Mark("spare")
"""May be left out of a workflow although it has a widget (ComfyUI's "optional" group)."""

Advanced = Mark("advanced")
"""Folded away until asked for."""
