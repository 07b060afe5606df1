"""Replies that are files: style sheets, scripts and the OpenAPI document."""

from chalicelib.domain import refusals
from chalicelib.rendering import templates
from chalicelib.web import reply
from chalicelib.web.reply import Reply

# Files


def static(file: str) -> Reply:
    """A style sheet or script, kept by browsers for a year: its name changes with its content."""
    found = templates.static(file)
    if found is None:
        raise refusals.NotFound
    text, kind = found
    return Reply({}, text=text, kind=kind, cache=reply.ONE_YEAR)


def openapi() -> Reply:
    """The contract."""
    return Reply({}, text=templates.openapi(), kind="application/json", cache="public, max-age=300")
