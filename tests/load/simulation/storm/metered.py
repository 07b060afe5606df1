"""The fast setting's WSGI application, which says in a header what each answer cost.

The header has the process, its CPU seconds for the answer, and the number of its calls to the table by name. `failed`
is a write whose condition failed, `Empty` a Query without items.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from chalicelib.storage import dynamodb
from tests.load.server import Start
from tests.load.server import application as plain

HEADER = "X-Spent"
EMPTY, FAILED = "Empty", "failed"
_calls: Counter[str] = Counter()


def _count(model: Any, parsed: dict[str, Any], **_: object) -> None:
    _calls[FAILED if "Error" in parsed else EMPTY if parsed.get("Items") == [] else model.name] += 1


dynamodb.connection().connection.client.meta.events.register("after-call.dynamodb", _count)


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Answer one request."""
    began, heads = time.thread_time(), list[tuple[str, list[tuple[str, str]]]]()
    _calls.clear()
    body = b"".join(plain(environ, lambda status, headers: heads.append((status, headers))))
    spent = [str(os.getpid()), f"{time.thread_time() - began:.6f}", *(f"{name}={n}" for name, n in _calls.items())]
    [(status, headers)] = heads
    start_response(status, [*headers, ("Content-Length", str(len(body))), (HEADER, " ".join(spent))])
    return [body]
