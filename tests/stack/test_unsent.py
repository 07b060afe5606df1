"""A letter that always fails ends in the queue of unsent letters; an operator sends it again with redrive."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.stack import Stack
from infra.ops import redrive
from tests.stack.visitor import Visitor, answered, person, set_email, until


@pytest.fixture
def impatient(stack: Stack) -> Iterator[Stack]:
    """Let the emulator give a batch up at once: it counts no attempts and halves no batch, but has a maximum age."""
    queues, client = stack.client("sqs"), stack.client("lambda")
    queues.purge_queue(QueueUrl=queues.get_queue_url(QueueName="guichet-laptop-unsent")["QueueUrl"])
    mapping = client.list_event_source_mappings()["EventSourceMappings"][0]
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    yield stack
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=-1)


def given_up(stack: Stack) -> dict[str, Any] | None:
    """Return a message of the queue and leave it there."""
    queue = stack.client("sqs").get_queue_url(QueueName="guichet-laptop-unsent")["QueueUrl"]
    messages = stack.client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0).get("Messages")
    read: dict[str, Any] | None = json.loads(messages[0]["Body"]) if messages else None
    return read


def test_a_failing_letter_delays_no_other_and_is_sent_once_it_can_be(impatient: Stack) -> None:
    stack, visitor = impatient, Visitor(impatient)
    awa, ben = person(), person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    set_email(stack, link, 7)  # an item that the mailer cannot use
    answered(visitor.post(f"{link}/confirmation"), 200)
    message = until(lambda: given_up(stack), seconds=60)
    assert "awa" not in json.dumps(message).casefold()
    visitor.file(ben)
    assert visitor.letter(ben["email"])["subject"] == "Confirmez votre demande de rendez-vous"
    assert len(visitor.letters(awa["email"])) == 1
    with pytest.raises(redrive.NotSent, match="failed on change"):
        redrive.send_again("laptop", client=stack.client)
    set_email(stack, link, awa["email"])
    assert redrive.send_again("laptop", client=stack.client) >= 1
    assert visitor.letter(awa["email"], 2)["subject"] == "Votre rendez-vous est confirmé : votre convocation"
    assert given_up(stack) is None
    assert len(visitor.letters(ben["email"])) == 1
