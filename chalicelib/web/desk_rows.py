"""What the forms of the day's list send, and what its rows say: filters, buttons and messages."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from chalicelib.desk import accounts
from chalicelib.desk.day import STATE_NAMES, Row
from chalicelib.domain import names
from chalicelib.domain.agent import Role
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.seat import APPOINTMENT, OUTCOMES, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.web.desk_access import Agent

BUTTONS = {State.ARRIVED: "Arrivé", State.SEEN: "Reçu", State.MISSED: "Absent", State.INCOMPLETE: "Dossier incomplet"}
"""What an agent can record, as the buttons say it."""
OPEN = "open"
"""The first filter: what remains to be done."""
FILTERS = {
    OPEN: ("À traiter", APPOINTMENT - OUTCOMES),
    "planned": ("Attendus", {State.CONFIRMED}),
    "arrived": ("Arrivés", {State.ARRIVED}),
    "called": ("Appelés", {State.CALLED}),
    "done": ("Terminés", OUTCOMES),
    "all": ("Tous", set(STATE_NAMES)),
    "seen": ("Reçus", {State.SEEN}),
    "missed": ("Absents", {State.MISSED}),
    "incomplete": ("Dossiers incomplets", {State.INCOMPLETE}),
}
"""The filters of the list: their names, and the states that they show."""
MAIN_FILTERS = list(FILTERS)[:6]
"""The filters that the list always offers. The figures of the evening link to the others."""
NONE_TICKED = "Cochez au moins une ligne."
BAD_DAY = "Écrivez une date, par exemple 2026-12-03."
YEARS = range(2000, 2200)
SEAT = r"[0-9]{8}\.[0-9]{4}\.[1-9][0-9]{0,2}"
"""The key of a seat as the forms send it."""
NO_BUTTON = "Choisissez un bouton de la page."
_DO = re.compile(rf"(undo-)?(arrived|(?<=undo-)called|seen|missed|incomplete)(?:\.({SEAT}))?")


@dataclass(frozen=True, slots=True)
class Act:
    """What an agent does to some seats: record a state, or take it back."""

    state: State
    undo: bool
    keys: tuple[SeatKey, ...]
    ticked: bool
    """Whether the seats are the ticked ones of a list, and not the one of a button."""


def name_of(details: Details) -> str:
    """Return the name as the desk calls it: last name first."""
    return names.full_name(details.last_name, details.first_name)


def row_id(key: SeatKey) -> str:
    """Return the key as the forms of one service send it: `20261203.1015.1`."""
    return key.ref.partition(".")[2]


def key_of(service_id: str, text: str) -> SeatKey | None:
    """Read what `row_id` returns; None for any other text."""
    try:
        return SeatKey.parse(f"{service_id}.{text}") if re.fullmatch(SEAT, text) else None
    except ValueError:
        return None


def ticked(body: Mapping[str, Any]) -> list[str]:
    """Return the names of the ticked boxes of a form."""
    return [name for name in body if re.fullmatch(SEAT, name)]


def read_act(service_id: str, body: Mapping[str, Any]) -> Act:
    """Read which button was pressed, and for which rows. Raise InvalidFields if none is ticked, or for another form."""
    match = _DO.fullmatch(str(body.get("do", "")))
    if not match:
        raise InvalidFields({"do": NO_BUTTON})
    texts = [match[3]] if match[3] else ticked(body)
    if not texts:
        raise InvalidFields({"list": NONE_TICKED})
    keys = [key_of(service_id, text) for text in texts]
    if None in keys:
        raise InvalidFields({"do": NO_BUTTON})
    return Act(State(match[2]), bool(match[1]), tuple(key for key in keys if key), ticked=not match[3])


def read_day(text: str, today: date) -> date:
    """Read a date of a query or a form; an empty one is today. Raise InvalidFields."""
    if not text:
        return today
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidFields({"date": BAD_DAY}) from error
    if day.year not in YEARS:
        raise InvalidFields({"date": BAD_DAY})
    return day


def acts(service: Service, row: Row, now: datetime) -> list[State]:
    """Return what can be recorded for a row now: nobody arrives on another day, or is missed before the start."""
    if row.state not in APPOINTMENT - OUTCOMES:
        return []
    start = service.start_of(row.seat.key)
    today = now.astimezone(service.zone).date()
    possible = {
        State.ARRIVED: row.state is State.CONFIRMED and today == start.date(),
        State.SEEN: today >= start.date(),
        State.INCOMPLETE: today >= start.date(),
        State.MISSED: now >= start,
    }
    return [state for state in BUTTONS if possible[state]]


def can_undo(row: Row, agent: Agent) -> bool:
    """Tell whether the agent may take back what was recorded: only who recorded it can."""
    return agent.may(Role.AGENT) and row.seat.recorded_by == agent.account.id


def minutes_waited(row: Row, now: datetime) -> int:
    """Return how many minutes ago the applicant arrived."""
    return int((now - (row.seat.arrived_at or now)).total_seconds() // 60)


def by_whom(row: Row, agent: Agent) -> str:
    """Return who recorded the state of a row, as a sentence begins."""
    account_id = row.seat.recorded_by
    return "Vous" if account_id == agent.account.id else accounts.name_of(account_id) or "Un collègue"


def booked_by(person: Person) -> str:
    """Return the name of who booked for a person."""
    return accounts.name_of(person.booked_by) or "Un ancien compte"


def shown(rows: Iterable[Row], show: str, key: SeatKey | None) -> list[Row]:
    """Return the rows that a filter shows. The row that was changed last stays, so that nobody loses their place."""
    states = FILTERS[show][1]
    return [row for row in rows if row.is_listed and (row.state in states or row.seat.key == key)]


def by_hour(rows: Iterable[Row]) -> list[tuple[int, list[Row]]]:
    """Return the rows of each hour."""
    return [(hour, list(group)) for hour, group in groupby(rows, lambda row: row.seat.key.start.hour)]
