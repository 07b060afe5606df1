"""What every command of the ops program keeps to: stages, exit codes, questions, one document, the audit."""

import io
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynamodb.exceptions import GetError

from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import seat_admin
from chalicelib.storage.dynamodb import connection
from chalicelib.storage.items import Item
from infra.ops import desk_changes, output
from infra.ops.audit import AuditRow, act
from infra.ops.session import Refused, Session
from infra.ops.stage_access import caller, reach, reason
from tests.unit.infra.ops.bookings import NOW, book, key
from tests.unit.infra.ops.program import META, acts, everything, ops, table

ADD = ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "1", "--force")
ENGINE: dict[str, Any] = {
    "AWS_ACCESS_KEY_ID": "of somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PROFILE": None,
    "AWS_SESSION_TOKEN": "token",
}
READS = [
    ("status",),
    ("services", "list"),
    ("calendar", "aes"),
    ("figures", "aes"),
    ("release", "preview", "aes"),
    ("audit",),
]
READS_PEOPLE = [
    ("day", "aes", "2026-12-08"),
    ("requests", "find", "--name", "awa"),
    ("requests", "show", "AES-00001-AAAAA"),
    ("requests", "export", "AES-00001-AAAAA"),
]
DRY_RUNS = [
    ("release", "run"),
    ADD,
    ("seats", "reopen", "aes", "2026-12-08", "--from", "09:00", "--to", "12:00"),
    ("close", "aes", "2026-12-10"),
    ("requests", "cancel", "AES-00001-AAAAA"),
    ("requests", "correct", "AES-00001-AAAAA", "--first-name", "Awah"),
    ("requests", "erase", "AES-00001-AAAAA"),
]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def booked(service: Service) -> Service:
    """One person who is booked, and a seat that the office closed."""
    book(key(start="09:15"), 1)
    assert seat_admin.close(key(start="09:30"), "office", NOW)
    return service


# Where it works


@pytest.mark.parametrize("command", READS + READS_PEOPLE)
def test_a_table_that_is_not_there_is_one_line_and_three(table: None, command: tuple[str, ...]) -> None:  # noqa: ARG001
    ran = ops(*command, "--stage", "none")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "guichet: there is no table guichet-none in eu-west-3: is the stage deployed, is its name right?\n"
    )


def test_no_connection_is_one_line_and_three_and_the_engine_never_sees_the_keys_of_the_operator() -> None:
    ran = ops("services", "list", "--stage", "laptop", "--json", **ENGINE, GUICHET_PORT="1")
    assert ran.code == 3
    assert ran.json == {"error": ran.err.removeprefix("guichet: ").rstrip("\n")}
    assert 'cannot reach the table guichet-laptop in eu-west-3: Could not connect to the endpoint URL: "http' in ran.err
    assert "127.0.0.1:1/" in ran.err
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"


def test_on_the_laptop_the_keys_are_those_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in META:
        monkeypatch.setattr(Item.Meta, name, getattr(Item.Meta, name))
    for name in (*ENGINE, "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "of the operator")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("GUICHET_PORT", "4711")
    assert reach("laptop") == "eu-west-3"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(os.environ) == set()
    assert Item.Meta.table_name == "guichet-laptop"


def test_another_stage_is_reached_with_the_operators_own_keys_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in META:
        monkeypatch.setattr(Item.Meta, name, getattr(Item.Meta, name))
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the operator")
    assert reach("prod") == "eu-south-1"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "of the operator"
    assert (Item.Meta.table_name, Item.Meta.region) == ("guichet-prod", "eu-south-1")


def test_a_refusal_of_aws_and_a_table_that_throttles_are_told_and_what_is_unknown_rises() -> None:
    said = GetError("no")
    said.cause = type("Said", (Exception,), {"response": {"Error": {"Code": "AccessDeniedException"}}})()
    line = reason(said, "prod", "eu-west-3")
    assert line == "AWS does not let you use the table guichet-prod in eu-west-3 (AccessDeniedException)"
    assert reason(TooManyRequests(), "prod", "eu-west-3") == "the table asks to slow down: try again in a minute"
    said.cause.response["Error"]["Code"] = "ValidationException"  # type: ignore[union-attr]  # made above
    assert reason(said, "prod", "eu-west-3") is None


@pytest.mark.parametrize(
    "words",
    [
        ("services", "list", "--stage", "Prod"),
        ("calendar", "aes", "--week", "2026-W54"),
        ("calendar", "aes", "--week", "2026W49"),
        ("day", "aes", "2026-02-30"),
        ("day", "aes", "2026-12-08", "--csv", "--json"),
        ("close", "aes", "2026-12-08", "--from", "25:00"),
        ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10"),
        ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "0"),
        (*ADD, "--opens", "tomorrow"),
        ("requests", "find"),
        ("audit", "--since", "1 December"),
        ("nothing",),
        (),
    ],
)
def test_wrong_use_is_two_and_asks_no_table(words: tuple[str, ...]) -> None:
    assert ops(*words).code == 2


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "words",
    [
        ("calendar", "none"),
        ("figures", "none"),
        ("release", "preview", "none"),
        ("release", "run", "none"),
        ("day", "none", "2026-12-08"),
        ("close", "none", "2026-12-08", "--yes"),
        ("seats", "add", "none", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "1"),
        ("seats", "reopen", "none", "2026-12-10", "--from", "11:00", "--to", "11:10"),
    ],
)
def test_a_service_that_is_not_there_is_refused_with_those_that_are(words: tuple[str, ...]) -> None:
    ran = ops(*words)
    assert (ran.code, ran.out, ran.err) == (1, "", "guichet: there is no service none on test: aes\n")


