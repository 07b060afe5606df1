"""Replies about a hold: its state for a program, the redirect to the next page for a person, and refusals."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.hold import Held, Hold, Waiting
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import EntryKey, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.web import drafts, fields, forms, hold_pages, problems, request_views, service_views
from chalicelib.web.forms import DetailsPage
from chalicelib.web.reply import Json, Page, Redirect, RefusalPage, Reply, Result
from chalicelib.web.visit import Visit

# The hold


def _hold_data(hold: Hold) -> dict[str, Any]:
    """Return a hold as a program reads it."""
    data: dict[str, Any] = {
        "hold": hold.id,
        "service": hold.service.id,
        "date": None,
        "start": None,
        "end": None,
        "expires_at": hold.until.astimezone(hold.service.zone).isoformat(timespec="seconds"),
        "expires_in": hold.left,
        "can_extend": hold.can_extend,
        "captcha": "passed" if hold.captcha_passed or hold.is_filed else "required",
        "state": hold.state,
    }
    if not hold.is_entry:
        data["date"] = f"{hold.start:%Y-%m-%d}"
        data["start"], data["end"] = f"{hold.start:%H:%M}", f"{hold.start + hold.service.slot:%H:%M}"
    if isinstance(hold, Waiting) and hold.turn:
        data |= {"captcha": "passed", "turn_in": hold.seconds_to_turn}
        data["turn_at"] = hold.turn.isoformat(timespec="milliseconds")
    if hold.instead_of:
        data["instead_of"] = {"date": f"{hold.instead_of:%Y-%m-%d}", "start": f"{hold.instead_of:%H:%M}"}
    if isinstance(hold, Held) and hold.is_filed:
        data["reference"] = requests.reference_of(hold.service, hold.carrier, hold.digest)
    return data


def _path(hold_id: str, fragment: str = "", **query: str) -> str:
    """Return the path of the page of a hold. Its query says what that page shows."""
    pairs = {name: value for name, value in query.items() if value}
    return f"holds/{hold_id}" + (f"?{urlencode(pairs)}" if pairs else "") + (f"#{fragment}" if fragment else "")


def _first_page(hold: Hold, **query: str) -> Redirect:
    """Return the redirect to a hold that has just got its seat. Its page says which seat was given back for it."""
    key = hold.given_back if isinstance(hold, Held) else None
    returned = f"{hold.service.start_of(key):%Y-%m-%dT%H:%M}" if isinstance(key, SeatKey) else ""
    return Redirect(_path(hold.id, returned=returned, **query))


def held(hold: Hold) -> Result:
    """Answer a new hold: a person goes on to its page."""
    return Result(Json(_hold_data(hold), status=201), _first_page(hold))


def hold_step(hold: Hold) -> Result:
    """Answer a step of a hold: a person goes on to its page."""
    return Result(Json(_hold_data(hold)), Redirect(_path(hold.id)))


def show(hold_id: str, visit: Visit) -> Json | Page:
    """Show a hold: a program reads its state, a person sees the next step, or what became of it."""
    try:
        hold = holds.view(hold_id, visit.now)
    except refusals.HoldExpired:
        page = None if visit.wants_json else _after_hold(hold_id, visit)
        if page is None:
            raise
        return page
    if visit.wants_json:
        return _hold_json(hold, visit)
    if "ended" in visit.query and isinstance(hold, Waiting):  # nothing is stored about it, so it does not end
        return _ended_page(hold.service, is_entry=hold.is_entry, without_seat=True)
    return hold_pages.next_step(hold, visit)


def _ended_page(service: Service, *, is_entry: bool, without_seat: bool = False) -> Page:
    """Return the page of a hold that a person gave back."""
    context = {"service": service, "office": service.office}
    return Page("ended.html", {**context, "is_entry": is_entry, "without_seat": without_seat})


def _after_hold(hold_id: str, visit: Visit) -> Page | None:
    """Return the page of a hold that was given back, or whose entry was drawn or has ended; None for any other."""
    service = service_store.read(tokens.service_of_token(hold_id), visit.now)
    context: dict[str, Any] = {"service": service, "office": service.office}
    if "ended" in visit.query:
        return _ended_page(service, is_entry=isinstance(keys().read_hold_token(hold_id).key, EntryKey))
    carrier = holds.ended_entry(hold_id)
    if carrier is None:
        return None
    state = State.OPEN
    if isinstance(carrier, Seat) and (
        carrier.state is State.CONFIRMED or (carrier.until and carrier.until > visit.now)
    ):
        state = carrier.state
    return Page("entry_over.html", {**context, "state": state, "until": carrier.until})


def _hold_json(hold: Hold, visit: Visit) -> Json:
    data = _hold_data(hold)
    if isinstance(hold, Held) and hold.is_filed:
        email, changes_left = filing.view_filed(hold, visit.now)
        if email:
            data |= {"email": email, "email_changes_left": changes_left}
    return Json(data)


def extended(hold: Hold, visit: Visit) -> Reply:
    """Answer an extension. A person who has begun the details sees the same page again, with what they typed."""
    if visit.wants_json or hold.is_filed:
        return hold_step(hold)
    body, cookies = visit.body(), drafts.keep_details(visit)
    page = forms.details_page_of(body)
    if cookies is not None:
        step = page.value if hold.captcha_passed and cookies else ""
        return Redirect(_path(hold.id, "until", step=step), cookies)
    if hold.captcha_passed:
        return hold_pages.details_page(hold, visit, body, page)
    return hold_pages.captcha_page(
        hold, captcha.new_challenge_for(hold, visit.now), visit, details=forms.carried_details(body)
    )


def ended(service: Service, hold_id: str, visit: Visit) -> Result:
    """Answer a hold that was given back. The browser forgets what was typed."""
    data = {"hold": hold_id, "service": service.id, "state": "ended"}
    return Result(Json(data), Redirect(_path(hold_id, ended="true"), drafts.drop_details(visit)))


# The captcha


def new_challenge(hold_id: str, challenge: Challenge, visit: Visit) -> Reply:
    """Answer a new challenge. A program gets its picture and its sound; a person sees it on the page of the hold."""
    if visit.wants_json:
        return Json(hold_pages.challenge_data(challenge, sound=True), status=201)
    body = visit.body()
    sound = fields.yes(body, "sound")
    if details := forms.carried_details(body):
        hold = holds.view(hold_id, visit.now)
        return hold_pages.captcha_page(
            hold, captcha.new_challenge_for(hold, visit.now), visit, sound=sound, details=details
        )
    return Redirect(_path(hold_id, "sound" if sound else "renew", sound="true" if sound else ""))


def captcha_passed(hold: Hold, visit: Visit) -> Reply:
    """Answer a passed captcha. A person who has filled in the details before sees them to check."""
    if visit.wants_json or hold.is_filed or isinstance(hold, Waiting):
        return hold_step(hold)
    body = visit.body()
    if forms.carried_details(body):
        return hold_pages.details_page(hold, visit, body, DetailsPage.CHECK)
    was_further = hold.carrier.checked_for and drafts.details(visit)
    return _first_page(hold, step=DetailsPage.CHECK.value if was_further else "")


def seat_taken(hold: Held, visit: Visit) -> Reply:
    """Answer a hold that took its seat at its turn."""
    return hold_step(hold) if visit.wants_json or hold.is_filed else _first_page(hold)


# The details


def details_step(hold_id: str, hold: Held, step: DetailsPage | Details, visit: Visit) -> Reply:
    """Lead to the page that the details lead to, or file them."""
    if isinstance(step, Details):
        request = filing.file(hold, step, now=visit.now, ip_address=visit.ip_address)
        return filed(hold_id, request, visit)
    if hold.is_filed:  # a page from before the filing, reached with Back
        return Redirect(_path(hold_id), drafts.drop_details(visit), completes=False)
    body, cookies = visit.body(), drafts.keep_details(visit)
    if "back" in body:
        return Redirect(service_views.choice_path(hold), cookies or (), completes=False)
    if cookies is None:
        return hold_pages.details_page(hold, visit, body, step)
    changed = str(body.get("change", ""))
    fragment = {"birth_date": "birth_day"}.get(changed, changed) if changed in forms.DETAILS else ""
    return Redirect(_path(hold_id, fragment, step=step.value), cookies, completes=False)


def filed(hold_id: str, request: Request, visit: Visit) -> Result:
    """Answer a filed request: a person goes on to the page of the hold. The browser forgets what was typed."""
    page = Redirect(_path(hold_id), (*drafts.drop_details(visit), *drafts.drop_typed(visit)))
    return Result(Json(request_views.request_data(request), status=202), page)


# Pages on which a person reads a refusal


def captcha_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> RefusalPage:
    """Return the captcha after a wrong answer, with the same challenge, or with a new one if that is spent."""
    if isinstance(refusal, refusals.SlotTaken | refusals.NothingFree):
        return Redirect(_path(hold, refused=problems.code_of(refusal)))
    if not isinstance(refusal, refusals.CaptchaWrong | refusals.CaptchaSpent | refusals.InvalidFields):
        return service_views.restart_page(visit, refusal, hold=hold)
    hold = str(keys().read_hold_token(hold))  # raises NotFound: invalid fields are found before the hold is read
    body = visit.body()
    if details := forms.carried_details(body):
        return _captcha_with_details(visit, refusal, hold, details)
    tries = str(refusal.tries_left) if isinstance(refusal, refusals.CaptchaWrong) else ""
    challenge = "" if isinstance(refusal, refusals.CaptchaSpent) else str(body.get("challenge", ""))[:100]
    sound = "true" if fields.yes(visit.query, "sound") else ""
    query = {"refused": problems.code_of(refusal), "tries": tries, "challenge": challenge, "sound": sound}
    return Redirect(_path(hold, **query))


def turn_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> RefusalPage:
    """Lead to the page of the turn before it, and to what is free when it got no seat."""
    if isinstance(refusal, refusals.NotYourTurn | refusals.CaptchaRequired):
        return Redirect(_path(hold))
    if isinstance(refusal, refusals.SlotTaken | refusals.NothingFree):
        return Redirect(_path(hold, refused=problems.code_of(refusal)))
    return service_views.restart_page(visit, refusal, hold=hold)


def _captcha_with_details(visit: Visit, refusal: Refusal, hold_id: str, details: Mapping[str, str]) -> Page:
    """Return the captcha for a browser that keeps no cookie, with the details that it sent along."""
    hold = holds.view(hold_id, visit.now)
    if hold.captcha_passed or hold.is_filed:
        return hold_pages.next_step(hold, visit)
    if isinstance(refusal, refusals.CaptchaWrong):
        challenge = captcha.challenge_with_id(str(visit.body()["challenge"]), hold.digest)
    else:
        challenge = captcha.new_challenge_for(hold, visit.now)
    return hold_pages.captcha_page(hold, challenge, visit, details=details)


def details_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> RefusalPage:
    """Lead to the form of the details with what was typed; to the captcha first, if another one is required."""
    cookies = drafts.keep_details(visit)
    if isinstance(refusal, refusals.HoldExpired) and _is_filed(hold, visit):
        refusal, cookies = refusals.AlreadyRequested(), drafts.drop_details(visit)
    if cookies is None:
        return _details_without_cookies(visit, refusal, hold)
    if isinstance(refusal, refusals.CaptchaRequired):
        return Redirect(_path(hold, step=DetailsPage.CHECK.value), cookies)
    if isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return Redirect(_path(hold, refused=problems.code_of(refusal)), cookies)
    if isinstance(refusal, refusals.HoldExpired | refusals.NotYourTurn):
        return Redirect(_path(hold), cookies)
    if isinstance(refusal, refusals.TooManyRequests | refusals.Unavailable):
        retry = visit.root + _path(hold, step=forms.details_page_of(visit.body()).value)
        return Page("problem.html", {"retry": retry, "service": None}, cookies=cookies)
    return None


def _is_filed(hold_id: str, visit: Visit) -> bool:
    """Tell whether a hold has become a request: other details than those that were filed change nothing."""
    with suppress(refusals.HoldExpired):
        return holds.view(hold_id, visit.now).is_filed
    return False


def _details_without_cookies(visit: Visit, refusal: Refusal, hold_id: str) -> RefusalPage:
    """Return the page itself, for a browser that keeps no cookie: only the page can have what was typed."""
    body = visit.body()
    if isinstance(refusal, refusals.CaptchaRequired):
        hold = holds.view(hold_id, visit.now)
        challenge = captcha.new_challenge_for(hold, visit.now)
        return hold_pages.captcha_page(hold, challenge, visit, details=forms.carried_details(body))
    if isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return hold_pages.details_page(holds.view(hold_id, visit.now), visit, body, refusal=refusal)
    return service_views.restart_page(visit, refusal, hold=hold_id)


def email_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> RefusalPage:
    """Lead to the page that follows the filing with what was typed, after a mistake in a corrected e-mail address."""
    if not isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return service_views.restart_page(visit, refusal, hold=hold)
    filed_hold = holds.view_ready(hold, visit.now)
    if not filed_hold.is_filed:
        raise refusals.HoldExpired
    if cookies := drafts.keep_typed(visit, f"holds/{filed_hold.id}", forms.EMAIL_FORM):
        return Redirect(_path(hold, refused=problems.code_of(refusal)), cookies)
    return hold_pages.filed_page(filed_hold, visit, forms.typed(visit.body(), forms.EMAIL_FORM))
