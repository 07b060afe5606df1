"""Rules about a draw: what belongs beside it, and whether its window and its times fit."""

from collections.abc import Iterator

from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.service import Allocation, Beacon
from infra.servicefile.findings import Finding, Readable
from infra.servicefile.openings import DAY, Document, minutes_of_week, openings_of
from infra.servicefile.rules import undeliverable

ALTERNATIVES = {"release", "draw"}
"""The parts of which a service has one: seats are released, or drawn."""
WEEK = 7 * DAY
SHORTEST = 120
"""Minutes. A shorter window could be empty in the night when the clocks change; nor may the pause be shorter."""
SHORT = DAY
"""Minutes. A window that is shorter than a day is allowed and may not be meant."""
DRAW = 120
"""Minutes from the close to the letters of the draw, and an hour in which the clocks may change."""


def mistakes(document: Document, readable: Readable) -> Iterator[Finding]:
    """Check the rules about the allocation whose parts of the document are readable."""
    if not readable("allocation"):
        return
    if _is_draw(document):
        yield from _beside_a_draw(document)
        if readable("plannings"):
            yield from _internal_seats(document)
    else:
        yield from _beside_a_release(document)
    if readable("draw.opens", "draw.closes"):
        yield from _window(document)
        if readable("draw.weeks_ahead", "plannings", "times.notice_hours"):
            yield from _time_to_confirm(document)
    if readable("draw.witnesses"):
        for number, witness in enumerate(document["draw"].get("witnesses", ())):
            yield from undeliverable(witness, ("draw", "witnesses", number), f"item {number + 1} of `witnesses`")


def warnings(document: Document) -> Iterator[Finding]:
    """Return what is allowed but may not be meant."""
    if "draw" not in document:
        return
    if (length := _length(document)) < SHORT:
        problem = f"the window is open for {length // 60} hours: not everybody can enter in this time"
        yield Finding(("draw", "closes"), problem, "Let it be open for a day or longer")
    if document["draw"]["beacon"] == Beacon.COMMITMENT:
        problem = "who runs the service could still choose the result of a draw by entries of their own"
        yield Finding(("draw", "beacon"), problem, "Set `beacon` to drand where the service may use the internet")


def _is_draw(document: Document) -> bool:
    return bool(document.get("allocation") == Allocation.DRAW)


def _beside_a_draw(document: Document) -> Iterator[Finding]:
    for part, problem in (
        ("release", "`release` is beside a draw, which opens no seats"),
        ("seat_after", "`seat_after` is beside a draw, in which nobody takes a seat"),
    ):
        if part in document:
            yield Finding((part,), problem, f"Remove `{part}`, or set `allocation` to first_come")
    if "draw" not in document:
        expected = "the keys opens, closes, weeks_ahead, seniority_percent, preferences, beacon, witnesses"
        yield Finding(("draw",), "`draw` is missing", f"Add `draw`: {expected}")


def _internal_seats(document: Document) -> Iterator[Finding]:
    for number, planning in enumerate(document["plannings"]):
        for part in ("internal", "internal_until"):
            if part in planning:
                problem = f"`{part}` is beside a draw, in which the desk enters people"
                fix = f"Remove `{part}`, or set `allocation` to first_come"
                yield Finding(("plannings", number, part), problem, fix)


def _beside_a_release(document: Document) -> Iterator[Finding]:
    if "draw" in document:
        problem = "`draw` is there, but `allocation` is first_come"
        yield Finding(("draw",), problem, "Set `allocation` to draw, or remove `draw`")
    elif "release" not in document:
        expected = "the keys weeks_ahead, on_holiday, moments, batch_seconds"
        yield Finding(("release",), "`release` is missing", f"Add `release`: {expected}")


def _length(document: Document) -> int:
    """Return for how many minutes the window is open. At most a week: it opens for the last time before its close."""
    opens, closes = (minutes_of_week(moment["day"], moment["at"]) for moment in _sides(document))
    return (closes - opens) % WEEK


def _sides(document: Document) -> tuple[dict[str, str], dict[str, str]]:
    return document["draw"]["opens"], document["draw"]["closes"]


def _window(document: Document) -> Iterator[Finding]:
    length, (opens, _) = _length(document), _sides(document)
    if not length:
        problem = f"the window opens and closes on {opens['day']} at {opens['at']}"
        yield Finding(("draw", "closes"), problem, "Set `closes` to a later time of the week")
    elif length < SHORTEST:
        problem = f"the window is open for {length} minutes"
        yield Finding(("draw", "closes"), problem, f"Set `closes` at least {SHORTEST} minutes after `opens`")
    elif WEEK - length < SHORTEST:
        problem = f"the window opens {WEEK - length} minutes after the close of the last one, before its draw is over"
        yield Finding(("draw", "opens"), problem, f"Set `opens` at least {SHORTEST} minutes after `closes`")


def _time_to_confirm(document: Document) -> Iterator[Finding]:
    """Check that everybody who is drawn has the time to confirm, also for the first slot of the week."""
    rules, closes = document["draw"], _sides(document)[1]
    first = min(WEEKDAYS.index(day) * DAY + opening.start for opening in openings_of(document) for day in opening.days)
    left = WEEK - minutes_of_week(closes["day"], closes["at"]) + rules["weeks_ahead"] * WEEK + first
    needed = document["times"]["notice_hours"] * 60 + DRAW
    if left < needed:
        problem = (
            f"the first slot of the week is {left // 60} hours after the close, "
            f"and `notice_hours` and {DRAW // 60} for the draw need {needed // 60}"
        )
        yield Finding(("draw", "weeks_ahead"), problem, "Raise `weeks_ahead`")