# What it says


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", READS)
def test_every_reading_command_says_one_json_document_and_writes_nothing(command: tuple[str, ...]) -> None:
    before = everything()
    ran = ops(*command, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert isinstance(ran.json, dict)
    assert everything() == before


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", DRY_RUNS)
def test_a_dry_run_writes_nothing_not_even_an_act_and_asks_nothing(command: tuple[str, ...]) -> None:
    before = everything()
    assert ops(*command, "--dry-run").code == 0
    ran = ops(*command, "--dry-run", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert isinstance(ran.json, dict)
    assert everything() == before


def test_text_of_strangers_cannot_steer_a_terminal_a_program_or_a_spreadsheet() -> None:
    name = "A\x1b[31m\x9b2Jw\u202ea\u2066\u200f\r\n[bold]"
    assert output.clean(name) == "A[31m2Jwa  [bold]"
    assert output.as_json({"é": name}) == (
        '{"é": "A\\u001b[31m\\u009b2Jw\\u202ea\\u2066\\u200f\\r\\n[bold]"}'  # as it was, and harmless
    )
    cells = ("=1+1", "+33 6", "-2", "@a", "\t=1", "\rx", " =1", "\u200b=1", "＝1", 'a;"b"', "Ünal")
    assert output.as_csv([cells]) == ("\ufeff'=1+1;'+33 6;'-2;'@a;' =1;' x;' =1;'=1;'＝1;" + '"a;""b""";Ünal\r\n')


def test_a_tag_outside_the_basic_plane_is_escaped_as_json_wants_it() -> None:
    assert output.as_json("\U000e0001") == '"\\udb40\\udc01"'


# What it asks


def session(clock: datetime = NOW) -> Session:
    return Session("test", "eu-west-3", json=False, clock=lambda: clock, now=clock)


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_a_yes_at_the_terminal_goes_on(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    session().ask("Close it?", "Thirty seats.", yes=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Thirty seats.\nClose it? [y/N] ")


@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_anything_else_at_the_terminal_refuses(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(Refused, match="nothing was changed"):
        session().ask("Close it?", yes=False)


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", [ADD, DRY_RUNS[2], ("close", "aes", "2026-12-08"), *DRY_RUNS[4:]])
def test_without_a_terminal_and_without_a_yes_what_cannot_be_undone_is_refused(command: tuple[str, ...]) -> None:
    before = table()
    ran = ops(*command)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("guichet: nothing was changed: this needs --yes, or a terminal to ask at\n")
    assert ops(*command, "--json").json == {"error": ran.err.splitlines()[-1].removeprefix("guichet: ")}
    assert table() == before
    assert acts() == []


# What was done


@pytest.mark.usefixtures("service")
def test_an_act_is_kept_with_who_what_when_how_it_ended_and_its_counts() -> None:
    assert ops(*ADD, "--yes").code == 0
    (done,) = acts()
    assert done == {
        "at": "2026-11-30T08:00:01.000+00:00",
        "who": caller("eu-west-3"),
        "what": "seats add",
        "arguments": {
            "service": "aes",
            "day": "2026-12-10",
            "start": "11:00",
            "end": "11:10",
            "desks": [1],
            "opens": "now",
            "forced": 2,
        },
        "outcome": "done",
        "counts": {"made": 2},
        "ended_at": "2026-11-30T08:00:01.000Z",
    }
    assert done["who"].startswith("arn:aws:sts::")
    ran = ops("audit")
    assert ran.code == 0
    assert "2026-11-30 08:00:01" in ran.out
    assert "seats add" in ran.out


@pytest.mark.usefixtures("booked")
def test_no_act_says_who_it_was_about() -> None:
    email, born = ("--email", "awa1@example.org"), ("--birth-date", "1991-05-17")
    correct = ("requests", "correct", "AES-00001-AAAAA", "--last-name", "Exempla", *born, "--yes")
    for command in (*READS_PEOPLE, ("requests", "find", *email), correct):
        assert ops(*command).code == 0
    for command in DRY_RUNS:
        yes = [] if command[0] == "release" else ["--yes"]
        assert ops(*command, *yes).code == 0
    told = str([item for item in everything() if item["pk"].startswith("AUDIT#")])
    assert len(acts()) == 13
    assert "AES-00001-AAAAA" in told
    for private in ("awa", "exemple", "exempla", "example.org", "1990", "1991", "06 12", "person1", "hold1"):
        assert private not in told.lower()


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (READS_PEOPLE[0], ("day", {"service": "aes", "day": "2026-12-08"}, {"people": 1})),
        ((*READS_PEOPLE[0], "--csv"), ("day", {"service": "aes", "day": "2026-12-08"}, {"people": 1})),
        (READS_PEOPLE[1], ("requests find", {"by": ["name"]}, {"people": 1})),
        (("requests", "find", "--name", "nobody"), ("requests find", {"by": ["name"]}, {"people": 0})),
        (READS_PEOPLE[2], ("requests show", {"reference": "AES-00001-AAAAA"}, {"people": 1})),
        (READS_PEOPLE[3], ("requests export", {"reference": "AES-00001-AAAAA"}, {"people": 1})),
    ],
)
def test_reading_people_is_an_act_that_says_how_many_and_changes_nothing(
    command: tuple[str, ...], told: tuple[object, ...]
) -> None:
    before = table()
    ops(*command)
    (done,) = acts()
    assert (done["what"], done["arguments"], done["counts"]) == told
    assert (done["outcome"], done["who"]) == ("done", caller("eu-west-3"))
    assert table() == before


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", READS_PEOPLE)
def test_nobody_is_shown_when_the_act_cannot_be_kept(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TooManyRequests

    monkeypatch.setattr(AuditRow, "save", away)
    ran = ops(*command)
    assert (ran.code, ran.out) == (3, "")


@pytest.mark.usefixtures("booked")
def test_an_act_is_kept_for_a_year() -> None:
    assert ops(*READS_PEOPLE[2]).code == 0
    assert ops(*ADD, "--yes").code == 0
    ends = {item["erase_at"] for item in everything() if item["pk"].startswith("AUDIT#")}
    assert ends == {str(int((NOW + timedelta(days=365)).timestamp()))}


@pytest.mark.usefixtures("table")
def test_an_act_is_there_before_it_is_done_and_its_failure_after() -> None:
    def fail() -> None:
        with act(session(), "release run", service="aes") as done:
            assert [(one["outcome"], one["ended_at"]) for one in acts()] == [("begun", None)]
            done["create"] += 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(one["outcome"], one["counts"]) for one in acts()] == [("failed", {"create": 3})]


@pytest.mark.usefixtures("table")
def test_acts_are_told_newest_first_over_the_months_since_a_day() -> None:
    for days in (70, 35, 3, 0):
        with act(session(NOW - timedelta(days=days)), f"{days} days ago"):
            pass
    assert [one["what"] for one in acts()] == ["0 days ago", "3 days ago"]
    since = ops("audit", "--since", "2026-10-26", "--json").json["acts"]
    assert [one["what"] for one in since] == ["0 days ago", "3 days ago", "35 days ago"]
    assert ops("audit", now=datetime(2027, 3, 1, tzinfo=UTC)).out == "No act.\n"


@pytest.mark.usefixtures("service")
def test_an_act_that_finds_the_table_away_is_three(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TooManyRequests

    monkeypatch.setattr(desk_changes, "_write", away)
    ran = ops(*ADD, "--yes", "--json")
    assert (ran.code, ran.json) == (3, {"error": "the table asks to slow down: try again in a minute"})
    assert [one["outcome"] for one in acts()] == ["failed"]


def test_where_aws_does_not_answer_the_one_who_asks_is_the_user_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LOGNAME", "ops")
    assert caller("eu-west-1") == "user ops"


@pytest.mark.usefixtures("table")
def test_the_mailer_has_no_letter_for_an_act() -> None:
    with act(session(), "release run"):
        pass
    (item,) = connection().scan()["Items"]  # a model reads its own kind only
    assert outbox.letter_due(None, item) is outbox.letter_due(item, item) is None
