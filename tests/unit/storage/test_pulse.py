"""The item that changes each minute gives the mailer something to report, and calls for no letter."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.booking import schedule
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb
from tests.unit.booking.steps import NOW


def image() -> dict[str, Any]:
    """Return the item as the stream shows it."""
    return dict(dynamodb.read("PULSE", "EXPIRY") or {})


@pytest.mark.usefixtures("table")
def test_each_beat_is_a_change_of_which_the_mailer_reports_the_age_and_sends_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    schedule.beat(NOW)
    before = image()
    schedule.beat(NOW + timedelta(minutes=1))
    after = image()
    assert before != after
    assert outbox.deliver([("1", before, after)], now=NOW + timedelta(seconds=7), oldest=NOW) == []
    assert '"MailAge": 7.0' in capsys.readouterr().err
