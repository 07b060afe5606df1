"""Give the mailer again the changes that it gave up: `python -m infra.ops.redrive STAGE`, within 24 hours of them.

What was sent in the meantime is not sent twice: the mailer looks for its mark, as ever.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3

from infra.deploy.stacks import LIVE
from infra.tools.command_line import one_line, stage_name

HIDDEN = 900  # seconds for the mailer to take a whole batch
Client = Callable[[str], Any]


class NotSent(SystemExit):
    """The mailer gave a change up once more, or it is too old to be read; the message is the one line that says so."""


def send_again(stage: str, *, client: Client = boto3.client) -> int:
    """Empty the queue of what was given up; how many changes the mailer took."""
    queue = client("sqs").get_queue_url(QueueName=f"guichet-{stage}-unsent")["QueueUrl"]
    taken = 0
    while found := client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=HIDDEN).get("Messages"):
        for message in found:
            this = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
            try:
                for record in changes(json.loads(message["Body"])["DDBStreamBatchInfo"], client=client):
                    give(stage, record, client=client)
                    taken += 1
            except NotSent:
                client("sqs").change_message_visibility(**this, VisibilityTimeout=0)
                raise
            client("sqs").delete_message(**this)
    return taken


def changes(batch: dict[str, Any], *, client: Client) -> Iterator[dict[str, Any]]:
    """The records of a batch, read again from the stream, as Lambda gives them."""
    streams = client("dynamodbstreams")
    place = {"StreamArn": batch["streamArn"], "ShardId": batch["shardId"]}
    first, last = int(batch["startSequenceNumber"]), int(batch["endSequenceNumber"])
    try:
        iterator = streams.get_shard_iterator(
            **place, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=batch["startSequenceNumber"]
        )["ShardIterator"]
    except streams.exceptions.TrimmedDataAccessException as error:
        raise NotSent(f"guichet: the changes of {batch['approximateArrivalOfFirstRecord']} are too old") from error
    seen = first - 1
    while iterator and seen < last:
        read = streams.get_records(ShardIterator=iterator)
        iterator = read.get("NextShardIterator")
        for record in read["Records"]:
            seen = int(record["dynamodb"]["SequenceNumber"])
            if first <= seen <= last:
                at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
                change = record["dynamodb"] | {"ApproximateCreationDateTime": at}
                yield {**record, "eventSourceARN": batch["streamArn"], "dynamodb": change}


def give(stage: str, record: dict[str, Any], *, client: Client) -> None:
    """One change to the mailer; NotSent if it fails."""
    answer = client("lambda").invoke(
        FunctionName=f"guichet-{stage}-mailer", Qualifier=LIVE, Payload=json.dumps({"Records": [record]}).encode()
    )
    if "FunctionError" in answer or json.loads(answer["Payload"].read())["batchItemFailures"]:
        number = record["dynamodb"]["SequenceNumber"]
        raise NotSent(f"guichet: the mailer gave up change {number} again: see its log, guichet-{stage}-mailer")


def main(words: list[str], *, client: Client = boto3.client) -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.ops.redrive", description="Give the mailer unsent changes again."
    )
    parser.add_argument("stage", type=stage_name)
    stage = parser.parse_args(words).stage
    with one_line(stage):
        print(f"{send_again(stage, client=client)} changes given to the mailer")


if __name__ == "__main__":
    main(sys.argv[1:])
