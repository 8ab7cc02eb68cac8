"""What the subcommands share: their exit codes, what they begin with, and how they say that something is no use."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from nodes.folders import Folders
    from nodes.registry import Registry
    from server.config import Settings
    from server.headless import Opened

DONE, FAILED, INVALID, CANCELLED = 0, 1, 2, 130

Arguments = argparse.Namespace
R = TypeVar("R")


class Unusable(Exception):  # noqa: N818 -- ends the command with one sentence
    """What was asked for cannot be done; the message is for the person who asked."""


def settings_of(arguments: Arguments) -> Settings:
    """The settings, of which some are arguments."""
    from server.config import BadSetting, Settings, load  # noqa: PLC0415 -- `--help` is to come at once

    try:
        return load({f.name: getattr(arguments, f.name, None) for f in fields(Settings)})
    except BadSetting as error:
        raise Unusable(str(error)) from error


def prepared(arguments: Arguments) -> tuple[Settings, Folders, Registry]:
    """Settings, the base folder and the nodes."""
    from nodes.define import NodeError  # noqa: PLC0415
    from nodes.folders import Folders  # noqa: PLC0415
    from server.headless import load_registry  # noqa: PLC0415

    settings = settings_of(arguments)
    try:
        folders = Folders.at(settings.base, output=settings.output, allow_downloads=settings.allow_downloads)
    except NodeError as error:
        raise Unusable(str(error)) from error
    return settings, folders, load_registry(folders, custom_nodes=settings.custom_nodes)


def opened_file(file: Path, registry: Registry, folders: Folders) -> Opened:
    """The workflow in a file."""
    from server.headless import open_file  # noqa: PLC0415

    return readable(lambda: open_file(file, registry, folders))


def readable(command: Callable[[], R]) -> R:
    """What the command gives back. Ends with the sentence of a file that cannot be read."""
    from server.formats.errors import FormatError  # noqa: PLC0415

    try:
        return command()
    except FormatError as error:
        raise Unusable(str(error)) from error
