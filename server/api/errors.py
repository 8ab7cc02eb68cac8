"""The one place where what went wrong becomes an HTTP answer."""

from __future__ import annotations

import errno
import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from nodes.define import NodeError
from nodes.folders import MissingFile, UnsafePath
from server.api.answers import Refused, problem
from server.api.routes import Handler
from server.jobs.store import StoreFull

log = logging.getLogger(__name__)

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers for errors: ours as one sentence, all others as a 500 that tells nothing but where to look."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status == 413:
            return problem(413, "The body is larger than this server takes (--max-upload-size).", type="too_large")
        raise
    except HttpProcessingError as error:
        return problem(400, f"The request is damaged: {error.message[:200]}")
    except Refused as error:
        return problem(error.status, str(error), type=error.type)
    except MissingFile as error:
        return problem(404, str(error), type="not_found")
    except UnsafePath as error:
        return problem(403 if "link" in str(error) else 400, str(error), type="unsafe_path")
    except NodeError as error:
        return problem(400, str(error))
    except StoreFull as error:
        return problem(507, f"Nothing was accepted: {error}", type="disk_full")
    except UnicodeError:
        return problem(
            400, "The request holds text that is no Unicode (half of a surrogate pair).", type="invalid_text"
        )
    except OSError as error:
        return _os_error(request, error)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem(500, "The server failed at this; its log says how.", type="internal")


def _os_error(request: web.Request, error: OSError) -> web.Response:
    if error.errno in _NO_SPACE:
        return problem(507, f"Nothing was written: {error.strerror}.", type="disk_full")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP):
        return problem(400, f"That is no usable file name: {error.strerror}.", type="unsafe_path")
    if error.errno in (errno.EACCES, errno.EPERM):
        return problem(403, f"The file system refused: {error.strerror}.", type="refused")
    log.error("%s %s failed: %s", request.method, request.path, error)
    return problem(500, "The file system failed at this; the log says how.", type="internal")
