"""MiniStack, with one difference from AWS corrected: run `python infra/local/emulator.py` instead of `-m ministack`.

Version 1.5 reads `batchItemFailures` for queues only. A mailer that says "from this record on, later" would lose its
letters here and keep them on AWS: so an answer to a table's stream that names a failure counts as one, and the engine
brings the whole batch again. AWS begins at the record that was named; the mailer's marks make both the same.

It also calls a function at once for each notice of a topic, and starts a process for each where AWS has a queue. SES
tells the fate of every letter: in a rush forty processes would start and starve the visitors. Here one waits for the
other.
"""

from threading import Lock
from typing import Any

from ministack import app
from ministack.services import lambda_svc

execute = lambda_svc._execute_function  # noqa: SLF001 - where every invocation passes
notices = Lock()


def execute_function(function: dict[str, Any], event: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """As MiniStack's own, with an error where a batch of a stream is not done, and one notice after the other."""
    records = event.get("Records") if isinstance(event, dict) else None
    if records and "Sns" in records[0]:
        with notices:
            return dict(execute(function, event))
    result: dict[str, Any] = execute(function, event)
    body = result.get("body")
    if records and "dynamodb" in records[0] and isinstance(body, dict) and body.get("batchItemFailures"):
        return result | {"error": True}
    return result


if __name__ == "__main__":
    lambda_svc._execute_function = execute_function  # noqa: SLF001 - the poller looks it up at each batch
    app.main()
