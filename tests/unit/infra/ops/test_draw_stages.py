"""The operator program shows the draws of a service, previews the next one, and runs what is due."""

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.session import get_session
from botocore.stub import Stubber

from chalicelib.allocation import overview, run
from chalicelib.domain.draw_record import Stage
from chalicelib.storage import draw_items, service_store
from infra.ops import functions
from infra.ops.draws import CHECKER
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT, MORNING, at, close, put, receipt, seat_of, stored
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, entered, filed, somebody
from tests.unit.infra.ops.program import ops, table_without_audit

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put()
    at(OPENS)


def lambda_client() -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return get_session().create_client("lambda", region_name="eu-west-3", **keys)


def listed(now: datetime) -> tuple[str, str, bool]:
    (draw,) = ops("draws", "list", "aes", "--json", now=now).json["draws"]
    return draw["stage"], draw["next_step"], draw["overdue"]


def test_each_draw_is_listed_with_its_stage_and_what_it_waits_for() -> None:
    entered()
    assert listed(NOW) == ("promised", "freeze", False)
    assert "(due Sunday 6 December 2026 18:01)" in " ".join(ops("draws", "list", "aes", now=NOW).out.split())
    assert listed(FROZEN_AT + HOUR) == ("promised", "freeze", True)
    at(FROZEN_AT)
    assert listed(DRAWN_AT) == ("assigned", "nothing", False)
    shown = ops("draws", "show", "aes", now=DRAWN_AT).out
    assert stored().record["seed"] in shown
    assert "Letters to those who were not drawn: sent up to rank 1 of 1." in shown


def test_letters_that_stay_behind_are_overdue() -> None:
    entered()
    at(FROZEN_AT)
    draw_items.draw_item("aes", stored().week).update([draw_items.DrawItem.letters.set(0)])
    assert listed(FROZEN_AT + HOUR) == ("assigned", "letters", False)
    assert listed(FROZEN_AT + 2 * HOUR) == ("assigned", "letters", True)


def test_the_draw_function_counts_overdue_draws_for_the_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    def overdue(now: datetime) -> int:
        at(now)
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        return next(int(line["DrawsOverdue"]) for line in lines if line["event"] == "draws")

    draw_items.draw_item("aes", WEEK).delete()
    put({"beacon": "drand"})
    at(OPENS)
    capsys.readouterr()
    assert [overdue(FROZEN_AT), overdue(DRAWN_AT), overdue(DRAWN_AT + HOUR)] == [0, 0, 1]  # no endpoint answers


def test_a_draw_that_was_only_promised_is_not_overdue_once_a_service_has_stopped_drawing() -> None:
    drawing, later = service_store.read("aes", NOW), FROZEN_AT + HOUR
    assert overview.count_overdue(drawing, later, 1) == 1
    assert overview.count_overdue(replace(drawing, draw=None), later, 1) == 0


def test_a_preview_counts_what_takes_part_and_writes_nothing() -> None:
    request = entered(preferences=("tue-am", "thu-pm"))
    filed(somebody(1))
    before = table_without_audit()
    ran = ops("draws", "preview", "aes", "--json", now=NOW)
    document = ran.json
    assert (ran.code, document["entries"], document["unproven"], document["seats"]) == (0, 1, 1, 4)
    assert document["half_days"]["2026-12-22-am"] == {"seats": 1, "first_choices": 1}
    assert receipt(request) not in ran.out + ops("draws", "preview", "aes", now=NOW).out
    assert table_without_audit() == before


def test_a_preview_says_what_is_wrong() -> None:
    entered(preferences=("tue-am",))
    close([seat_of(MORNING)], NOW)
    ran = ops("draws", "preview", "aes", "--json", now=NOW)
    assert (ran.code, ran.json["left_out"], ran.json["entries"]) == (1, 1, 0)
    assert ran.json["problems"] == [
        "1 of 4 planned seats would not be drawn: closed or not created",
        "2026-12-22-am: no free seat left",
    ]


def test_a_preview_names_holidays_and_a_late_draw_function() -> None:
    put(holidays=["2026-12-22"])
    problems = ops("draws", "preview", "aes", "--json", now=FROZEN_AT + HOUR).json["problems"]
    assert "2026-12-22-am: no seat because of a public holiday or a closure" in problems
    assert f"the draw of {stored().week} is overdue: freeze" in problems


def test_run_starts_the_draw_function_and_says_plainly_when_aws_does_not_allow_it() -> None:
    entered()

    def invoke(_stage: str, _region: str, name: str, event: Any) -> None:
        assert (name, event["detail-type"]) == ("draw", "Scheduled Event")
        run.run(lambda: FROZEN_AT)

    assert ops("draws", "run", now=FROZEN_AT, invoke=invoke).code == 0
    assert stored().stage is Stage.ASSIGNED
    assert ops("draws", "run", now=FROZEN_AT, invoke=invoke).code == 0
    acts = ops("audit", "--json", now=FROZEN_AT).json["acts"]
    assert [(act["what"], act["outcome"]) for act in acts] == [("draws run", "done")] * 2
    assert ops("draws", "run").err == "guichet: draw is out of reach\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "AWS does not allow you to start the function guichet-prod-draw"),
        ("TooManyRequestsException", "is running already"),
        ("ResourceNotFoundException", "deploy the stage"),
        ("Other", "(Other)"),
    ],
)
def test_a_function_that_cannot_be_invoked_is_one_line(code: str, words: str) -> None:
    client = lambda_client()
    with Stubber(client) as stub:
        stub.add_client_error("invoke", code)
        with pytest.raises(functions.CannotInvoke, match=words.replace("(", r"\(").replace(")", r"\)")):
            functions.invoke("prod", "eu-west-3", "draw", functions.scheduled_event(), client=client)


def test_a_function_that_fails_is_one_line() -> None:
    client = lambda_client()
    with Stubber(client) as stub:
        stub.add_response("invoke", {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")})
        with pytest.raises(functions.CannotInvoke, match="failed: look at its log"):
            functions.invoke("prod", "eu-west-3", "draw", {}, client=client)


def test_a_service_without_draws_and_a_week_without_one_are_refused() -> None:
    assert "aes has no draw of 2026-W01" in ops("draws", "show", "aes", "--week", "2026-W01", now=NOW).err
    assert ops("draws", "verify", "aes", now=NOW).err == "guichet: aes has no draw that is drawn yet\n"
    assert ops("draws", "list", "none", now=NOW).code == 1


@pytest.mark.skipif(not CHECKER.exists(), reason="the checker is not there")
def test_the_public_checker_verifies_the_record_and_finds_a_changed_seat() -> None:
    entered()
    at(FROZEN_AT)
    ran = ops("draws", "verify", "aes", "--promise", stored().record["promise"], "--json", now=DRAWN_AT)
    assert (ran.code, ran.json["exit_code"]) == (0, 0), ran.out
    wrong = ops("draws", "verify", "aes", "--root", "0" * 64, "--json", now=DRAWN_AT)
    assert (wrong.code, wrong.json["exit_code"]) == (1, 1)


def test_an_entry_that_waits_for_the_draw_before_is_not_overdue() -> None:
    first, second = stored(), stored()
    steps = overview.progress([first, second])
    assert [step.step for step in steps] == [overview.Step.FREEZE, overview.Step.EARLIER_DRAW]
    assert [step.is_overdue(CLOSES + HOUR) for step in steps] == [True, False]
