"""The command `history`: who changed the opening hours of a service, and when."""

from collections.abc import Mapping
from gettext import gettext as _
from typing import Any

import typer

from chalicelib.desk import accounts, history
from infra.ops import output
from infra.ops.options import STAGE_DEFAULT, Json, ServiceId, Since, StageName
from infra.ops.session import open_session

LONGEST = 60
"""Characters. What a longer part of a service file said before and after is in the JSON only."""
MOST = 1000


def show(
    ctx: typer.Context,
    service_id: ServiceId,
    since: Since = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Show who changed the opening hours of a service in two years: files, closings, seats added or reopened."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.past_service(service_id)
        changes = history.read(service.id, limit=MOST)
        changes = [change for change in changes if not since or change.at.astimezone(service.zone).date() >= since]
        names = {who: accounts.name_of(who) for who in {change.who for change in changes}}
        document = [
            {
                "at": change.at,
                "who": change.who,
                "name": names[change.who],
                "what": change.act,
                "with": change.facts,
                "counts": change.counts,
            }
            for change in changes
        ]
        lines = [
            (
                output.moment(change.at, service.zone),
                names[change.who] or change.who,
                _(change.act),
                _facts(change.facts),
                _("interrupted") if change.counts is None else _texts(change.counts),
            )
            for change in changes
        ]
        table = output.table(("when", "who", "what", "with", "counts"), lines)
        session.show({"changes": document}, table if lines else _("Nothing was changed."))


def _facts(facts: Mapping[str, Any]) -> str:
    rules = [_rule(rule) for rule in facts.get("rules", ())]
    return ", ".join([_texts({name: value for name, value in facts.items() if name != "rules"}), *rules]).strip(", ")


def _rule(rule: Mapping[str, Any]) -> str:
    change = f"{rule['rule']} {rule.get('before')} -> {rule.get('after')}"
    return change if "after" in rule and len(change) <= LONGEST else str(rule["rule"])


def _texts(values: Mapping[str, Any]) -> str:
    texts = {name: " ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in values.items()}
    return ", ".join(f"{name} {text}" for name, text in texts.items())
