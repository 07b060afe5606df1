"""What all commands of the operator program share: stages, exit codes, questions, JSON, the audit."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynamodb.exceptions import GetError

from chalicelib.desk import spreadsheet
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import seat_maintenance, timetable_store
from chalicelib.storage.dynamodb import connection
from chalicelib.storage.items import Item
from infra.ops import output
from infra.ops.__main__ import COMMANDS, load
from infra.ops.audit import AuditItem, audited
from infra.ops.session import Refused, Session, console
from infra.ops.stage_access import caller, problem_of, select_stage
from tests.unit.infra.ops.bookings import NOW, book, key
from tests.unit.infra.ops.program import META, audit_items, ops, table_without_audit, whole_table

ADD = ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "1", "--force")
OPERATOR_ENVIRONMENT: dict[str, Any] = {
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
    """Standard input at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def booked(service: Service) -> Service:
    """One booked applicant, and a seat that an operator closed."""
    book(key(start="09:15"), 1)
    assert seat_maintenance.close(key(start="09:30"), "office", NOW)
    return service


def test_the_program_starts_without_the_local_stack_and_without_rarely_needed_libraries() -> None:
    modules = modules_of("import infra.ops.stage_status, infra.ops.requests, infra.ops.services")
    heavy = {"ministack", "aiosmtpd", "playwright", "reportlab", "babel", "boto3", "jsonschema", "holidays", "chalice"}
    assert heavy & {name.partition(".")[0] for name in modules} == set()
    assert [name for name in modules if name.startswith(("infra.local.", "infra.deploy"))] == ["infra.local.settings"]


def test_the_list_of_commands_imports_neither_a_command_nor_what_reaches_the_table() -> None:
    modules = modules_of("from infra.ops.__main__ import app; app(['--help'], standalone_mode=False)")
    assert {"botocore", "pynamodb", "yaml"} & {name.partition(".")[0] for name in modules} == set()
    light = {"infra.ops.__main__", "infra.ops.options", "infra.ops.other_words"}
    assert {name for name in modules if name.startswith("infra.ops.")} == light


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_the_help_of_each_command(name: str) -> None:
    assert load(name).help.split("\n\n")[0].replace("\n", " ") == COMMANDS[name][1]


def modules_of(program: str) -> list[str]:
    """The modules that Python has imported after a program."""
    program += "; import sys; print('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603  # this Python
    return done.stdout.partition("modules: ")[2].split()


# Stages


@pytest.mark.parametrize("command", READS + READS_PEOPLE)
def test_a_missing_table_is_one_line_and_exit_code_3(table: None, command: tuple[str, ...]) -> None:  # noqa: ARG001
    ran = ops(*command, "--stage", "none")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "guichet: there is no table guichet-none in eu-west-3: is the stage deployed, is its name right?\n"
    )


def test_no_connection_is_one_line_and_exit_code_3_and_the_emulator_never_gets_the_operators_keys() -> None:
    ran = ops("services", "list", "--stage", "laptop", "--json", **OPERATOR_ENVIRONMENT, GUICHET_PORT="1")
    assert ran.code == 3
    assert ran.json == {"error": ran.err.removeprefix("guichet: ").rstrip("\n")}
    assert 'cannot reach the table guichet-laptop in eu-west-3: Could not connect to the endpoint URL: "http' in ran.err
    assert "127.0.0.1:1/" in ran.err
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"


