"""The form of a closing: which days, hours and desks. Its fields are also the query of the page that previews it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from typing import Any
from urllib.parse import urlencode

from chalicelib.desk.closing import Closing
from chalicelib.domain.refusals import InvalidFields
from chalicelib.web import desk_rows, fields
from chalicelib.web.forms import typed

ALL = "all"
DATES, HOURS = ("first", "last"), ("start", "end")
FIELDS = (*DATES, *HOURS, "desks")
"""The fields of a preview, as its URL and its button carry them. The form has boxes instead of `desks`."""
ORDER = (*FIELDS, "short")
MOST_DAYS = 31
NO_FIRST = "Indiquez le premier jour."
PAST = "Ce jour est passé."
BAD_ORDER = "Le dernier jour est avant le premier."
TOO_MANY_DAYS = f"Choisissez {MOST_DAYS} jours au plus. Pour une absence plus longue, recommencez ensuite."
BAD_TIME = "Écrivez une heure, par exemple 09:15."
BAD_END = "L’heure de fin doit être après l’heure de début."
NO_DESK = "Cochez au moins un guichet."
NO_SUCH_DESK = "Ce service n’a pas ce guichet."
_DESK = re.compile("desk-([1-9][0-9]{0,2})")
_DESKS = re.compile("[1-9][0-9]{0,2}(-[1-9][0-9]{0,2}){0,98}")
_TIME = re.compile("([0-9]{1,2}) ?(?:[:hH] ?([0-9]{2})?)?")
_LENGTH = 400


def boxes(values: Mapping[str, Any]) -> list[str]:
    """Return the names of the ticked boxes of desks."""
    return [name for name in values if name == ALL or _DESK.fullmatch(name)]


def values_of(form: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a preview that a form or a query has, with the ticked boxes as `desks`."""
    values = typed(form, FIELDS)
    if ticked := boxes(form):
        values["desks"] = ALL if ALL in ticked else "-".join(name.removeprefix("desk-") for name in ticked)
    return values


def read(service_id: str, form: Mapping[str, Any], today: date) -> Closing:
    """Read a closing. Raise InvalidFields for days that are past or too many, and for hours that are none."""
    reader = fields.Reader(values_of(form), FIELDS)
    first = _read_day(reader, "first")
    if first is None:
        reader.errors.setdefault("first", NO_FIRST)
    last = _read_day(reader, "last") or first
    start, end = (_read_time(reader, name) for name in HOURS)
    if first and first < today:
        reader.errors["first"] = PAST
    elif first and last and last < first:
        reader.errors["last"] = BAD_ORDER
    elif first and last and last - first >= timedelta(days=MOST_DAYS):
        reader.errors["last"] = TOO_MANY_DAYS
    if end and end <= (start or time.min):
        reader.errors["end"] = BAD_END
    desks = reader.text("desks", _LENGTH, required=False)
    if not desks:
        reader.errors["desks"] = NO_DESK
    elif desks != ALL and not _DESKS.fullmatch(desks):
        reader.errors["desks"] = NO_SUCH_DESK
    reader.finish(ORDER)
    units = () if desks == ALL else tuple(sorted({int(desk) for desk in desks.split("-")}))
    return Closing(service_id, first or today, start or time.min, end or time.max, units, last)


def _read_day(reader: fields.Reader, name: str) -> date | None:
    text = reader.text(name, fields.NAME_LENGTH, required=False)
    try:
        return desk_rows.read_day(text, date.min) if text else None
    except InvalidFields as refusal:
        reader.errors[name] = refusal.errors["date"]
        return None


def _read_time(reader: fields.Reader, name: str) -> time | None:
    """Read a time such as `09:15`, `9 h 15` or `9h`."""
    text = reader.text(name, fields.NAME_LENGTH, required=False)
    match = _TIME.fullmatch(text)
    if match:
        with suppress(ValueError):
            return time(int(match[1]), int(match[2] or 0))
    if text:
        reader.errors[name] = BAD_TIME
    return None


def query(closing: Closing) -> dict[str, str]:
    """Return the fields of a closing. `read` reads them again."""
    values = {"first": closing.day.isoformat()}
    if closing.hours.last != closing.day:
        values["last"] = closing.hours.last.isoformat()
    if closing.start != time.min:
        values["start"] = f"{closing.start:%H:%M}"
    if closing.end != time.max:
        values["end"] = f"{closing.end:%H:%M}"
    return values | {"desks": "-".join(map(str, closing.desks)) or ALL}


def page_of(closing: Closing) -> str:
    """Return the page that previews a closing."""
    return f"desk/{closing.service}/absence?{urlencode(query(closing))}"
