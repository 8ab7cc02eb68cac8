"""Where the files that ship with the code are: in a checkout beside it, in an installed wheel inside it."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent


def web_folder() -> Path:
    """The folder of the built editor."""
    return _first(_CHECKOUT / "web" / "dist", _HERE / "share" / "web")


def workflows_folder() -> Path:
    """The folder of the templates."""
    return _first(_CHECKOUT / "workflows", _HERE / "share" / "workflows")


def _first(checkout: Path, wheel: Path) -> Path:
    # A wheel has no pyproject.toml beside it; site-packages may well hold somebody's folder called `workflows`.
    return checkout if (_CHECKOUT / "pyproject.toml").is_file() else wheel
