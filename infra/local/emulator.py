"""Run MiniStack with two corrections that bring it closer to AWS.

1. A function that reads a stream may answer `batchItemFailures`: "retry from this record on". MiniStack 1.5 reads this
   answer for queues only, so a letter that the mailer postpones would be lost. Here such an answer counts as an error,
   and MiniStack repeats the whole batch. AWS would repeat it from the named record on. The result is the same, because
   the mailer marks each letter that it has sent.
2. MiniStack starts one process for each notice of a topic, where AWS has a queue. SES sends one notice for each letter,
   so a rush would start 40 processes and starve the visitors. Here notices are handled one at a time.

Run it as `python infra/local/emulator.py` in place of `python -m ministack`.
"""

from threading import Lock
from typing import Any

from ministack import app
from ministack.services import lambda_svc

execute = lambda_svc._execute_function  # noqa: SLF001 - every invocation goes through it
notices = Lock()


def execute_function(function: dict[str, Any], event: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Invoke a function as MiniStack does, with the two corrections."""
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
    lambda_svc._execute_function = execute_function  # noqa: SLF001 - the poller looks it up for each batch
    app.main()
