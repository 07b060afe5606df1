"""Send the changes that the mailer gave up to it again: `python -m infra.ops.redrive STAGE`, within 24 hours.

No letter is sent twice: the mailer marks each letter on the person item and skips a letter that is marked.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from gettext import gettext as _
from typing import Any

import boto3

from infra.deploy.versions import LIVE
from infra.tools.command_line import one_line, stage_name

HIDDEN = 900
"""Seconds in which the mailer can process a whole batch."""
Client = Callable[[str], Any]


class NotSent(SystemExit):
    """Raised when the mailer fails again or a change is too old to be read. The message says so in one line."""


def send_again(stage: str, *, client: Client = boto3.client) -> int:
    """Send every change of the queue to the mailer, and empty the queue. Return how many changes were sent."""
    queue = client("sqs").get_queue_url(QueueName=f"guichet-{stage}-unsent")["QueueUrl"]
    sent = 0
    while messages := client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=HIDDEN).get("Messages"):
        for message in messages:
            receipt = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
            try:
                for record in changes(json.loads(message["Body"])["DDBStreamBatchInfo"], client=client):
                    send(stage, record, client=client)
                    sent += 1
            except NotSent:
                client("sqs").change_message_visibility(**receipt, VisibilityTimeout=0)
                raise
            client("sqs").delete_message(**receipt)
    return sent


def changes(batch: dict[str, Any], *, client: Client) -> Iterator[dict[str, Any]]:
    """Read the records of a batch from the stream again, in the form in which Lambda passes them."""
    streams = client("dynamodbstreams")
    shard = {"StreamArn": batch["streamArn"], "ShardId": batch["shardId"]}
    first, last = int(batch["startSequenceNumber"]), int(batch["endSequenceNumber"])
    try:
        iterator = streams.get_shard_iterator(
            **shard, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=batch["startSequenceNumber"]
        )["ShardIterator"]
    except streams.exceptions.TrimmedDataAccessException as error:
        moment = batch["approximateArrivalOfFirstRecord"]
        text = _("guichet: the changes of {} are older than 24 hours and cannot be read")
        raise NotSent(text.format(moment)) from error
    number = first - 1
    while iterator and number < last:
        page = streams.get_records(ShardIterator=iterator)
        iterator = page.get("NextShardIterator")
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if first <= number <= last:
                created = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
                change = record["dynamodb"] | {"ApproximateCreationDateTime": created}
                yield {**record, "eventSourceARN": batch["streamArn"], "dynamodb": change}


def send(stage: str, record: dict[str, Any], *, client: Client) -> None:
    """Send one change to the mailer. Raise NotSent if the mailer fails."""
    answer = client("lambda").invoke(
        FunctionName=f"guichet-{stage}-mailer", Qualifier=LIVE, Payload=json.dumps({"Records": [record]}).encode()
    )
    payload = answer["Payload"].read()  # unread, it keeps the connection open
    if "FunctionError" in answer or json.loads(payload)["batchItemFailures"]:
        number = record["dynamodb"]["SequenceNumber"]
        text = _("guichet: the mailer failed on change {} again: look at the log of {}")
        raise NotSent(text.format(number, f"guichet-{stage}-mailer"))


def main(arguments: list[str], *, client: Client = boto3.client) -> None:
    """Run the command line."""
    description = _("Send the changes that the mailer gave up to it again.")
    parser = argparse.ArgumentParser(prog="python -m infra.ops.redrive", description=description)
    parser.add_argument("stage", type=stage_name)
    stage = parser.parse_args(arguments).stage
    with one_line(stage):
        print(_("{} changes sent to the mailer").format(send_again(stage, client=client)))


if __name__ == "__main__":
    main(sys.argv[1:])
