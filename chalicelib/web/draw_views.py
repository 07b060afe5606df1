"""Replies with the public record of the draws of a service: data for programs, pages for people."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.allocation import publication
from chalicelib.domain import draw_record, draw_window, names
from chalicelib.domain.draw_record import Draw, Figure, ListKind, Stage
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import InvalidFields, NotFound, Refusal
from chalicelib.domain.seat import monday_of
from chalicelib.domain.service import Beacon, Service
from chalicelib.storage import service_store
from chalicelib.web import fields, forms, reply
from chalicelib.web.reply import File, Json, Page, RefusalPage, Reply
from chalicelib.web.visit import Visit

_PART = re.compile("[1-9][0-9]{0,4}")
_RECEIPT = re.compile("[a-z2-7]{26}")
_OFFERS = "offers"
START = 16
"""How many characters of a seat in the record are its start."""
MOST_GROUPS = 6
"""The page shows entries that lost this many draws, or more, as one group."""
OVERDUE = timedelta(minutes=10)
"""How long after its time a draw that is not drawn yet is said to be late."""
ROUND_URL = f"https://api.drand.sh/{draw_record.DRAND_CHAIN}/public/"


def draws(service: Service, visit: Visit) -> Json | Page:
    """List the draws of a service: for programs those that are drawn or void, oldest first; for people all of them."""
    if not visit.wants_html:
        return Json({"draws": publication.draws(service.id)}, cache=reply.ONE_SECOND)
    context = {"service": service, "office": service.office, "draws": publication.all_draws(service.id)}
    return Page("draws.html", context, cache=reply.ONE_SECOND)


def record(service: Service, week: str, visit: Visit) -> Json | Page:
    """Show the record of a draw. Once it is drawn, or void, it never changes."""
    draw = publication.draw(service.id, week)
    if visit.wants_html:
        return _page(service, draw, visit, cache=reply.ONE_SECOND)
    return Json(draw.record, cache=reply.ONE_YEAR if draw.is_final else reply.ONE_SECOND)


def _page(service: Service, draw: Draw, visit: Visit, cache: str = reply.NO_STORE, **more: Any) -> Page:
    at = {
        name: datetime.fromisoformat(draw.record[name])
        for name in ("opens", "closes", "promised_at", "frozen_at", "drawn_at")
        if name in draw.record
    }
    due = _due(draw)
    context = {
        "service": service,
        "office": service.office,
        "draw": draw,
        "record": draw.record,
        "stage": str(Stage.DRAWN if draw.is_drawn else draw.stage),
        "at": at,
        "due": due.astimezone(service.zone),
        "is_open": at["opens"] <= visit.now < at["closes"],
        "is_overdue": not draw.is_final and visit.now > due + OVERDUE,
        "round_url": f"{ROUND_URL}{draw.record['beacon'].get('round', '')}",
        "groups": groups(publication.figures(draw)),
        "url": f"{visit.site}/services/{service.id}/draws/{draw.week}",
        "can_find": ListKind.ENTRIES in draw.lists,
        "monday": monday_of(draw.week),
        "typed": "",
        "is_answer": False,
        "found": None,
    }
    return Page("draw_page.html", {**context, **more}, cache=cache)


def _due(draw: Draw) -> datetime:
    """Return when a draw takes place: at the round of its beacon, or a minute after its close if it has none."""
    beacon = draw.record["beacon"]
    if "round" in beacon:
        return draw_record.round_moment(beacon["round"])
    return draw.closes + (draw_record.ROUND_AFTER if beacon["kind"] == Beacon.DRAND else timedelta(minutes=1))


def groups(figures: list[Figure]) -> list[Figure]:
    """Return the figures with those who lost `MOST_GROUPS` draws or more as one group."""
    last = [figure for figure in figures if figure.waited >= MOST_GROUPS]
    groups = [figure for figure in figures if figure.waited < MOST_GROUPS]
    if last:
        counts = (sum(figure.entries for figure in last), sum(figure.winners for figure in last))
        groups.append(Figure(MOST_GROUPS, *counts))
    return groups


def found(service: Service, week: str, visit: Visit) -> Reply:
    """Answer who looks for a receipt, on the page itself: no URL, log or cookie gets it. Raises InvalidFields."""
    draw, body = publication.draw(service.id, week), visit.body()
    if visit.wants_html and "lang" in body:
        return _page(service, draw, visit, **_answer(draw, body))
    receipt = read_receipt(body)
    answer = publication.find(draw, receipt)
    if not visit.wants_html:
        return Json(_found_data(answer))
    return _page(service, draw, visit, is_answer=True, typed=receipt, found=_shown(answer))


def _answer(draw: Draw, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer again, in another language; what was typed, if it cannot be a receipt."""
    try:
        receipt = read_receipt(body)
    except InvalidFields:
        return {"typed": _typed(body)}
    return {"typed": receipt, "is_answer": True, "found": _shown(publication.find(draw, receipt))}


def read_receipt(body: Mapping[str, Any]) -> str:
    """Read a receipt in any spelling: capitals, blanks, hyphens. Raises InvalidFields for what cannot be one."""
    typed = body.get("receipt")
    pasted = " ".join(names.without_invisible(typed).split()) if isinstance(typed, str) else typed
    reader = fields.Reader({**body, "receipt": pasted}, ("receipt", "lang"))
    receipt = re.sub("[ -]", "", reader.text("receipt", 200)).lower()
    if receipt and not _RECEIPT.fullmatch(receipt):
        reader.errors["receipt"] = N_("Recopiez le reçu de votre e-mail : 26 lettres ou chiffres de 2 à 7.")
    reader.finish()
    return receipt


def _shown(answer: publication.ReceiptRecord | None) -> dict[str, Any] | None:
    """Return an answer as the page shows it: half-days without their dates, and the starts of seats."""
    if answer is None:
        return None
    return {
        "answer": answer,
        "preferences": [draw_window.undated(preference) for preference in answer.preferences],
        "seat": answer.seat and datetime.fromisoformat(answer.seat[:START]),
        "offered": answer.offered and datetime.fromisoformat(answer.offered[:START]),
    }


def _typed(body: Mapping[str, Any]) -> str:
    return forms.typed(body, ("receipt",)).get("receipt", "")[:200]


def _found_data(answer: publication.ReceiptRecord | None) -> dict[str, Any]:
    if answer is None:
        return {"found": False}
    return {
        "found": True,
        "waited": answer.waited,
        "preferences": list(answer.preferences),
        "rank": answer.rank,
        "seat": answer.seat,
        "offered": answer.offered,
    }


def record_after_refusal(visit: Visit, refusal: Refusal, service: str, week: str) -> RefusalPage:
    """Return the page with what was typed. It is in no URL and no cookie, so this is no redirect."""
    if not isinstance(refusal, InvalidFields):
        return None
    draw = publication.draw(service, week)
    return _page(service_store.read(service, visit.now), draw, visit, typed=_typed(visit.body()))


def part(service: Service, week: str, name: str, number: str) -> File:
    """Show a part, from 1, of the entries, seats, results or offers of a draw. Only offers are still added to.

    Raise NotFound for another list or number.
    """
    if not _PART.fullmatch(number):
        raise NotFound
    if name == _OFFERS:
        return _file(publication.offers(service.id, week, int(number)), reply.ONE_SECOND)
    if name not in set(publication.PUBLISHED):
        raise NotFound
    return _file(publication.part(service.id, week, ListKind(name), int(number)), reply.ONE_YEAR)


def _file(of_list: publication.Part, cache: str) -> File:
    return File(of_list.text, "text/plain; charset=utf-8", cache, parts=of_list.parts)
