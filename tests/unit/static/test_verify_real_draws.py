"""The program that checks a draw, on the records of draws that the service itself made over three weeks."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from chalicelib.allocation import publication
from chalicelib.allocation.beacon import SignedRound
from chalicelib.booking import requests, schedule
from chalicelib.domain import draw_record
from chalicelib.domain.draw_record import ListKind
from chalicelib.static import verify_draw
from tests.unit.allocation.drawing import A_WEEK, FROZEN_AT, at, close, frozen, put, results, seats, stored
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, entered, entry_of, somebody
from tests.unit.static.records import Published

WEEKS = (WEEK, "2026-W53", "2027-W01")
MINUTE = timedelta(minutes=1)


def sign(number: int) -> SignedRound:
    return SignedRound(number, sha256(str(number).encode()).digest() + bytes(16))


def never_verified(_number: int, _signature: bytes) -> None:
    """Stand in for a signature that cannot be verified: nobody but drand could sign the rounds of this test."""


def published(week: str) -> Published:
    """Return what the service publishes of a draw."""
    lists = {kind: publication.part("aes", week, kind, 1).text.splitlines() for kind in publication.PUBLISHED}
    offers = publication.offers("aes", week, 1).text.splitlines()
    entries, free, given = (lists[kind] for kind in (ListKind.ENTRIES, ListKind.SEATS, ListKind.RESULTS))
    return Published(dict(publication.draw("aes", week).record), entries, free, offers, given)


def play_a_week(number: int, people: dict[str, requests.Request]) -> None:
    """Enter, freeze, leave, close a seat, draw, give up a seat, and offer it."""
    later = number * A_WEEK
    at(OPENS + later)
    for person in range(number * 8, number * 8 + 8):
        request = entered(somebody(person), now=NOW + later, preferences=("tue-am", "any") if person % 2 else ("any",))
        people[entry_of(request).receipt] = request
    schedule.release_seats(OPENS + later)
    at(FROZEN_AT + later)
    week = WEEKS[number]
    first = min(entry.receipt for entry in frozen(week))
    requests.cancel(people[first].token, FROZEN_AT + later)
    close(seats(week)[:1], FROZEN_AT + later)
    drawn = draw_record.deciding_round(CLOSES + later, FROZEN_AT + later).at
    at(drawn, sign)
    winner = next(
        result for result in results(week)[1:] if result.seat and result.receipt not in stored(week).unassigned
    )
    requests.cancel(people[winner.receipt].token, drawn + MINUTE)
    at(drawn + 2 * MINUTE)
    at(drawn + 3 * MINUTE)


@pytest.mark.slow
def test_the_records_of_three_weeks_are_as_the_rule_says(
    table: None,  # noqa: ARG001  # a fixture for its effect
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(verify_draw, "verify", never_verified)
    put({"beacon": "drand"})
    people: dict[str, requests.Request] = {}
    for number in range(3):
        play_a_week(number, people)
    draws = [published(week) for week in WEEKS]
    for draw in draws:
        draw.write(tmp_path)
    promise, root = (str(draws[-1].record[name]) for name in ("promise", "root"))
    words = [str(tmp_path / WEEKS[-1]), "--promise", promise, "--root", root]
    assert verify_draw.main(words) == 0, capsys.readouterr().out
    assert any(";2;" in line for line in draws[2].entries)
    assert all(draw.offers for draw in draws)
    assert {line.split(";")[1][:4] for draw in draws for line in draw.offers} >= {"unas", "2026"}
    lost = next(number for number, line in enumerate(draws[2].entries) if ";1;" in line)
    draws[2].entries[lost] = draws[2].entries[lost].replace(";1;", ";2;")
    draws[2].cover()
    draws[2].write(tmp_path)
    capsys.readouterr()
    assert verify_draw.main(words[:1]) == 1
    assert "lost 1 draws according to the earlier records, not 2" in capsys.readouterr().out
