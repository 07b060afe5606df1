"""API Gateway in and out: what a visitor sent, a page or JSON from one result, one table from refusal to status."""

import functools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from chalice.app import Chalice, Request, Response

from chalicelib import booking, errors, forms, incoming, log, pages
from chalicelib.chance import CHANCE
from chalicelib.errors import InvalidFields, Refusal
from chalicelib.model import LANGUAGES
from chalicelib.words import N_, Words, preferred, words

ANY = ["*/*"]
"""Every route takes any content type and reads its body itself: a wrong one is refused in the person's words."""
LOOK = ["GET", "HEAD"]
"""Every GET route answers HEAD too: link checkers and monitors use it."""

REFUSALS: dict[type[Refusal], tuple[int, str, str]] = {
    errors.NotFound: (404, "not-found", N_("Cette page n’existe pas, ou n’existe plus.")),
    errors.InvalidFields: (422, "invalid-fields", N_("Il y a une erreur dans ce que vous avez écrit.")),
    errors.ConditionsNotAccepted: (
        422,
        "conditions-not-accepted",
        N_("Cochez la case pour dire que vous avez lu et accepté les conditions."),
    ),
    errors.SlotTaken: (409, "slot-taken", N_("Une autre personne vient de prendre cette plage horaire.")),
    errors.NothingFree: (409, "nothing-free", N_("Il n’y a plus de plage horaire libre pour le moment.")),
    errors.NotOpenYet: (409, "not-open-yet", N_("Cette plage horaire n’est pas encore ouverte.")),
    errors.CaptchaRequired: (409, "captcha-required", N_("Recopiez d’abord les caractères de sécurité.")),
    errors.CaptchaWrong: (422, "captcha-wrong", N_("Ce ne sont pas les bons caractères.")),
    errors.CaptchaSpent: (409, "captcha-spent", N_("Cette image n’est plus valable. En voici une autre.")),
    errors.HoldOver: (410, "hold-over", N_("Votre place n’est plus gardée.")),
    errors.AlreadyRequested: (
        409,
        "already-requested",
        N_("Vous avez déjà une demande de rendez-vous. Une seule est possible à la fois."),
    ),
    errors.NoMovesLeft: (
        409,
        "moves-spent",
        N_("Vous ne pouvez plus changer de date. Vous pouvez garder ce rendez-vous ou le supprimer."),
    ),
    errors.LinkOver: (410, "link-over", N_("Ce lien n’est plus valable.")),
    errors.CrossSite: (403, "cross-site", N_("Votre envoi vient d’un autre site. Rien n’a été enregistré.")),
    errors.TooManyRequests: (
        429,
        "too-many-requests",
        N_("Beaucoup de personnes se connectent. Attendez quelques secondes, puis recommencez."),
    ),
    errors.TryAgain: (503, "try-again", N_("Le service ne répond pas. Recommencez dans un instant.")),
}

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "media-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept, Accept-Language, Cookie",
}
OK, FAILED = 200, 500
AWAY = {429, FAILED, 503}
"""What passes by itself: try again."""
STEPS = {
    ("POST", "/services/{service}/holds"): "Holds",
    ("POST", "/holds/{hold}/captcha/answer"): "CaptchaPasses",
    ("POST", "/holds/{hold}/details"): "Requests",
    ("POST", "/requests/{token}/confirmation"): "Confirmations",
    ("POST", "/requests/{token}/cancellation"): "Cancellations",
    ("POST", "/requests/{token}/move"): "Moves",
}
"""What each step that a visitor has done is called among the metrics."""
PRIVATE = "no-store"
CALENDAR = "public, max-age=0, s-maxage=1"
YEAR = "public, max-age=31536000, immutable"


clock: Callable[[], datetime] = functools.partial(datetime.now, UTC)
"""What `now` reads. A test sets its own clock here."""


def now() -> datetime:
    """The clock, read once a request, in whole milliseconds as the table keeps them."""
    moment = clock()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when, in which language, for a page or for JSON, and how far the root is from its address."""

    now: datetime
    body: Callable[[], dict[str, Any]]
    words: Words
    wants_json: bool
    root: str
    path: str
    query: Mapping[str, str]
    sets_language: bool
    ticket: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One result for both: `data` for a program; a page, or where to go next from the root, for a person; or a file."""

    data: Mapping[str, Any]
    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    location: str = ""
    cache: str = PRIVATE
    text: str = ""
    kind: str = ""
    download: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as a visitor reads it (RFC 9457)."""

    code: str
    status: int
    title: str
    facts: Mapping[str, Any]
    errors: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The problem+json."""
        listed = [{"field": name, "message": message} for name, message in self.errors.items()]
        return {
            "type": f"urn:guichet:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            **self.facts,
            **({"errors": listed} if listed else {}),
        }


