"""The form of a closing: what it accepts, and which field is wrong."""

from datetime import date, time

import pytest

from chalicelib.desk.closing import Closing
from chalicelib.domain.refusals import InvalidFields
from chalicelib.web import desk_absence_forms as forms

TODAY = date(2026, 12, 8)


@pytest.mark.parametrize(
    ("fields", "closing"),
    [
        ({"all": "on"}, Closing("aes", TODAY, last=TODAY)),
        ({"all": "on", "desk-1": "on"}, Closing("aes", TODAY, last=TODAY)),
        ({"desk-3": "on", "desk-1": "on"}, Closing("aes", TODAY, desks=(1, 3), last=TODAY)),
        (
            {"desks": "2", "last": "2027-01-07", "start": "9 h", "end": "10h15"},
            Closing("aes", TODAY, time(9), time(10, 15), (2,), date(2027, 1, 7)),
        ),
    ],
)
def test_a_form_is_a_closing_and_its_preview_has_the_same(fields: dict[str, str], closing: Closing) -> None:
    read = forms.read("aes", {"first": "2026-12-08", **fields}, TODAY)
    assert read == closing
    assert forms.read("aes", forms.query(read), TODAY) == closing


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"first": ""}, {"first": forms.NO_FIRST}),
        ({"first": "2026-12-07"}, {"first": forms.PAST}),
        ({"first": "31/12/2026"}, {"first": "Écrivez une date, par exemple 2026-12-03."}),
        ({"last": "2026-12-07"}, {"last": forms.BAD_ORDER}),
        ({"last": "2027-01-08"}, {"last": forms.TOO_MANY_DAYS}),
        ({"start": "25:00", "end": "x"}, {"start": forms.BAD_TIME, "end": forms.BAD_TIME}),
        ({"start": "10:00", "end": "10h"}, {"end": forms.BAD_END}),
        ({"end": "0:00"}, {"end": forms.BAD_END}),
        ({"desks": ""}, {"desks": forms.NO_DESK}),
        ({"desks": "0"}, {"desks": forms.NO_SUCH_DESK}),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, str], errors: dict[str, str]) -> None:
    with pytest.raises(InvalidFields) as refusal:
        forms.read("aes", {"first": "2026-12-08", "desks": "all", **fields}, TODAY)
    assert refusal.value.errors == errors
