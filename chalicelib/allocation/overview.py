"""How far the draws of a service are, and what the next one would look like now. Reads no seed and shows no receipt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.allocation.draw import FREEZE_AFTER, takes_part
from chalicelib.allocation.result_letters import SECONDS_A_RUN
from chalicelib.allocation.seats import open_seats
from chalicelib.domain import draw as rule
from chalicelib.domain import draw_record, draw_window, timetable
from chalicelib.domain.draw_record import Draw, Stage
from chalicelib.domain.draw_window import Window
from chalicelib.domain.entry import LIFE
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, entry_store

OVERDUE = timedelta(minutes=10)
"""A step that is not done so long after it was due needs an operator. The draw function runs every minute."""
LETTERS_MARGIN = timedelta(hours=1)
WEEK = timedelta(weeks=1)


class Step(StrEnum):
    """The next step of a draw."""

    FREEZE = "freeze"
    EARLIER_DRAW = "the draw before it"
    ROUND = "round of drand"
    LOTS = "lots"
    SEATS = "seats of the winners"
    LETTERS = "letters"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Progress:
    """A draw, its next step, and when that was or will be due."""

    draw: Draw
    step: Step
    due: datetime | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether the step should have been done by now."""
        return self.due is not None and now > self.due + OVERDUE


def progress(draws: Sequence[Draw], *, letters_a_run: int = SECONDS_A_RUN) -> list[Progress]:
    """Return how far these draws of a service are, oldest first.

    `letters_a_run`: letters a minute. The default is the slowest stage's, one letter a second.
    """
    steps = []
    waits_for_earlier = False
    for draw in draws:
        step, due = _next_step(draw, letters_a_run)
        if step is Step.FREEZE and waits_for_earlier:
            step, due = Step.EARLIER_DRAW, None
        steps.append(Progress(draw, step, due))
        waits_for_earlier = waits_for_earlier or not draw.is_over
    return steps


def _next_step(draw: Draw, letters_a_run: int) -> tuple[Step, datetime | None]:
    record = draw.record
    if draw.stage is Stage.PROMISED:
        return Step.FREEZE, draw.closes + FREEZE_AFTER
    if draw.stage is Stage.FROZEN:
        if number := record["beacon"].get("round"):
            return Step.ROUND, draw_record.round_moment(number)
        return Step.LOTS, datetime.fromisoformat(record["frozen_at"])
    entries = record.get("entries", 0)
    if draw.stage is Stage.VOID or (draw.stage is Stage.ASSIGNED and draw.letters >= entries):
        return Step.NONE, None
    drawn_at = datetime.fromisoformat(record["drawn_at"])
    if draw.stage is Stage.DRAWN:
        return Step.SEATS, drawn_at
    minutes = entries / letters_a_run
    return Step.LETTERS, drawn_at + LETTERS_MARGIN + timedelta(minutes=minutes)


def count_overdue(service: Service, now: datetime, letters_a_run: int) -> int:
    """Count the draws of a service whose next step is overdue. Without `draw` a promised one is never frozen."""
    recent = progress(draw_store.read_recent(service.id), letters_a_run=letters_a_run)
    awaited = [of_draw for of_draw in recent if service.draw or of_draw.draw.stage is not Stage.PROMISED]
    return sum(of_draw.is_overdue(now) for of_draw in awaited)


class Problem(NamedTuple):
    """What is wrong with a draw: a text to translate, and the values of its placeholders."""

    text: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class HalfDay:
    """A half-day of the week that is drawn: its seats, and how many entries have it as their first choice."""

    seats: int
    first_choices: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next draw would look like if it were frozen now."""

    window: Window
    stage: Stage | None
    """None before the draw is promised."""
    entries: int
    unproven: int
    """Entries whose e-mail address is not proven yet."""
    left_out: int
    """Entries none of whose half-days has a seat."""
    half_days: dict[str, HalfDay]
    problems: list[Problem]

    @property
    def seats(self) -> int:
        """How many seats would be drawn."""
        return sum(half_day.seats for half_day in self.half_days.values())


def preview(service: Service, now: datetime) -> Preview:
    """Return what the next draw of a service would look like: that of the open window, or else of the next one.

    A window that has closed counts until its entries are fixed. Writes nothing. Reads all entries of the service.
    """
    draws = draw_store.read_recent(service.id)
    window = _next_drawn(service, draws, now)
    promised = next((draw for draw in draws if draw.week == window.week), None)
    seats = Counter(map(rule.half_day, open_seats(service, window.week, max(now, window.closes + FREEZE_AFTER))))
    planned = _planned(service, window.week)
    usual = _planned(replace(service, holidays=frozenset(), closures=()), window.week)
    firsts: Counter[str] = Counter()
    entries = unproven = left_out = 0
    for entry in entry_store.read_all(service.id):
        unproven += entry.state is State.PENDING and entry.until is not None and entry.until > now
        if not takes_part(entry, window.closes):
            continue
        dated = [draw_window.dated(preference, window.week) for preference in entry.preferences]
        fitting = [preference for preference in dated if preference in seats or (seats and preference == rule.ANY)]
        entries += bool(fitting)
        left_out += not fitting
        firsts.update(fitting[:1])
    half_days = {name: HalfDay(seats[name], firsts[name]) for name in sorted({*seats, *planned})}
    away = sorted({*usual} - {*planned})
    closed = [Problem("{}: no seat because of a public holiday or a closure", (name,)) for name in away]
    problems = [*closed, *_problems(seats, planned, entries), *_problems_of_draw(promised, draws, window, now)]
    return Preview(window, promised.stage if promised else None, entries, unproven, left_out, half_days, problems)


def _next_drawn(service: Service, draws: Sequence[Draw], now: datetime) -> Window:
    unfrozen = next((draw for draw in draws if draw.stage is Stage.PROMISED), None)
    if unfrozen:
        return draw_window.window_of(service, unfrozen.week)
    return draw_window.open_window(service, now) or draw_window.next_window(service, now)


def _planned(service: Service, week: str) -> Counter[str]:
    """Count the seats that the rules of a service give each half-day of a week."""
    keys = timetable.planned_seats(service, week)
    return Counter(draw_window.dated(timetable.half_day_of(key), week) for key in keys)


def _problems(seats: Counter[str], planned: Counter[str], entries: int) -> list[Problem]:
    problems = []
    if not planned:
        problems.append(Problem("the week has no seats by the rules of the service"))
    if (missing := planned.total() - seats.total()) > 0:
        problems.append(
            Problem("{} of {} planned seats would not be drawn: closed or not created", (missing, planned.total()))
        )
    problems += [Problem("{}: no free seat left", (name,)) for name in sorted(planned) if not seats[name]]
    if seats and entries > seats.total() * (LIFE // WEEK):
        problems.append(
            Problem("{} entries for {} seats: most entries would end before they are drawn", (entries, seats.total()))
        )
    return problems


def _problems_of_draw(promised: Draw | None, draws: Sequence[Draw], window: Window, now: datetime) -> list[Problem]:
    problems = []
    if promised is None and now > window.opens + OVERDUE:
        problems.append(Problem("the window is open, and the draw is not promised yet: does the draw function run?"))
    late = [step for step in progress(draws) if step.is_overdue(now)]
    problems += [Problem("the draw of {} is overdue: {}", (step.draw.week, step.step)) for step in late]
    if draws and draws[-1].stage is Stage.VOID:
        problems.append(Problem("the draw of {} is void: {}", (draws[-1].week, draws[-1].record["void"])))
    return problems