def visit(request: Request, now: datetime) -> Visit:
    """Read a request; what is wrong with its body is told when it is asked for."""
    query = forms.Form(request.query_params or {})
    accept = request.headers.get("accept", "").lower()
    typed = request.headers.get("content-type", "").lower() if request.method == "POST" else ""
    wants_json = "text/html" not in accept and ("json" in accept or "json" in typed)  # of a GET, Vary must name all
    cookies = dict(part.strip().partition("=")[::2] for part in request.headers.get("cookie", "").split(";"))
    read = functools.cache(functools.partial(incoming.body, request))
    chosen = query.get("lang", "") or (_asked_by_button(read) if request.method == "POST" else "")
    language = next(
        (one for one in (chosen, cookies.get("lang", "")) if one in LANGUAGES),
        preferred(request.headers.get("accept-language", "")),
    )
    depth = request.path.count("/") - 1
    full = str(request.context.get("path", "/")).encode(errors="replace").decode()  # pages link to it
    root = "../" * depth
    if request.path == "/" and not full.endswith("/"):
        root = full.rpartition("/")[2] + "/"
    elif request.path != "/" and full.endswith("/"):  # API Gateway takes the address with a slash at its end too
        root = "../" + root
    parts = full.rstrip("/").split("/")[-depth - 1 :] if request.path != "/" else []
    if request.method == "POST":  # the page to be seen in another language is the one that the form was on
        parts = [*parts[:2], "slots"] if parts[0] == "services" else parts[:2]
    path = "/".join(parts)
    address = _address(request)
    spoken = words(language)
    ticket = cookies.get("visit", "")
    return Visit(now, read, spoken, wants_json, root, path, query, chosen in LANGUAGES, ticket, address)


def _address(request: Request) -> str:
    """Where a visitor comes from: API Gateway's word, or that of our own CloudFront, which shows that it is ours.

    Each of the two adds to X-Forwarded-For who spoke to it: the visitor is the last but one.
    """
    hops = request.headers.get("x-forwarded-for", "").split(",")
    if (shown := request.headers.get("x-guichet-edge", "")) and booking.keys().is_edge(shown) and len(hops) > 1:
        return str(hops[-2]).strip()
    return str(request.context.get("identity", {}).get("sourceIp", ""))


def _asked_by_button(read: Callable[[], dict[str, Any]]) -> str:
    """The language that a button of a form asks for."""
    try:
        return str(read().get("lang", ""))
    except InvalidFields:
        return ""


def problem(refusal: Refusal, speech: Words) -> Problem:
    """A refusal in the visitor's language, with what they can do about it."""
    status, code, title = REFUSALS[type(refusal)]
    facts: dict[str, Any] = {}
    listed: dict[str, str] = {}
    match refusal:
        case errors.InvalidFields():
            listed = {name: speech._(message) for name, message in refusal.errors.items()}
        case errors.SlotTaken():
            facts["nearest"] = [{"date": f"{s:%Y-%m-%d}", "start": f"{s:%H:%M}"} for s in refusal.nearest]
        case errors.NothingFree():
            facts["next_release"] = refusal.next_release and refusal.next_release.isoformat()
        case errors.NotOpenYet():
            facts["opens_at"] = refusal.opens_at.isoformat()
        case errors.CaptchaWrong():
            facts["tries_left"] = refusal.tries_left
    return Problem(code, status, speech._(title), facts, listed)


