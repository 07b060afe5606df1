"""Run MiniStack with corrections that bring it closer to AWS.

1. A function that reads a stream may answer `batchItemFailures`: "retry from this record on". MiniStack 1.5 reads this
   answer for queues only, so a letter that the mailer postpones would be lost. Here such an answer counts as an error,
   and MiniStack repeats the whole batch. AWS would repeat it from the named record on. The result is the same, because
   the mailer marks each letter that it has sent.
2. MiniStack starts one process for each notice of a topic, where AWS has a queue. SES sends one notice for each letter,
   so a rush would start 40 processes and starve the visitors. Here notices are handled one at a time.
3. MiniStack runs what a schedule calls once. Here a failed run is repeated twice, and then goes to the destination of
   the function's alias, as on AWS.
4. MiniStack counts only the runs that its own API starts. Here schedules, the stream and notices write the metrics
   `Invocations`, `Errors` and `IteratorAge` too. Visitors do not, so that a rush does not fill the memory.
5. MiniStack keeps the concurrency of a function from its versions. Here a function without concurrency is throttled
   through its alias as well.
6. MiniStack does not create the delivery of an access log from a template. Here the resource types are accepted, and
   nothing is delivered.
7. MiniStack does not know the condition `dynamodb:LeadingKeys`. Here it has the partition keys that a call names; in a
   transaction, that of the item which is being checked.

Run it as `python infra/local/emulator.py` in place of `python -m ministack`.
"""

import json
import re
import time
from collections.abc import Iterator
from contextvars import ContextVar
from threading import Lock
from typing import Any

from ministack import app
from ministack.core import iam_actions
from ministack.services import cloudwatch, eventbridge, lambda_svc
from ministack.services.cloudformation import provisioners

execute = lambda_svc._execute_function  # noqa: SLF001 - every invocation goes through it
repeat = lambda_svc.invoke_async_with_retry
notices = Lock()
context_of_call = iam_actions.dynamodb_service_context
checks_of_transaction = iam_actions.dynamodb_transaction_checks
leading_keys: ContextVar[list[str]] = ContextVar("leading_keys")


def execute_function(function: dict[str, Any], event: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Invoke a function as MiniStack does, with corrections 1, 2, 4 and 5."""
    if base_of(function).get("concurrency") == 0:
        function = {**function, "concurrency": 0}
    records = event.get("Records") if isinstance(event, dict) else None
    if records and "Sns" in records[0]:
        with notices:
            return measured(function, event, dict(execute(function, event)))
    result: dict[str, Any] = measured(function, event, execute(function, event))
    body = result.get("body")
    if records and "dynamodb" in records[0] and isinstance(body, dict) and body.get("batchItemFailures"):
        return result | {"error": True}
    return result


def base_of(function: dict[str, Any]) -> dict[str, Any]:
    """Return the function to which a version belongs: it has the settings that versions share."""
    config = function.get("config") or function
    base, *_ = lambda_svc._get_base_func_record_for_ref(config["FunctionArn"])  # noqa: SLF001 - as MiniStack does
    return base or {}


def measured(function: dict[str, Any], event: Any, result: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Record the metrics of a run that no visitor has caused, and return its result."""
    if isinstance(event, dict) and "httpMethod" not in event and not result.get("throttle"):
        metrics: dict[str, float] = {"Invocations": 1, "Errors": 1 if result.get("error") else 0}
        if (records := event.get("Records")) and "dynamodb" in records[0]:
            oldest = min(float(record["dynamodb"]["ApproximateCreationDateTime"]) for record in records)
            metrics["IteratorAge"] = max(0.0, time.time() - oldest) * 1000
        config = function.get("config") or function
        lambda_svc._run_with_function_config_scope(config, record, config["FunctionName"], metrics)  # noqa: SLF001 - sets account and region
    return result


def record(function: str, metrics: dict[str, float]) -> None:
    """Write metrics of a function."""
    for name, value in metrics.items():
        cloudwatch.record_metric("AWS/Lambda", name, value, dimensions={"FunctionName": function})


def call_of_schedule(arn: str, payload: str) -> None:
    """Call the function of a schedule, with correction 3."""
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)  # noqa: SLF001 - as MiniStack does
    target = lambda_svc._execution_record_for_config(function, config)  # noqa: SLF001 - as MiniStack does
    destination = (base_of(target).get("event_invoke_configs") or {}).get(arn.rpartition(":")[2])
    repeat({**target, "event_invoke_config": destination}, json.loads(payload))


def with_leading_keys(body: bytes) -> dict[str, Any]:
    """Return what conditions know of a call to DynamoDB, with correction 7. A scan has no keys."""
    call = json.loads(body or b"{}")
    keys = [*keys_of_items(call), *keys_of_query(call)]
    leading_keys.set(keys)
    return {**context_of_call(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}


def keys_of_items(part: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield the partition keys of the items that a call names, in their order."""
    for element in part if isinstance(part, list) else []:
        yield from keys_of_items(element)
    for name, value in part.items() if isinstance(part, dict) else []:
        if name in {"Key", "Keys", "Item"}:
            yield from (item["pk"]["S"] for item in (value if name == "Keys" else [value]))
        elif not name.startswith("ExpressionAttribute"):
            yield from keys_of_items(value)


def keys_of_query(call: dict[str, Any]) -> Iterator[str]:
    """Yield the partition key of a query."""
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    for name, value in re.findall(r"(#?\w+)\s*=\s*(:\w+)", call.get("KeyConditionExpression", "")):
        if names.get(name, name) == "pk":
            yield values[value]["S"]


def checks_with_own_key(action: str, body: bytes, region: str, account: str) -> Any:  # noqa: ANN401 - a list or an iterator
    """Return the checks of a transaction. As each is made, the condition has the key of its item only."""
    checks, shared = checks_of_transaction(action, body, region, account), leading_keys.get()

    def checked() -> Iterator[tuple[str, str]]:
        for check, key in zip(checks, list(shared), strict=True):
            shared[:] = [key]
            yield check

    return checks and checked()


LOG_DELIVERY = {
    "create": lambda name, _properties, _stack: (name, {"Arn": f"arn:aws:logs:us-east-1:000000000000:delivery:{name}"}),
    "delete": lambda _name, _properties: None,
}


if __name__ == "__main__":
    lambda_svc._execute_function = execute_function  # noqa: SLF001 - the poller looks it up for each batch
    eventbridge._dispatch_to_lambda = call_of_schedule  # noqa: SLF001 - looked up for each event
    iam_actions.dynamodb_service_context = with_leading_keys
    iam_actions.dynamodb_transaction_checks = checks_with_own_key
    for kind in ("DeliverySource", "DeliveryDestination", "Delivery"):
        provisioners._RESOURCE_HANDLERS[f"AWS::Logs::{kind}"] = LOG_DELIVERY  # noqa: SLF001 - the table of all types
    app.main()
