"""Compare the CPU time of `manage` for an existing and an unknown request: `python -m tests.security.timing 300`.

The calls alternate, on the real `app`. The time that moto takes to emulate the table is not counted.
"""

import argparse
import statistics
from time import process_time
from typing import Any

from moto import mock_aws

from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items
from tests.client import JSON
from tests.security.fuzz import InProcess, quiet
from tests.security.gateway import call


def measured(rounds: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each call for the known reference, and of each for the unknown one."""
    InProcess().renew()
    email = "awa1@example.org"
    row = items.email_lock(keys().email_key(email), "aes")
    row.refresh()
    left_at, outside = [0.0], [0.0]

    def leave(**_: Any) -> None:
        left_at[0] = process_time()

    def come_back(**_: Any) -> None:
        outside[0] += process_time() - left_at[0]

    events = dynamodb.connection().connection.client.meta.events
    events.register_first("before-send.dynamodb", leave)
    events.register_first("response-received.dynamodb", come_back)
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(2 * rounds):
        reference = (row.reference, "AES-22222-22222")[turn % 2]
        body = f'{{"reference": "{reference}", "email": "{email}"}}'.encode()
        began, outside[0] = process_time(), 0.0
        status, _, _ = call("POST", "/manage", dict(JSON), body)
        spent[turn % 2].append((process_time() - began - outside[0]) * 1000)
        if status != 202:  # the status of the contract
            raise RuntimeError(status)
        row.update([items.LockItem.asked_at.remove(), items.LockItem.asked_2.remove(), items.LockItem.asked_3.remove()])
    return spent[0][1:], spent[1][1:]  # the first call loads libraries


def main() -> None:
    """Measure both kinds of calls and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.timing")
    parser.add_argument("rounds", type=int, help="how many requests of each kind to measure")
    rounds = parser.parse_args().rounds
    with mock_aws(), quiet():
        known, unknown = measured(rounds)
    medians = statistics.median(known), statistics.median(unknown)
    quartiles = [f"{quarter:.2f}" for quarter in statistics.quantiles(known)]
    print(
        f"known {medians[0]:.2f} ms, unknown {medians[1]:.2f} ms of CPU time; quartiles of known {', '.join(quartiles)}"
    )


if __name__ == "__main__":
    main()