def answer(reply: Reply, who: Visit) -> Response:
    """A page or JSON from one reply."""
    headers: dict[str, str | list[str]] = {**SECURITY, "Cache-Control": reply.cache}
    headers["Content-Language"] = who.words.language
    cookies = [f"lang={who.words.language}; Path=/; Max-Age=31536000; SameSite=Lax; Secure"] * who.sets_language
    if reply.ticket:
        cookies.append(f"visit={reply.ticket}; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly")
    if cookies:
        headers["Set-Cookie"] = cookies
        headers["Cache-Control"] = PRIVATE
    if reply.download:
        headers["Content-Disposition"] = f'attachment; filename="{reply.download}"'
    if reply.text:
        return Response(reply.text, {**headers, "Content-Type": reply.kind}, reply.status)
    if who.wants_json or not (reply.template or reply.location):
        kind = "application/problem+json" if reply.data.get("status") == reply.status else "application/json"
        return Response(json.dumps(reply.data, ensure_ascii=False), {**headers, "Content-Type": kind}, reply.status)
    if reply.location:
        return Response("", {**headers, "Location": who.root + reply.location}, 303)
    text = pages.render(reply.template, who.words, who.root, path=who.path, **reply.context)
    return Response(text, {**headers, "Content-Type": "text/html; charset=utf-8"}, reply.status)


def refuse(told: Problem, who: Visit, again: Reply | None = None) -> Response:
    """Tell a refusal: to a program as a problem, to a person on the page they came from or on one of its own."""
    retry = (who.root + who.path or "./") if told.status in AWAY else None
    page = again or Reply({}, "problem.html", {"retry": retry, "service": None})
    context = {**page.context, "problem": told, "errors": told.errors}
    reply = Reply(told.document(), page.template, context, told.status)
    response = answer(reply, who)
    if told.status in AWAY:
        response.headers["Retry-After"] = str(CHANCE.randint(1, 5))
    return response


def failure(request: Request) -> Response:
    """The answer to a failure that is ours: as for a service that is away, but with its own status."""
    who = visit(request, now())
    response = refuse(replace(problem(errors.TryAgain(), who.words), status=FAILED), who)
    if request.method == "HEAD":
        response.body = ""
    return response


def answers(
    app: Chalice, again: Callable[..., Reply | None] = lambda _visit, _refusal, **_ids: None
) -> Callable[[Callable[..., Reply]], Callable[..., Response]]:
    """Turn a handler's reply, or its refusal, into a response; `again` builds the page to go on from."""

    def decorate(handler: Callable[..., Reply]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def view(**ids: str) -> Response:
            began = time.perf_counter()
            request = app.current_request
            if request is None:
                raise RuntimeError("a route was called without a request")
            who, ids = visit(request, now()), {name: value.strip() for name, value in ids.items()}
            act, go_on = functools.partial(handler, who, **ids), functools.partial(again, who, **ids)
            response, code = _refused(request, who) or _respond(act, go_on, who)
            if request.method == "HEAD":
                response.body = ""
            log.event(
                "request",
                {"Refusals": 1} if code else _done(request, response, who),
                {"Code": code} if code else None,
                route=request.path,
                method=request.method,
                status=response.status_code,
                refusal=code,
                ms=round((time.perf_counter() - began) * 1000),
            )
            return response

        return view

    return decorate


def run_of(event: object) -> str:
    """The id of a run: of the request at API Gateway, where there is one, or of the call of the function."""
    if isinstance(event, Request):
        return str(event.context.get("requestId", ""))
    return str(getattr(getattr(event, "context", None), "aws_request_id", ""))


def _done(request: Request, response: Response, who: Visit) -> dict[str, int] | None:
    """The step that a request has done, as a metric; a page that only shows a form has done none."""
    step = STEPS.get((request.method, request.path))
    done = response.status_code in {201, 202, 303} or (response.status_code == OK and who.wants_json)
    return {step: 1} if step and done else None


def _refused(request: Request, who: Visit) -> tuple[Response, str] | None:
    """Refuse a POST of another site, or with a bad body, before its handler runs and anything is written."""
    if request.method != "POST":
        return None
    try:
        incoming.check_site(request)
        who.body()
    except Refusal as refusal:
        shown = problem(refusal, who.words)
        return refuse(shown, replace(who, sets_language=False)), shown.code
    return None


def _respond(
    handle: Callable[[], Reply], again: Callable[[Refusal], Reply | None], who: Visit
) -> tuple[Response, str | None]:
    try:
        return answer(handle(), who), None
    except Refusal as refusal:
        told = refusal
    try:
        page = None if who.wants_json else again(told)
    except Refusal as deeper:  # the page to go on from is gone as well
        told, page = deeper, None
    shown = problem(told, who.words)
    return refuse(shown, who, page), shown.code
