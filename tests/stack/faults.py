"""What goes wrong around a running function, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from infra.laptop import STAGE, Stack


@contextmanager
def configured(stack: Stack, function: str, **variables: str) -> Iterator[None]:
    """A function with other settings in its environment; its processes start again before and after."""
    functions, name = stack.client("lambda"), f"guichet-{STAGE}-{function}"
    known = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": known | variables})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": known})


def logged(stack: Stack, function: str, word: str, since: datetime) -> bool | None:
    """True once a function has written a line with this word; None before, for `until`."""
    group, began = f"/aws/lambda/guichet-{STAGE}-{function}", int(since.timestamp() * 1000)
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=began)
    return any(word in event["message"] for page in pages for event in page["events"]) or None
