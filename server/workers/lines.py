"""The log's form: one line an event, the same in the server and its workers."""

from __future__ import annotations

import logging
import sys
import time

FORM = "%(levelname)s %(name)s: %(message)s"


class OneLine(logging.Formatter):
    """A record as one line: when, how grave, who, what. Ends of lines within it, a traceback's too, become `\\n`."""

    converter = time.gmtime
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return "\\n".join(super().format(record).splitlines())


def log_to_stderr(*, times: bool) -> None:
    """Log what is of note to standard error. A worker leaves the times to the server, which passes its lines on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(f"%(asctime)s {FORM}" if times else FORM))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def level_of(line: str) -> int:
    """How grave a worker's line is; what nodes print is information."""
    return logging.getLevelNamesMapping().get(line.partition(" ")[0], logging.INFO)