def test_the_local_stack_is_reached_with_the_keys_of_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in META:
        monkeypatch.setattr(Item.Meta, name, getattr(Item.Meta, name))
    for name in (*OPERATOR_ENVIRONMENT, "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "of the operator")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("GUICHET_PORT", "4711")
    assert select_stage("laptop") == "eu-west-3"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(os.environ) == set()
    assert Item.Meta.table_name == "guichet-laptop"


def test_another_stage_is_reached_with_the_operators_own_keys_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in META:
        monkeypatch.setattr(Item.Meta, name, getattr(Item.Meta, name))
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the operator")
    assert select_stage("prod") == "eu-south-1"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "of the operator"
    assert (Item.Meta.table_name, Item.Meta.region) == ("guichet-prod", "eu-south-1")


def test_denied_access_and_throttling_are_explained_and_unknown_errors_rise() -> None:
    error = GetError("no")
    error.cause = type("Cause", (Exception,), {"response": {"Error": {"Code": "AccessDeniedException"}}})()
    line = problem_of(error, "prod", "eu-west-3")
    assert line == (
        "AWS denies access to the table guichet-prod in eu-west-3 (AccessDeniedException): check your AWS credentials"
    )
    assert problem_of(TooManyRequests(), "prod", "eu-west-3") == "DynamoDB throttles the table: try again in a minute"
    error.cause.response["Error"]["Code"] = "ValidationException"  # type: ignore[union-attr]  # made above
    assert problem_of(error, "prod", "eu-west-3") is None


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
def test_wrong_use_is_exit_code_2_without_a_table(words: tuple[str, ...]) -> None:
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
def test_an_unknown_service_is_refused_with_the_known_ones(words: tuple[str, ...]) -> None:
    ran = ops(*words)
    assert (ran.code, ran.out, ran.err) == (1, "", "guichet: there is no service none on test: use one of aes\n")


# Output


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", READS)
def test_every_reading_command_prints_one_json_document_and_writes_nothing(command: tuple[str, ...]) -> None:
    before = whole_table()
    ran = ops(*command, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert isinstance(ran.json, dict)
    assert whole_table() == before


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", DRY_RUNS)
def test_a_dry_run_writes_nothing_not_even_an_audit_item_and_asks_nothing(command: tuple[str, ...]) -> None:
    before = whole_table()
    assert ops(*command, "--dry-run").code == 0
    ran = ops(*command, "--dry-run", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert isinstance(ran.json, dict)
    assert whole_table() == before


def test_text_of_applicants_cannot_control_a_terminal_a_program_or_a_spreadsheet() -> None:
    name = "A\x1b[31m\x9b2Jw\u202ea\u2066\u200f\r\n[bold]"
    assert spreadsheet.clean(name) == "A[31m2Jwa  [bold]"
    assert output.as_json({"é": name}) == (
        '{"é": "A\\u001b[31m\\u009b2Jw\\u202ea\\u2066\\u200f\\r\\n[bold]"}'  # as it was, and harmless
    )
    cells = ("=1+1", "+33 6", "-2", "@a", "\t=1", "\rx", " =1", "\u200b=1", "＝1", 'a;"b"', "Ünal")
    assert spreadsheet.as_csv([cells]) == ("\ufeff'=1+1;'+33 6;'-2;'@a;' =1;' x;' =1;'=1;'＝1;" + '"a;""b""";Ünal\r\n')


def printed(monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True, **environment: str) -> str:
    """A table with a state, as a terminal or a file gets it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    file = Terminal() if terminal else io.StringIO()
    console(file).print(output.table(("state", "name"), [("confirmed", "closed")]))
    return file.getvalue()


def test_a_state_has_a_colour_at_a_terminal_only_and_never_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal = printed(monkeypatch)
    assert "\x1b[36mconfirmed" in at_terminal
    assert "\x1b[31m" not in at_terminal
    assert "\x1b[36m" not in printed(monkeypatch, NO_COLOR="1")
    assert "\x1b" not in printed(monkeypatch, terminal=False)


def test_a_tag_outside_the_basic_plane_is_escaped_as_json_wants_it() -> None:
    assert output.as_json("\U000e0001") == '"\\udb40\\udc01"'


# Confirmation


def session(clock: datetime = NOW) -> Session:
    return Session("test", "eu-west-3", json=False, clock=lambda: clock, now=clock)


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_a_yes_at_the_terminal_confirms(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    session().confirm("Close it?", "Thirty seats.", yes=False)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "Thirty seats.\nClose it? [y/N] ")


@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_anything_else_at_the_terminal_refuses(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(Refused, match="nothing was changed"):
        session().confirm("Close it?", yes=False)


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", [ADD, DRY_RUNS[2], ("close", "aes", "2026-12-08"), *DRY_RUNS[4:]])
def test_without_a_terminal_and_without_yes_a_change_is_refused(command: tuple[str, ...]) -> None:
    before = table_without_audit()
    ran = ops(*command)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("guichet: nothing was changed: confirm with --yes, or run this at a terminal\n")
    assert ops(*command, "--json").json == {"error": ran.err.splitlines()[-1].removeprefix("guichet: ")}
    assert table_without_audit() == before
    assert audit_items() == []


# Audit


@pytest.mark.usefixtures("service")
def test_an_act_is_kept_with_who_what_when_how_it_ended_and_its_counts() -> None:
    assert ops(*ADD, "--yes").code == 0
    (done,) = audit_items()
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
def test_no_audit_item_has_personal_data() -> None:
    email, born = ("--email", "awa1@example.org"), ("--birth-date", "1991-05-17")
    correct = ("requests", "correct", "AES-00001-AAAAA", "--last-name", "Exempla", *born, "--yes")
    for command in (*READS_PEOPLE, ("requests", "find", *email), correct):
        assert ops(*command).code == 0
    for command in DRY_RUNS:
        yes = [] if command[0] == "release" else ["--yes"]
        assert ops(*command, *yes).code == 0
    audit = str([item for item in whole_table() if item["pk"].startswith("AUDIT#")])
    assert len(audit_items()) == 13
    assert "AES-00001-AAAAA" in audit
    for private in ("awa", "exemple", "exempla", "example.org", "1990", "1991", "06 12", "person1", "hold1"):
        assert private not in audit.lower()


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("command", "record"),
    [
        (READS_PEOPLE[0], ("day", {"service": "aes", "day": "2026-12-08"}, {"people": 1})),
        ((*READS_PEOPLE[0], "--csv"), ("day", {"service": "aes", "day": "2026-12-08"}, {"people": 1})),
        (READS_PEOPLE[1], ("requests find", {"by": ["name"]}, {"people": 1})),
        (("requests", "find", "--name", "nobody"), ("requests find", {"by": ["name"]}, {"people": 0})),
        (READS_PEOPLE[2], ("requests show", {"reference": "AES-00001-AAAAA"}, {"people": 1})),
        (READS_PEOPLE[3], ("requests export", {"reference": "AES-00001-AAAAA"}, {"people": 1})),
    ],
)
def test_reading_personal_data_is_audited_with_the_number_of_people_and_changes_nothing(
    command: tuple[str, ...], record: tuple[object, ...]
) -> None:
    before = table_without_audit()
    ops(*command)
    (done,) = audit_items()
    assert (done["what"], done["arguments"], done["counts"]) == record
    assert (done["outcome"], done["who"]) == ("done", caller("eu-west-3"))
    assert table_without_audit() == before


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("command", READS_PEOPLE)
def test_no_personal_data_is_shown_without_an_audit_item(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TooManyRequests

    monkeypatch.setattr(AuditItem, "save", away)
    ran = ops(*command)
    assert (ran.code, ran.out) == (3, "")


@pytest.mark.usefixtures("booked")
def test_an_audit_item_is_kept_for_a_year() -> None:
    assert ops(*READS_PEOPLE[2]).code == 0
    assert ops(*ADD, "--yes").code == 0
    ends = {item["erase_at"] for item in whole_table() if item["pk"].startswith("AUDIT#")}
    assert ends == {str(int((NOW + timedelta(days=365)).timestamp()))}


@pytest.mark.usefixtures("table")
def test_an_audit_item_is_written_before_the_command_runs_and_its_failure_after() -> None:
    def fail() -> None:
        with audited(session(), "release run", service="aes") as done:
            assert [(item["outcome"], item["ended_at"]) for item in audit_items()] == [("begun", None)]
            done["create"] += 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(item["outcome"], item["counts"]) for item in audit_items()] == [("failed", {"create": 3})]


@pytest.mark.usefixtures("table")
def test_audit_items_are_listed_newest_first_over_the_months_since_a_day() -> None:
    for days in (70, 35, 3, 0):
        with audited(session(NOW - timedelta(days=days)), f"{days} days ago"):
            pass
    assert [item["what"] for item in audit_items()] == ["0 days ago", "3 days ago"]
    since = ops("audit", "--since", "2026-10-26", "--json").json["acts"]
    assert [item["what"] for item in since] == ["0 days ago", "3 days ago", "35 days ago"]
    assert ops("audit", now=datetime(2027, 3, 1, tzinfo=UTC)).out == "No command was run.\n"


@pytest.mark.usefixtures("service")
def test_a_command_that_loses_the_table_is_audited_as_failed_with_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TooManyRequests

    monkeypatch.setattr(timetable_store, "write", away)
    ran = ops(*ADD, "--yes", "--json")
    assert (ran.code, ran.json) == (3, {"error": "DynamoDB throttles the table: try again in a minute"})
    assert [item["outcome"] for item in audit_items()] == ["failed"]


def test_the_caller_is_the_user_of_the_machine_when_aws_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LOGNAME", "ops")
    assert caller("eu-west-1") == "user ops"


@pytest.mark.usefixtures("table")
def test_the_mailer_has_no_letter_for_an_audit_item() -> None:
    with audited(session(), "release run"):
        pass
    (item,) = connection().scan()["Items"]  # a model reads its own kind only
    assert outbox.letter_due(None, item) is outbox.letter_due(item, item) is None
