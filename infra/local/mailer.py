"""What runs beside a web server without Lambda: `python -m infra.local.mailer STREAM` is the mailer, and the expiry."""

import sys
import time
from datetime import UTC, datetime

import boto3

from chalicelib.booking import schedule
from chalicelib.mail import outbox
from chalicelib.web import clock
from infra.local import process_guard

EXPIRY_SECONDS = 60.0
POLL_SECONDS = 0.1
"""Between two looks at an empty stream: its API has no call that waits."""


def deliver(stream: str) -> None:
    """Deliver the letters that the stream calls for, in order; once a minute, end what has expired. Never returns."""
    client = boto3.client("dynamodbstreams")
    shard = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    start = {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator, swept = client.get_shard_iterator(**start)["ShardIterator"], time.monotonic()
    while True:
        if time.monotonic() - swept >= EXPIRY_SECONDS:
            swept = time.monotonic()
            schedule.end_expired(clock.now())
        page = client.get_records(ShardIterator=iterator, Limit=100)  # as in infra/deploy/templates/app.yaml
        iterator = page["NextShardIterator"]
        changes = [change["dynamodb"] for change in page["Records"] if change["eventName"] == "MODIFY"]
        records = [(change["SequenceNumber"], change.get("OldImage"), change.get("NewImage")) for change in changes]
        while records:
            failed = outbox.deliver(records, now=clock.now(), oldest=datetime.now(UTC))
            records = [record for record in records if record[0] in failed]
        if not changes:
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    process_guard.die_with_parent()
    deliver(sys.argv[1])
