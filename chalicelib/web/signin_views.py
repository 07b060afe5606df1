"""To the identity provider and back."""

from chalicelib.desk import signin
from chalicelib.domain import sign_in
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.sign_in import SignIn
from chalicelib.keys import keys
from chalicelib.web import desk_access
from chalicelib.web.reply import Redirect, RefusalPage
from chalicelib.web.visit import Visit


def start(visit: Visit) -> Redirect:
    """Send an agent to the identity provider."""
    provider = desk_access.require_desk()
    begun = SignIn.begin(keys(), visit.query.get("to", ""), visit.now)
    url = signin.start(provider, begun, _redirect_uri(visit))
    seconds = int(sign_in.LIFETIME.total_seconds())
    return Redirect(url, (desk_access.cookie_header(desk_access.START, begun.cookie, seconds),), leaves=True)


def finish(visit: Visit) -> Redirect:
    """Sign an agent in who comes back, and lead to the page that they asked for first."""
    provider = desk_access.require_desk()
    begun = SignIn.read(keys(), visit.cookies.get(desk_access.START, ""), visit.now)
    account = signin.finish(provider, begun, visit.query, _redirect_uri(visit), visit.now)
    session = signin.begin_session(account, visit.cookies.get(desk_access.SESSION, ""), visit.now)
    cookies = (
        desk_access.cookie_header(desk_access.SESSION, session),
        desk_access.cookie_header(desk_access.START, "", 0),
    )
    return Redirect(begun.page if begun else sign_in.HOME, cookies)


def page_after_refusal(visit: Visit, refusal: Refusal) -> RefusalPage:
    """Return the page of a sign-in that failed. The next one leads to the same page."""
    begun = SignIn.read(keys(), visit.cookies.get(desk_access.START, ""), visit.now)
    page = visit.query.get("to") or (begun.page if begun else sign_in.HOME)
    return desk_access.refusal_page(refusal, page)


def _redirect_uri(visit: Visit) -> str:
    """Return the URL to which the provider sends the agent back. It is registered there."""
    return f"{visit.site}/desk/callback"
