"""What a person typed, kept in a cookie of their own browser, so that a page after a redirect can show it again.

The table never stores it. A cookie is as untrusted as a form: whatever it contains is checked again before it is used,
and escaped where it is shown. The log has no cookie.
"""

import base64
import json
from collections.abc import Iterable, Mapping

from chalicelib.web import forms
from chalicelib.web.visit import Visit

DETAILS, OTHER = "draft", "typed"
"""The cookies: the details of a booking, and the fields of any other form with the path of its page."""
LIFETIME = {DETAILS: 3600, OTHER: 600}
"""How many seconds each cookie lives. The details outlive the longest hold by some minutes: a new hold finds them."""
MOST_CHARACTERS = 3500
"""The longest value of a cookie. Browsers accept 4096 bytes with its name and attributes."""
AT = "at"


def details(visit: Visit) -> dict[str, str]:
    """Return the details that the browser kept; empty if there are none."""
    return _decode(visit.cookies.get(DETAILS, ""), forms.TYPED_DETAILS)


def keep_details(visit: Visit) -> tuple[str, ...] | None:
    """Return the cookie that keeps the details of this form; none for a form without details.

    Return None when the browser cannot keep them: it sent no cookie at all, or they are too long.
    """
    values = forms.typed(visit.body(), forms.TYPED_DETAILS)
    if not values:
        return ()
    return _cookie(visit, DETAILS, values)


def drop_details(visit: Visit) -> tuple[str, ...]:
    """Return the cookie that makes the browser forget the details, if it has any."""
    return (header(DETAILS, "", 0),) if DETAILS in visit.cookies else ()


def typed_at(visit: Visit, path: str, names: Iterable[str]) -> dict[str, str]:
    """Return what was typed into the form of this page before; empty if nothing is kept."""
    values = _decode(visit.cookies.get(OTHER, ""), (AT, *names))
    return values if values.pop(AT, "") == path else {}


def drop_typed(visit: Visit) -> tuple[str, ...]:
    """Return the cookie that makes the browser forget the fields of another form, if it has any."""
    return (header(OTHER, "", 0),) if OTHER in visit.cookies else ()


def keep_typed(visit: Visit, path: str, names: Iterable[str]) -> tuple[str, ...] | None:
    """Return the cookie that keeps the fields of this form for the page at `path`. None if the browser cannot."""
    return _cookie(visit, OTHER, {AT: path, **forms.typed(visit.body(), tuple(names))})


def _cookie(visit: Visit, name: str, values: Mapping[str, str]) -> tuple[str, ...] | None:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    value = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    if not visit.cookies or len(value) > MOST_CHARACTERS:
        return None
    return (header(name, value, LIFETIME[name]),)


def header(name: str, value: str, seconds: int) -> str:
    """Return a Set-Cookie header; with 0 seconds the browser forgets the cookie."""
    return f"{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax; Secure; HttpOnly"


def _decode(value: str, names: Iterable[str]) -> dict[str, str]:
    """Return the texts of these names in a cookie; empty for a cookie that this service cannot have set."""
    if len(value) > MOST_CHARACTERS:
        return {}
    try:
        values = json.loads(base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True))
        json.dumps(values, ensure_ascii=False).encode()  # fails for half of a surrogate pair, which no page can show
    except (ValueError, RecursionError):
        return {}
    return forms.typed(values, tuple(names)) if isinstance(values, dict) else {}
