"""Settings: defaults, then the file, then the environment, then flags; the later wins."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

PREFIX = "SFUMATO_"
FILE = "sfumato.toml"
GIB = 1 << 30

Precision = Literal["auto", "fp32", "fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16")


class BadSetting(ValueError):  # noqa: N818 -- reads as what it is
    """A setting that cannot be used; the text says which, where from, and what it must be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Sizes are in GiB where the name says so; 0 means no limit of ours."""

    base: Path = Path("~/sfumato")
    output: Path | None = None
    device: str = "auto"
    precision: Precision = "auto"
    custom_nodes: bool = False
    metadata: bool = True
    cache_memory_gib: float = 1.0
    cache_disk_gib: float = 10.0
    host: str = "127.0.0.1"
    port: int = 8188
    token: str = ""
    hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    multi_user: bool = False
    allow_downloads: bool = False
    download_hosts: tuple[str, ...] = ()
    max_download_gib: float = 64.0
    max_upload_mib: float = 100.0
    worker_memory_gib: float = 0.0

    @property
    def devices(self) -> tuple[str, ...]:
        """Each of the devices that `device` names, separated by commas."""
        return tuple(part.strip() for part in self.device.split(",") if part.strip()) or ("auto",)


def load(flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. `flags` holds what the command line gave, None for what it did not. Raises BadSetting.

    The file is `sfumato.toml` in the base folder, or the one that SFUMATO_CONFIG names.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    surroundings = _from_environment(os.environ if environment is None else environment)
    base = _read("base", given.get("base", surroundings.get("base", Settings().base)), "the base folder").expanduser()
    named = (os.environ if environment is None else environment).get(PREFIX + "CONFIG")
    file = _from_file(Path(named).expanduser() if named else base / FILE, required=bool(named))
    values = {
        **{name: _read(name, value, f"{FILE}: {name}") for name, value in file.items()},
        **{name: _read(name, value, PREFIX + name.upper()) for name, value in surroundings.items()},
        **{name: _read(name, value, f"--{name.replace('_', '-')}") for name, value in given.items()},
        "base": base.absolute(),
    }
    return replace(Settings(), **values)


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    names = {PREFIX + f.name.upper(): f.name for f in fields(Settings)}
    return {names[key]: value for key, value in environment.items() if key in names and value != ""}


def _from_file(path: Path, *, required: bool) -> dict[str, object]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if required:
            raise BadSetting(f"{path}, which SFUMATO_CONFIG names, is not there.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{path} cannot be read: {error}.") from error
    unknown = sorted(set(found) - {f.name for f in fields(Settings)})
    if unknown:
        raise BadSetting(f"{path}: {unknown[0]} is no setting.")
    return cast("dict[str, object]", found)


def _read(name: str, value: object, where: str) -> Any:
    """A setting's value from whatever a file, a variable or a flag holds."""
    try:
        return _READERS[name](value)
    except (ValueError, TypeError) as error:
        raise BadSetting(f"{where} is {value!r}; {error}.") from error


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("it must be a path")
    return Path(value).expanduser()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it must be text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise TypeError("it must be names separated by commas")
    return tuple(_text(part).strip() for part in cast("list[object]", parts))


def _truth(value: object) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else known.get(str(value).lower())
    if found is None:
        raise ValueError("it must be true or false")
    return found


def _amount(value: object) -> float:
    message = "it must be a number, 0 or more"
    try:
        number = float(cast("Any", value))
    except (ValueError, TypeError) as error:
        raise ValueError(message) from error
    if not 0 <= number < float("inf"):
        raise ValueError(message)
    return number


def _port(value: object) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError("it must be a port, 0 to 65535")
    return int(text)


def _precision(value: object) -> Precision:
    if value not in PRECISIONS:
        raise ValueError(f"it must be one of {', '.join(PRECISIONS)}")
    return value


_READERS: Mapping[str, Callable[[object], Any]] = {
    "base": _path,
    "output": _path,
    "device": _text,
    "precision": _precision,
    "custom_nodes": _truth,
    "metadata": _truth,
    "cache_memory_gib": _amount,
    "cache_disk_gib": _amount,
    "host": _text,
    "port": _port,
    "token": _text,
    "hosts": _texts,
    "tls_cert": _path,
    "tls_key": _path,
    "multi_user": _truth,
    "allow_downloads": _truth,
    "download_hosts": _texts,
    "max_download_gib": _amount,
    "max_upload_mib": _amount,
    "worker_memory_gib": _amount,
}
