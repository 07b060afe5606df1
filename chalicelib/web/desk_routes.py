"""The routes of the agents. `app.py` adds them to those of the applicants."""

from functools import partial

from chalice.app import Blueprint

from chalicelib.web import (
    desk_access,
    desk_account_views,
    desk_day_views,
    desk_search_views,
    desk_views,
    handler,
    signin_views,
)
from chalicelib.web.reply import Reply
from chalicelib.web.visit import Visit

routes = Blueprint(__name__)
reads, sends = partial(handler.route, routes, handler.GET_OR_HEAD), partial(handler.route, routes, ["POST"])


@reads("/desk", refusal_page=desk_access.page_after_refusal)
def show_desk(visit: Visit) -> Reply:
    """Show an agent their services."""
    return desk_views.home(visit)


@reads("/desk/sign-in", refusal_page=signin_views.page_after_refusal)
def start_sign_in(visit: Visit) -> Reply:
    """Send an agent to the identity provider."""
    return signin_views.start(visit)


@reads("/desk/callback", refusal_page=signin_views.page_after_refusal)
def finish_sign_in(visit: Visit) -> Reply:
    """Sign an agent in who comes back from the identity provider."""
    return signin_views.finish(visit)


@sends("/desk/sign-out", refusal_page=desk_views.left_after_refusal)
def sign_out(visit: Visit) -> Reply:
    """End the session of an agent."""
    return desk_views.sign_out(visit)


@sends("/desk/sign-out-everywhere", refusal_page=desk_views.left_after_refusal)
def sign_out_everywhere(visit: Visit) -> Reply:
    """End all sessions of an agent."""
    return desk_views.sign_out_everywhere(visit)


@reads("/desk/{service}/day", refusal_page=desk_day_views.page_after_refusal)
def show_day(visit: Visit, service: str) -> Reply:
    """Show the list of a day to the agents of a service."""
    return desk_day_views.show(service, visit)


@sends("/desk/{service}/day", refusal_page=desk_day_views.page_after_refusal)
def record_rows(visit: Visit, service: str) -> Reply:
    """Record what became of one row of the list, or of the ticked ones."""
    return desk_day_views.act(service, visit)


@sends("/desk/{service}/search", refusal_page=desk_day_views.page_after_refusal)
def search_people(visit: Visit, service: str) -> Reply:
    """Find an applicant by name, reference or scan."""
    return desk_search_views.search(service, visit)


@reads("/desk/{service}/seats/{seat}", refusal_page=desk_search_views.page_after_refusal)
def show_person(visit: Visit, service: str, seat: str) -> Reply:
    """Show an applicant and their appointment to an agent."""
    return desk_search_views.person(service, seat, visit)


@sends("/desk/{service}/seats/{seat}", refusal_page=desk_search_views.page_after_refusal)
def record_person(visit: Visit, service: str, seat: str) -> Reply:
    """Record what became of an appointment."""
    return desk_search_views.act(service, seat, visit)


@reads("/desk/{service}/print", refusal_page=desk_day_views.page_after_refusal)
def show_sheet(visit: Visit, service: str) -> Reply:
    """Show the list of a day by desk, to print."""
    return desk_day_views.sheet(service, visit)


@reads("/desk/{service}/export", refusal_page=desk_day_views.page_after_refusal)
def export_day(visit: Visit, service: str) -> Reply:
    """Return the list of a day for a spreadsheet."""
    return desk_day_views.export(service, visit)


@reads("/desk/{service}/evening", refusal_page=desk_day_views.page_after_refusal)
def show_evening(visit: Visit, service: str) -> Reply:
    """Show the figures of a day."""
    return desk_day_views.evening(service, visit)


@reads("/desk/{service}/accounts", refusal_page=desk_access.page_after_refusal)
def show_accounts(visit: Visit, service: str) -> Reply:
    """Show the agents of a service to its administrators."""
    return desk_account_views.show(service, visit)


@sends("/desk/{service}/accounts", refusal_page=desk_account_views.page_after_refusal)
def invite_agent(visit: Visit, service: str) -> Reply:
    """Invite an agent to a service."""
    return desk_account_views.invite(service, visit)


@sends("/desk/{service}/accounts/{agent}", refusal_page=desk_account_views.page_after_refusal)
def change_agent(visit: Visit, service: str, agent: str) -> Reply:
    """Change the role of an agent in a service, or take it away."""
    return desk_account_views.change(service, agent, visit)
