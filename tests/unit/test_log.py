import json
from datetime import timedelta

import pytest

from chalicelib import log
from chalicelib.booking import holds, schedule
from chalicelib.mail import outbox
from chalicelib.storage import service_store
from tests.client import FIRST, FORM, get, post, send
from tests.conftest import MONDAY, Clock, document, fill
from tests.unit.booking.steps import NOW, captcha_passed


def lines(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, object]]:
    """Return the lines of one kind of event."""
    read = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in read if line["event"] == event]


def test_a_line_has_the_id_of_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_run_id("run-1")
    log.event("done", number=3)
    log.set_run_id("")
    assert lines(capsys, "done") == [{"event": "done", "run": "run-1", "number": 3}]


def test_metrics_are_in_the_embedded_metric_format(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    clock.now = MONDAY
    log.event("seats", {"SeatsFree": 3}, {"Service": "aes"})
    (line,) = lines(capsys, "seats")
    aws = line.pop("_aws")
    assert isinstance(aws, dict)
    assert aws["Timestamp"] == 1_796_025_600_000
    directive = {
        "Namespace": "Guichet",
        "Dimensions": [["Stage"], ["Stage", "Service"]],
        "Metrics": [{"Name": "SeatsFree"}],
    }
    assert aws["CloudWatchMetrics"] == [directive]
    assert line == {"event": "seats", "run": "", "Stage": "laptop", "Service": "aes", "SeatsFree": 3}


@pytest.mark.usefixtures("service")
def test_each_successful_step_and_each_refusal_is_counted_once(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    clock.now = NOW
    for body in (FIRST, {"first_free": True}):
        post("/services/aes/holds", body)
    get("/services/aes/slots")
    counted = [(line.get("Holds"), line.get("Refusals"), line.get("Code")) for line in lines(capsys, "request")]
    assert counted == [(1, None, None), (None, 1, "conditions-not-accepted"), (None, None, None)]


@pytest.mark.usefixtures("service")
def test_showing_the_form_again_counts_no_request(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    clock.now = NOW
    hold = captcha_passed()
    send("POST", f"/holds/{hold.id}/details", FORM, b"change=x")
    (line,) = lines(capsys, "request")
    assert (line["status"], "Requests" in line) == (303, False)


@pytest.mark.usefixtures("service")
def test_the_age_of_the_oldest_waiting_letter_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outbox.deliver([], now=NOW, oldest=NOW - timedelta(seconds=90))
    outbox.deliver([], now=NOW, oldest=NOW + timedelta(seconds=1))
    assert [line["MailAge"] for line in lines(capsys, "mailer")] == [90, 0]


def missing(capsys: pytest.CaptureFixture[str]) -> object:
    (line,) = lines(capsys, "seats")
    return line["SeatsMissing"]


@pytest.mark.usefixtures("table")
def test_missing_seats_are_counted_from_fifteen_hours_before_their_release(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = service_store.put(document())
    eve = MONDAY - timedelta(hours=15)
    schedule.end_expired(eve - timedelta(seconds=1))
    assert missing(capsys) == 0
    schedule.end_expired(eve)
    assert missing(capsys) == 1
    fill(service, eve)
    schedule.end_expired(eve)
    assert missing(capsys) == 0


@pytest.mark.usefixtures("service")
def test_free_seats_are_counted_without_held_ones(capsys: pytest.CaptureFixture[str]) -> None:
    schedule.end_expired(NOW)
    (before,) = lines(capsys, "seats")
    holds.place("aes", holds.Wish(None, conditions_accepted=True), now=NOW)
    schedule.end_expired(NOW)
    (after,) = lines(capsys, "seats")
    assert (before["Service"], before["SeatsFree"]) == ("aes", 150)
    assert after["SeatsFree"] == 149
