"""The page on which a planner chooses a seat of today for somebody without an appointment."""

from itertools import groupby

from chalicelib.booking import availability
from chalicelib.desk import places
from chalicelib.domain.agent import Role
from chalicelib.web import desk_access, desk_rows
from chalicelib.web.reply import Page
from chalicelib.web.visit import Visit


def show(service_id: str, visit: Visit) -> Page:
    """Show the seats of today that nobody has, by desk. Each leads to the form for the person who comes."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    service = availability.service(service_id, visit.now)
    seats = sorted(places.now_seats(service, visit.now), key=lambda key: (key.unit, key.start))
    context = {
        "service": service,
        "today": visit.now.astimezone(service.zone).date(),
        "desks": [(unit, list(keys)) for unit, keys in groupby(seats, lambda key: key.unit)],
        "running": {key for key in seats if service.start_of(key) <= visit.now},
        "rows_of": desk_rows,
    }
    return Page("desk/walk_in.html", {**agent.context, **context})
