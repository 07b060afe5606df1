"""Practise the recovery of a stage on an emulator, and time each command: `make drill`.

Functions are rolled back, letters that were given up are sent again, deleted items are put back, damaged ones are
repaired. The emulator restores the present state of a table, so the copy is made before the items are deleted.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from chalicelib.domain.tokens import Keys
from infra.deploy.checks import read_secret
from infra.deploy.versions import BEFORE, LIVE
from infra.local import inbox
from infra.local.launcher import start_emulator
from infra.local.settings import any_port
from infra.local.stack import Stack
from infra.ops import damage, redrive, restore
from tests.rehearsal.operator import STAGE, STEPS, Operator
from tests.stack.visitor import Visitor, answered, key_of, person, until
from tests.stackfixture import write_services

PEOPLE = 4
LIMIT = 540
"""Seconds after which the drill stops and fails."""
CHANGES_BY_ITSELF = {"PULSE changed", "PULSE new"}
"""The expiry function writes this item each minute."""


class CheckFailed(Exception):
    """A step of the drill had another result than expected."""


@dataclass(frozen=True)
class Row:
    """A command of the drill, how long it took, and what was checked after it."""

    step: str
    command: str
    seconds: float
    checked: str

    def __str__(self) -> str:
        return f"{self.step:<9} {self.command:<78} {self.seconds:>7.1f}  {self.checked}"


@dataclass(frozen=True)
class Stage(Stack):
    """The deployed stage of the drill, for its visitors."""

    rest_api: str = ""

    @property
    def api(self) -> str:
        return f"{self.endpoint}/_aws/execute-api/{self.rest_api}/api"


@dataclass
class Applicant(Visitor):
    """A visitor who knows the answer of each captcha from the stage's secret."""

    keys: Keys = field(kw_only=True)

    def answer(self, hold: str, challenge: str, answer: str = "") -> dict[str, Any]:
        return super().answer(hold, challenge, answer or self.keys.picture_answer(challenge))


