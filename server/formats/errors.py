"""What is wrong with a file, in one sentence for the person who opened it."""

from __future__ import annotations


class FormatError(ValueError):
    """The file is no workflow that can be read; the message says what, where, and what to do."""


def shown(value: object, limit: int = 60) -> str:
    """A value as an error message quotes it: short, on one line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str, limit: int = 300) -> str:
    """A file's own text as a terminal may show it: short, on one line, nothing in it that moves the cursor."""
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text[:limit]
    )
    return plain if len(text) <= limit else plain + "..."
