"""The commands `displays …`: the links of the screens in the waiting room, which show whom the desks call."""

from gettext import gettext as _
from typing import Annotated

import typer

from chalicelib.desk import accounts, displays
from chalicelib.domain import display, tokens
from infra.ops import output
from infra.ops.audit import audit_reading, audited
from infra.ops.options import STAGE_DEFAULT, Json, ServiceId, StageName
from infra.ops.session import Refused, open_session

group = typer.Typer(
    name="displays", no_args_is_help=True, help="The screens of the waiting room: their links, each good for 90 days."
)
Place = Annotated[str, typer.Argument(metavar="PLACE", help='Where the screen is, like "Room A".')]
DisplayId = Annotated[str, typer.Argument(metavar="DISPLAY", help="The id that `displays list` shows.")]


@group.command("add")
def add(
    ctx: typer.Context, service_id: ServiceId, place: Place, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Make the link of a screen. It is shown this once: the table has only its digest."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service, place = session.service(service_id), " ".join(place.split())
        if not 0 < len(place) <= display.PLACE_LENGTH:
            raise Refused(_("the place of a screen has 1 to {} characters").format(display.PLACE_LENGTH))
        secret = tokens.new_secret()
        with audited(session, "displays add", service=service.id) as counts:
            made = displays.add(service.id, place, secret, accounts.OPERATOR, session.now)
            counts["displays"] += 1
        path = f"/display/{display.token_of(service.id, secret)}"
        session.show(
            {"id": made.id, "path": path, "until": made.until},
            _("Open this path of the public URL on the screen. It is not shown again: {}").format(path),
            _("It is valid until {}. To revoke it: {}").format(output.moment(made.until, service.zone), made.id),
        )


@group.command("list")
def list_displays(
    ctx: typer.Context, service_id: ServiceId, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """List the valid links of a service, without what opens them."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        links = displays.of_service(service.id, session.now)
        audit_reading(session, "displays list", 0, service=service.id)
        document = [
            {"id": link.id, "place": link.place, "made_at": link.made_at, "made_by": link.made_by, "until": link.until}
            for link in links
        ]
        lines = [
            (link.id, link.place, link.made_by, f"{link.made_at:%Y-%m-%d}", f"{link.until:%Y-%m-%d}") for link in links
        ]
        table = output.table(("id", "place", "made by", "made", "valid until"), lines)
        session.show({"displays": document}, table if lines else _("No screen has a link."))


@group.command("revoke")
def revoke(
    ctx: typer.Context,
    service_id: ServiceId,
    display_id: DisplayId,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Revoke the link of a screen. It stops at its next request, a few seconds later."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        with audited(session, "displays revoke", service=service.id, display=display_id) as counts:
            if not displays.revoke(service.id, display_id, accounts.OPERATOR, session.now):
                raise Refused(
                    _("{} has no link {}: `displays list {}` shows them").format(service.id, display_id, service.id)
                )
            counts["displays"] += 1
        session.show({"revoked": display_id}, _("{} is revoked.").format(display_id))
