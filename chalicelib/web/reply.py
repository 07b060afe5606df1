"""What a handler can answer: a page, a redirect, JSON, a file, a problem, or one result for people and programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NO_STORE = "no-store"
ONE_SECOND = "public, max-age=0, s-maxage=1"
FIVE_MINUTES = "public, max-age=300"
ONE_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page: a template and its variables. A `visitor_token` is set as a cookie."""

    template: str
    context: Mapping[str, Any]
    status: int = 200
    cache: str = NO_STORE
    visitor_token: str = ""
    cookies: tuple[str, ...] = ()
    """Further Set-Cookie headers."""
    is_shared: bool = False
    """Whether every visitor sees the same page, which is then rendered only when its variables change."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """A 303 to the page that follows a form. `location` is relative to the root of the service.

    `completes` is False when the page only shows a form again, or another one: no step of the booking is done.
    """

    location: str
    cookies: tuple[str, ...] = ()
    completes: bool = True
    leaves: bool = False
    """Whether `location` is a whole URL, of the identity provider."""


RefusalPage = Page | Redirect | None
"""The page on which a person reads a refusal, or a redirect to it; None is a page that shows nothing else."""


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document. A `visitor_token` is set as a cookie."""

    data: Mapping[str, Any]
    status: int = 200
    cache: str = NO_STORE
    visitor_token: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A text file. A browser saves it as `download` instead of opening it, if that is set.

    `parts` says in how many parts the whole text comes, if this is one of them.
    """

    text: str
    content_type: str
    cache: str = NO_STORE
    download: str = ""
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal: `application/problem+json` (RFC 9457) for a program, a page for a person.

    `title` and `errors` (a message for each wrong field) are in the visitor's language. `page` is where a person
    reads the refusal.
    """

    code: str
    status: int
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    page: RefusalPage = None

    def document(self) -> dict[str, Any]:
        """Return the problem+json document."""
        errors = [{"field": name, "message": message} for name, message in self.errors.items()]
        return {
            "type": f"urn:guichet:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            **self.facts,
            **({"errors": errors} if errors else {}),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """One result in two forms: `json` for a program, `html` for a person."""

    json: Json
    html: Page | Redirect


Reply = Page | Redirect | Json | File | Problem | Result
