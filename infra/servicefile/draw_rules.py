"""Rules about a draw: what belongs beside it, and whether its window and its times fit."""

from collections.abc import Iterator
from gettext import gettext as _

from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.service import CANARY_DRAW, Allocation, Beacon
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
            part = _("item {} of {}").format(number + 1, "`witnesses`")
            yield from undeliverable(witness, ("draw", "witnesses", number), part)


def warnings(document: Document) -> Iterator[Finding]:
    """Return what is allowed but may not be meant."""
    if "draw" not in document:
        return
    if 0 < (length := _length(document)) < SHORT:
        problem = _("the window is open for {} hours: not everybody can enter in this time").format(length // 60)
        yield Finding(("draw", "closes"), problem, _("Let it be open for a day or longer"))
    if document["draw"]["beacon"] == Beacon.COMMITMENT:
        problem = _("who runs the service could still choose the result of a draw by entries of their own")
        yield Finding(("draw", "beacon"), problem, _("Set `beacon` to drand where the service may use the internet"))


def _is_draw(document: Document) -> bool:
    return bool(document.get("allocation") == Allocation.DRAW)


def _beside_a_draw(document: Document) -> Iterator[Finding]:
    for part, problem in (
        ("release", _("`release` is beside a draw, which opens no seats")),
        ("seat_after", _("`seat_after` is beside a draw, in which nobody takes a seat")),
    ):
        if part in document:
            yield Finding((part,), problem, _("Remove `{}`, or set `allocation` to first_come").format(part))
    if "draw" not in document:
        yield _missing(
            "draw", _("the keys opens, closes, weeks_ahead, seniority_percent, preferences, beacon, witnesses")
        )


def _missing(part: str, expected: str) -> Finding:
    return Finding((part,), _("`{}` is missing").format(part), _("Add `{}`: {}").format(part, expected))


def _internal_seats(document: Document) -> Iterator[Finding]:
    for number, planning in enumerate(document["plannings"]):
        for part in ("internal", "internal_until"):
            if part in planning:
                problem = _("`{}` is beside a draw, in which the desk enters people").format(part)
                fix = _("Remove `{}`, or set `allocation` to first_come").format(part)
                yield Finding(("plannings", number, part), problem, fix)


def _beside_a_release(document: Document) -> Iterator[Finding]:
    if "draw" in document:
        problem = _("`draw` is there, but `allocation` is first_come")
        yield Finding(("draw",), problem, _("Set `allocation` to draw, or remove `draw`"))
    elif "release" not in document:
        yield _missing("release", _("the keys weeks_ahead, on_holiday, moments, batch_seconds"))


def _length(document: Document) -> int:
    """Return for how many minutes the window is open. At most a week: it opens for the last time before its close."""
    opens, closes = (minutes_of_week(moment["day"], moment["at"]) for moment in _sides(document))
    return (closes - opens) % WEEK


def _sides(document: Document) -> tuple[dict[str, str], dict[str, str]]:
    return document["draw"]["opens"], document["draw"]["closes"]


def _window(document: Document) -> Iterator[Finding]:
    length, opens = _length(document), document["draw"]["opens"]
    if not length and document.get("id") == CANARY_DRAW:
        return  # there is no draw between two windows
    if not length:
        problem = _("the window opens and closes on {} at {}").format(_(opens["day"]), opens["at"])
        yield Finding(("draw", "closes"), problem, _("Set `closes` to a later time of the week"))
    elif length < SHORTEST:
        fix = _("Set `closes` at least {} minutes after `opens`").format(SHORTEST)
        yield Finding(("draw", "closes"), _("the window is open for {} minutes").format(length), fix)
    elif WEEK - length < SHORTEST:
        problem = _("the window opens {} minutes after the close of the last one, before its draw is over")
        fix = _("Set `opens` at least {} minutes after `closes`").format(SHORTEST)
        yield Finding(("draw", "opens"), problem.format(WEEK - length), fix)


def _time_to_confirm(document: Document) -> Iterator[Finding]:
    """Check that everybody who is drawn has the time to confirm, also for the first slot of the week."""
    rules, closes = document["draw"], _sides(document)[1]
    first = min(WEEKDAYS.index(day) * DAY + opening.start for opening in openings_of(document) for day in opening.days)
    left = WEEK - minutes_of_week(closes["day"], closes["at"]) + rules["weeks_ahead"] * WEEK + first
    needed = document["times"]["notice_hours"] * 60 + DRAW
    if left < needed:
        problem = _(
            "the first slot of the week is {} hours after the close, and `notice_hours` and {} for the draw need {}"
        ).format(left // 60, DRAW // 60, needed // 60)
        yield Finding(("draw", "weeks_ahead"), problem, _("Raise `weeks_ahead`"))
