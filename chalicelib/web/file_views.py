"""Replies that are files: style sheets, scripts, the checker of draws and the OpenAPI document."""

from chalicelib.domain import refusals
from chalicelib.rendering import templates
from chalicelib.web import reply
from chalicelib.web.reply import File


def static(name: str) -> File:
    """Return a style sheet or a script by its hashed name. Raise NotFound for any other name.

    Browsers may cache it for a year: a file whose content changes gets another name.
    """
    file = templates.static(name)
    if file is None:
        raise refusals.NotFound
    text, content_type = file
    return File(text, content_type, reply.ONE_YEAR)


def checker() -> File:
    """Return the program that checks a draw, as text that a browser shows."""
    return File(templates.checker(), "text/plain; charset=utf-8", reply.FIVE_MINUTES)


def openapi() -> File:
    """Return the OpenAPI document of the service."""
    return File(templates.openapi(), "application/json", reply.FIVE_MINUTES)