@dataclass(frozen=True)
class Drill:
    """The steps of the drill on an emulator without a stage."""

    operator: Operator
    inbox: str

    @cached_property
    def applicant(self) -> Applicant:
        """A client of the stage. It must be deployed."""
        deployment = self.operator.deployment
        rest_api = deployment.stacks.outputs(deployment.app_stack)["RestAPIId"]
        stage = Stage(self.operator.endpoint, self.inbox, deployment.table, rest_api=rest_api)
        return Applicant(stage, keys=Keys(read_secret(deployment).current))

    def timed(self, module: str, *words: str) -> tuple[str, float, list[str]]:
        """Run a program. Return its command, the seconds that it took, and the lines that it printed."""
        began = time.monotonic()
        lines = self.operator.run_program(module, *words)
        shown = " ".join((module, *words)).replace(str(self.operator.folder), "FOLDER")
        return shown, time.monotonic() - began, lines

    def change_stage(self, command: str) -> tuple[str, float, list[str]]:
        """Run a command of the deployment program, as `make deploy` and `make rollback` do."""
        write_services(self.operator.folder)
        file = self.operator.settings(services=f"[{self.operator.folder}/aes.yaml]")
        _, seconds, lines = self.timed("infra.deploy", command, STAGE, "--file", str(file), "--yes")
        return f"make {command} STAGE={STAGE}", seconds, lines

    def run(self) -> Iterator[Row]:
        """Run all steps, and yield a row for each command. CheckFailed stops the drill."""
        command, seconds, lines = self.change_stage("deploy")
        check([line for line in lines if line.startswith("  ok: ")] == STEPS, "the smoke test did not pass")
        links = [self.book() for _ in range(PEOPLE)]
        yield Row("deploy", command, seconds, f"smoke test passed; {PEOPLE} people booked and confirmed")
        yield self.roll_back(links)
        yield from self.send_again()
        yield from self.put_back(links)

    def book(self) -> str:
        """Book and confirm an appointment. Return its link once the convocation has arrived."""
        details = person()
        self.applicant.file(details)
        link = self.applicant.link(details["email"])
        answered(self.applicant.post(f"{link}/confirmation"), 200)
        self.applicant.letter(details["email"], 2)
        return link

    def roll_back(self, links: list[str]) -> Row:
        """Make every function fail with a new version, and roll back."""
        self.publish_broken(self.operator.deployment.versions.functions())
        broken = self.applicant.get("/services/aes/slots").status_code
        check(broken >= 500, f"a broken version answered {broken}")
        command, seconds, _ = self.change_stage("rollback")
        self.check_links(links)
        self.book()
        checked = f"answered {broken} before; {len(links)} links work, a new booking is confirmed"
        return Row("rollback", command, seconds, checked)

    def publish_broken(self, functions: Iterable[str]) -> None:
        """Publish a version of functions that looks for another table, as a deployment of a mistake would."""
        client, versions = self.operator.client("lambda"), self.operator.deployment.versions
        versions.point(BEFORE, versions.live())
        for function in functions:
            variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
            wrong = {"Variables": variables | {"GUICHET_TABLE": "guichet-none"}}
            client.update_function_configuration(FunctionName=function, Environment=wrong)
            versions.point(LIVE, {function: client.publish_version(FunctionName=function)["Version"]})

    def check_links(self, links: list[str]) -> None:
        """Check that each link shows a confirmed appointment."""
        states = [self.applicant.get(link) for link in links]
        check(all(a.status_code == 200 and a.json()["state"] == "confirmed" for a in states), "a link does not work")

    def send_again(self) -> Iterator[Row]:
        """Let the mailer give letters up, mend it, and send them."""
        people = [person() for _ in range(PEOPLE)]
        with self.impatient_mailer():
            self.publish_broken([f"guichet-{STAGE}-mailer"])
            seats = {self.file(details) for details in people}
            until(lambda: seats <= self.given_up() or None, seconds=120)
        check(not any(self.letters(people)), "the broken mailer sent a letter")
        yield Row("letters", *self.change_stage("rollback")[:2], f"{PEOPLE} letters had been given up")
        command, seconds, lines = self.timed("infra.ops.redrive", STAGE)
        with suppress(AssertionError):  # too late is lost, as the next line says
            until(lambda: all(self.letters(people)) or None)
        check(all(self.letters(people)), "a letter was lost")
        check(not self.given_up(), "the queue is not empty")
        checked = f"{lines[-1]}; {sum(self.letters(people))} letters to {PEOPLE} people, none lost; the queue is empty"
        yield Row("letters", command, seconds, checked)

    def letters(self, people: list[dict[str, str]]) -> list[int]:
        """Return how many letters each person has."""
        return [len(self.applicant.letters(details["email"])) for details in people]

    @contextmanager
    def impatient_mailer(self) -> Iterator[None]:
        """Let the emulator give a batch up after a second: it counts no attempts."""
        client = self.operator.client("lambda")
        (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
        yield
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=-1)

    def file(self, details: dict[str, str]) -> tuple[str, str]:
        """File a request. Return the key of its seat."""
        hold = self.applicant.captcha_passed()
        answered(self.applicant.post(f"/holds/{hold}/details", details), 202)
        return keys_of(key_of(hold))

    def given_up(self) -> set[tuple[str, str]]:
        """Return the keys of the items whose changes are in the queue of unsent letters."""
        return {
            keys_of(record["dynamodb"]["Keys"])
            for batch in self.batches()
            for record in redrive.changes(batch, client=self.operator.client)
        }

    def batches(self) -> Iterator[dict[str, Any]]:
        """Return what the queue of unsent letters has, and leave it there."""
        queues = self.operator.client("sqs")
        url = queues.get_queue_url(QueueName=f"guichet-{STAGE}-unsent")["QueueUrl"]
        answer = queues.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)
        return (json.loads(message["Body"])["DDBStreamBatchInfo"] for message in answer.get("Messages", ()))

    def put_back(self, links: list[str]) -> Iterator[Row]:
        """Restore a copy, erase one person, delete the items of the others, and put them back."""
        table, client = self.applicant.stack.table, self.operator.client("dynamodb")
        words = (STAGE, datetime.now(UTC).isoformat(timespec="seconds"))
        command, seconds, lines = self.timed("infra.ops.restore", *words)
        yield Row("restore", command, seconds, f"the copy exists: {lines[0].strip()}")
        erased, *kept = links
        answered(self.applicant.post(f"{erased}/erasure"), 200)
        before = damage.read_items(table, client=client)
        holds = [before[keys_of(key_of(link))]["hold"] for link in kept]
        deleted = [(item["pk"], item["sk"]) for item in before.values() if item.get("hold") in holds]
        for pk, sk in deleted:
            client.delete_item(TableName=table, Key={"pk": pk, "sk": sk})
        check(self.applicant.get(kept[0]).status_code >= 400, "a link works without its items")
        command, seconds, _ = self.timed("infra.ops.restore", *words, "--put-back")
        differences = restore.compare(before, damage.read_items(table, client=client)).keys() - CHANGES_BY_ITSELF
        check(not differences, f"the table differs: {', '.join(sorted(differences))}")
        self.check_links(kept)
        checked = (
            f"{len(deleted)} deleted items are back and equal; {len(kept)} links work; the erased person is not back"
        )
        yield Row("restore", command, seconds, checked)
        yield from self.repair(kept, words)

    def repair(self, links: list[str], words: tuple[str, ...]) -> Iterator[Row]:
        """Damage a seat and the details of another person, name them, and repair them from the copy."""
        table, client = self.applicant.stack.table, self.operator.client("dynamodb")
        before = damage.read_items(table, client=client)
        seat, other = (keys_of(key_of(link)) for link in links[:2])
        (person,) = (key for key, item in before.items() if "details" in item and item["hold"] == before[other]["hold"])
        wrong = {**before[seat], "state": {"S": "confirmd"}}, {**before[person], "details": {"S": "{"}}
        for item in wrong:
            client.put_item(TableName=table, Item=item)
        answers = [self.applicant.get(link).status_code for link in links[:2]]
        check(min(answers) >= 500, f"links of damaged items answered {answers}")
        command, seconds, lines = self.timed("infra.ops.restore", STAGE, "--damaged")
        named = {f"{' '.join(seat)}: damaged in state", f"{' '.join(person)}: damaged in details"}
        check(named == set(lines[:-1]), f"the damaged items were not named: {lines}")
        yield Row("restore", command, seconds, f"links answer 500; {lines[-1].strip()}, without names or values")
        command, seconds, lines = self.timed("infra.ops.restore", *words, "--damaged", "--put-back")
        differences = restore.compare(before, damage.read_items(table, client=client)).keys() - CHANGES_BY_ITSELF
        check(not differences, f"the table differs: {', '.join(sorted(differences))}")
        self.check_links(links)
        yield Row("restore", command, seconds, f"{lines[-2].strip()}; {len(links)} links work")


