"""The routes of the agents. `app.py` adds them to those of the applicants."""

from functools import partial

from chalice.app import Blueprint

from chalicelib.web import (
    desk_absence_views,
    desk_access,
    desk_account_views,
    desk_booking_views,
    desk_call_views,
    desk_change_views,
    desk_day_views,
    desk_display_views,
    desk_figure_views,
    desk_history_views,
    desk_paper_views,
    desk_search_views,
    desk_views,
    desk_walk_in_views,
    display_views,
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


@reads("/desk/{service}/call", refusal_page=desk_call_views.page_after_refusal)
def show_calls(visit: Visit, service: str) -> Reply:
    """Show an agent whom their desk has called, and who waits."""
    return desk_call_views.show(service, visit)


@sends("/desk/{service}/call", refusal_page=desk_call_views.page_after_refusal)
def call_person(visit: Visit, service: str) -> Reply:
    """Call an applicant to a desk, put them aside, or record what became of the appointment."""
    return desk_call_views.act(service, visit)


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


@reads("/desk/{service}/walk-in", refusal_page=desk_access.page_after_refusal)
def show_walk_in(visit: Visit, service: str) -> Reply:
    """Show the seats of today for somebody without an appointment."""
    return desk_walk_in_views.show(service, visit)


@reads("/desk/{service}/book", refusal_page=desk_booking_views.page_after_refusal)
def show_booking(visit: Visit, service: str) -> Reply:
    """Show the free seats to who books for somebody, or the form for one of them."""
    return desk_booking_views.show(service, visit)


@sends("/desk/{service}/book", refusal_page=desk_booking_views.page_after_refusal)
def book_for_people(visit: Visit, service: str) -> Reply:
    """Book for people, or go back to another step of it."""
    return desk_booking_views.act(service, visit)


@reads("/desk/{service}/seats/{seat}/convocation", refusal_page=desk_access.page_after_refusal)
def print_convocation(visit: Visit, service: str, seat: str) -> Reply:
    """Show the convocation of an appointment, to print."""
    return desk_paper_views.convocation(service, seat, visit)


@reads("/desk/{service}/seats/{seat}/label", refusal_page=desk_access.page_after_refusal)
def print_label(visit: Visit, service: str, seat: str) -> Reply:
    """Show the number of an appointment, to print on a label."""
    return desk_paper_views.label(service, seat, visit)


@reads("/desk/{service}/seats/{seat}/details", refusal_page=desk_change_views.details_after_refusal)
def show_person_details(visit: Visit, service: str, seat: str) -> Reply:
    """Show the form with the details of an applicant."""
    return desk_change_views.details(service, seat, visit)


@sends("/desk/{service}/seats/{seat}/details", refusal_page=desk_change_views.details_after_refusal)
def change_person_details(visit: Visit, service: str, seat: str) -> Reply:
    """Replace the details of an applicant."""
    return desk_change_views.change_details(service, seat, visit)


@reads("/desk/{service}/seats/{seat}/move", refusal_page=desk_change_views.move_after_refusal)
def show_person_moves(visit: Visit, service: str, seat: str) -> Reply:
    """Show the seats to which an appointment can move."""
    return desk_change_views.move(service, seat, visit)


@sends("/desk/{service}/seats/{seat}/move", refusal_page=desk_change_views.move_after_refusal)
def move_person(visit: Visit, service: str, seat: str) -> Reply:
    """Move an appointment."""
    return desk_change_views.move_to(service, seat, visit)


@reads("/desk/{service}/seats/{seat}/cancellation", refusal_page=desk_access.page_after_refusal)
def show_person_cancellation(visit: Visit, service: str, seat: str) -> Reply:
    """Ask whether to cancel an appointment, or say that it is cancelled."""
    return desk_change_views.cancellation(service, seat, visit)


@sends("/desk/{service}/seats/{seat}/cancellation", refusal_page=desk_access.page_after_refusal)
def cancel_person(visit: Visit, service: str, seat: str) -> Reply:
    """Cancel an appointment."""
    return desk_change_views.cancel(service, seat, visit)


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
    return desk_figure_views.evening(service, visit)


@reads("/desk/{service}/week", refusal_page=desk_day_views.page_after_refusal)
def show_week(visit: Visit, service: str) -> Reply:
    """Show the figures of a week."""
    return desk_figure_views.week(service, visit)


@reads("/desk/{service}/absence", refusal_page=desk_absence_views.page_after_refusal)
def show_absence(visit: Visit, service: str) -> Reply:
    """Show the form of a closing to a planner, or who is booked in the hours that it names."""
    return desk_absence_views.show(service, visit)


@sends("/desk/{service}/absence", refusal_page=desk_absence_views.page_after_refusal)
def close_desks(visit: Visit, service: str) -> Reply:
    """Close days, hours or desks that were previewed."""
    return desk_absence_views.act(service, visit)


@reads("/desk/{service}/history", refusal_page=desk_access.page_after_refusal)
def show_history(visit: Visit, service: str) -> Reply:
    """Show a planner who changed the opening hours."""
    return desk_history_views.show(service, visit)


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


@reads("/desk/{service}/displays", refusal_page=desk_display_views.page_after_refusal)
def show_displays(visit: Visit, service: str) -> Reply:
    """Show the links of the screens in the waiting room to the planners of a service."""
    return desk_display_views.show(service, visit)


@sends("/desk/{service}/displays", refusal_page=desk_display_views.page_after_refusal)
def change_displays(visit: Visit, service: str) -> Reply:
    """Make or revoke the link of a screen in the waiting room."""
    return desk_display_views.act(service, visit)


@reads("/display/{token}", refusal_page=display_views.page_after_refusal)
def show_display(visit: Visit, token: str) -> Reply:
    """Show whom the desks call, on a screen in the waiting room."""
    return display_views.show(token, visit)
