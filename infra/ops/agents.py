"""The commands `agents …`: who may sign in at the desk, with which role in which service."""

from gettext import gettext as _
from typing import Annotated

import typer

from chalicelib.desk import accounts
from chalicelib.domain import emails
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.refusals import AccessChanged, InvalidFields, LastAdministrator, NotFound
from chalicelib.storage import desk_store
from infra.ops import output
from infra.ops.audit import audit_reading, audited
from infra.ops.options import STAGE_DEFAULT, Day, Json, ServiceId, StageName
from infra.ops.session import Refused, Session, open_session

agents = typer.Typer(
    name="agents", no_args_is_help=True, help="Who may sign in at the desk, and with which role in which service."
)
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address that the identity provider knows.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="First and last name, as colleagues read it.")]
RoleName = Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, agent, planner, administrator or association.")]
Services = Annotated[list[str], typer.Option("--service", metavar="SERVICE", help="Like aes; may be repeated.")]


@agents.command("add")
def add(
    ctx: typer.Context,
    email: Email,
    name: Name,
    role: RoleName,
    *,
    service: Services,
    stage: StageName = STAGE_DEFAULT,
    as_json: Json = False,
) -> None:
    """Give somebody a role in services. No e-mail is sent: the first sign-in with this address binds the account."""
    with open_session(ctx, stage, as_json=as_json) as session:
        try:
            email = emails.deliverable(email)
        except ValueError as error:
            raise Refused(_("{} is no e-mail address that can receive mail").format(email)) from error
        ids = [session.service(service_id).id for service_id in service]
        with audited(session, "agents add", services=ids, role=role) as counts:
            try:
                account = accounts.invite(email, name, ids, role, by=None, now=session.now)
            except InvalidFields as error:
                raise Refused(_("{} has a role in one of these services: use `agents role`").format(email)) from error
            except AccessChanged as error:
                raise Refused(_("the account changed at the same moment: run the command again")) from error
            counts["accounts"] += 1
        session.show({"agent": _document(account)}, _("{} is {} of {}.").format(email, role, ", ".join(ids)))


@agents.command("list")
def list_agents(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """List everybody who may sign in at the desk. Times are UTC."""
    with open_session(ctx, stage, as_json=as_json) as session:
        everybody = accounts.all_open()
        audit_reading(session, "agents list", len(everybody))
        lines = [
            (
                account.email,
                account.name,
                ", ".join(f"{service}: {role}" for service, role in sorted(account.roles.items())),
                f"{account.signed_in_at:%Y-%m-%d %H:%M}" if account.signed_in_at else _("never"),
                account.id,
            )
            for account in everybody
        ]
        columns = ("e-mail", "name", "roles", "last sign-in", "id")
        document = {"agents": [_document(account) for account in everybody]}
        session.show(document, output.table(columns, lines) if lines else _("Nobody may sign in at the desk."))


@agents.command("role")
def change_role(
    ctx: typer.Context,
    email: Email,
    role: RoleName,
    *,
    service: Services,
    stage: StageName = STAGE_DEFAULT,
    as_json: Json = False,
) -> None:
    """Change the role of somebody in services. It holds from their next click on."""
    with open_session(ctx, stage, as_json=as_json) as session:
        _change(session, "agents role", email, service, role)


@agents.command("remove")
def remove(
    ctx: typer.Context, email: Email, service: Services, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Take the role of somebody in services away. It holds from their next click on."""
    with open_session(ctx, stage, as_json=as_json) as session:
        _change(session, "agents remove", email, service, None)


@agents.command("audit")
def show_audit(
    ctx: typer.Context, service_id: ServiceId, date: Day, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Show what agents did and looked at in a service on a day (UTC), by the ids that `agents list` names."""
    with open_session(ctx, stage, as_json=as_json) as session:
        rows = list(desk_store.read_audit(service_id, date))
        audit_reading(session, "agents audit", 0, service=service_id, day=date)
        acts = [
            {"at": row.sk.partition("#")[0], "agent": row.agent, "act": row.act, "facts": row.facts or {}}
            for row in rows
        ]
        lines = [
            (row.sk[:19], row.agent, row.act, ", ".join(f"{name} {fact}" for name, fact in (row.facts or {}).items()))
            for row in rows
        ]
        columns = ("when (UTC)", "agent", "act", "with")
        session.show({"acts": acts}, output.table(columns, lines) if lines else _("Nothing was done."))


def _change(session: Session, command: str, email: str, services: list[str], role: Role | None) -> None:
    account = accounts.find(email)
    if account is None:
        raise Refused(_("{} has no account: `agents list` shows who has one").format(email))
    with audited(session, command, account=account.id, services=services, role=role) as counts:
        for service_id in services:
            try:
                account = accounts.change_role(account.id, service_id, role, by=None, now=session.now)
            except NotFound as error:
                raise Refused(_("{} has no role in {}: use `agents add`").format(email, service_id)) from error
            except LastAdministrator as error:
                raise Refused(
                    _("{} is the last administrator of {}: make somebody else one").format(email, service_id)
                ) from error
            except AccessChanged as error:
                raise Refused(_("the account changed at the same moment: run the command again")) from error
            counts["roles"] += 1
    session.show(
        {"agent": _document(account)}, _("{}: {} changed.").format(email, output.count(counts["roles"], "role"))
    )


def _document(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "roles": dict(account.roles),
        "signed_in_at": account.signed_in_at,
    }