def keys_of(key: dict[str, Any]) -> tuple[str, str]:
    """Return the partition key and the sort key of an item."""
    return key["pk"]["S"], key["sk"]["S"]


def check(passed: bool, failure: str) -> None:  # noqa: FBT001 - as assert
    """Raise CheckFailed with what is wrong, unless the check has passed."""
    if not passed:
        raise CheckFailed(failure)


def report(rows: Iterator[Row]) -> int:
    """Print each row. Return 1 if a step fails, with its reason as the last line."""
    print(f"{'step':<9} {'command':<78} {'seconds':>7}  checked", flush=True)
    try:
        for row in rows:
            print(row, flush=True)
    except (CheckFailed, AssertionError, TimeoutError) as error:
        print(f"FAILED: {error}")
        return 1
    return 0


def stop(*_: object) -> NoReturn:
    """Stop the drill, which has taken too long."""
    raise TimeoutError(f"the drill took more than {LIMIT} seconds")


def main() -> None:
    """Start an emulator, and run the drill on it. Exit 1 if a step fails."""
    argparse.ArgumentParser(prog="python -m tests.rehearsal.drill", description=__doc__).parse_args()
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    with (
        tempfile.TemporaryDirectory(prefix="guichet-drill-") as folder,
        tempfile.TemporaryDirectory(prefix="guichet-drill-") as home,
        inbox.serving() as mailbox,
        start_emulator(any_port(), Path(folder), smtp=mailbox.smtp, auth=False) as emulator,
    ):
        code = report(Drill(Operator(emulator.url, Path(home)), mailbox.url).run())
    sys.exit(code)


if __name__ == "__main__":
    main()
