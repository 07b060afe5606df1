"""The page of the history: who changed the opening hours, and when."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from chalicelib.booking import availability
from chalicelib.desk import accounts, audit, history
from chalicelib.desk.history import Act, Change
from chalicelib.domain.agent import Role
from chalicelib.rendering.i18n import locale_for
from chalicelib.web import desk_access
from chalicelib.web.reply import Page
from chalicelib.web.visit import Visit

SHOWN = 50
"""How many changes a page shows."""
OPERATOR = "Un opérateur"
ACTS = {
    Act.SERVICE: "Fichier du service",
    Act.WITHDRAWN: "Service retiré",
    Act.CLOSING: "Fermeture",
    Act.ADDED: "Places ajoutées",
    Act.REOPENED: "Réouverture",
    Act.PAUSED: "Prise de rendez-vous en pause",
    Act.RESUMED: "Fin de la pause",
    Act.WALK_IN: "Place pour une personne sans rendez-vous",
}
COUNTS = {
    "closed": ("place fermée", "places fermées"),
    "written_to": ("personne déplacée", "personnes déplacées"),
    "set_aside": ("place gardée", "places gardées"),
    "made": ("place ajoutée", "places ajoutées"),
    "reopened": ("place rouverte", "places rouvertes"),
}
RULES = {
    "plannings": "Horaires et guichets",
    "closures": "Fermetures",
    "public_holidays": "Jours fériés",
    "release": "Ouverture des places",
    "slot_minutes": "Minutes par rendez-vous",
    "times": "Durées",
    "limits": "Limites",
    "allocation": "Façon de donner les places",
    "draw": "Tirage au sort",
    "listing": "Affichage dans la liste des services",
    "name": "Nom du service",
    "intro": "Présentation",
    "documents": "Documents à apporter",
    "address": "Adresse",
    "contact": "À qui écrire",
}
DAYS = {
    "monday": "lundi",
    "tuesday": "mardi",
    "wednesday": "mercredi",
    "thursday": "jeudi",
    "friday": "vendredi",
    "saturday": "samedi",
    "sunday": "dimanche",
}
_KEY = re.compile(r"[0-9T:.+-]{20,40}#[a-z0-9]{8}")


def show(service_id: str, visit: Visit) -> Page:
    """Show the last changes, or those before the one that the query names."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    service = availability.service(service_id, visit.now)
    audit.record_view(service_id, agent.account.id, "history", visit.now)
    before = visit.query.get("before", "")
    changes = history.read(service_id, before=before if _KEY.fullmatch(before) else "", limit=SHOWN + 1)
    context = {
        "service": service,
        "changes": changes[:SHOWN],
        "older": changes[SHOWN - 1].key if len(changes) > SHOWN else "",
        "names": {who: accounts.name_of(who) or OPERATOR for who in {change.who for change in changes}},
        "acts": ACTS,
        "hours": hours,
        "rules": rules,
        "result": result,
    }
    return Page("desk/history.html", {**agent.context, **context})


def hours(change: Change) -> str:
    """Return the days, hours and desks of a change; empty if it has none."""
    facts = change.facts
    if "first" not in facts:
        return ""
    french = locale_for("fr")
    first, last = (french.long_date(date.fromisoformat(facts[name])) for name in ("first", "last"))
    times_of = (datetime.fromisoformat(f"{facts['first']}T{facts[name]}") for name in ("start", "end"))
    start, end = (french.time_of_day(moment) for moment in times_of)
    days = first if first == last else f"du {first} au {last}"
    whole_day = (facts["start"], facts["end"]) == ("00:00", "23:59")
    times = "toute la journée" if whole_day else f"de {start} à {end}"
    desks = facts["desks"]
    where = f"guichet{'s' if len(desks) > 1 else ''} {', '.join(map(str, desks))}" if desks else "tous les guichets"
    return f"{days}, {times}, {where}"


def rules(change: Change) -> list[tuple[str, list[str], list[str]]]:
    """Return the parts of a service file that changed: their names, and what they said before and after."""
    return [
        (_name(rule["rule"]), _lines(rule["rule"], rule.get("before")), _lines(rule["rule"], rule.get("after")))
        for rule in change.facts.get("rules", ())
    ]


def result(change: Change) -> str:
    """Return what a change has done."""
    if change.counts is None:
        return "interrompu"
    numbers = ((change.counts.get(name, 0), words) for name, words in COUNTS.items())
    return ", ".join(f"{number} {one if number == 1 else more}" for number, (one, more) in numbers if number)


def _name(rule: str) -> str:
    part, _, rest = rule.partition(".")
    return RULES.get(part, part) + (f" ({rest})" if rest else "")


def _lines(rule: str, value: Any) -> list[str]:  # any part of a service file
    """Return a part of a service file in lines that an agent can read."""
    if value is None:
        return []
    if rule == "plannings":
        return [line for planning in value for line in _planning(planning)]
    values = value if isinstance(value, list) else [value]
    return [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in values]


def _planning(planning: Mapping[str, Any]) -> list[str]:
    desks = ", ".join(map(str, planning["desks"]))
    return [
        f"guichets {desks} : {', '.join(DAYS[day] for day in opening['days'])} de {opening['from']} à {opening['to']}"
        + (f", dont {planning['internal']} par jour pour l’accueil" if planning.get("internal") else "")
        + "".join(f", sauf de {pause['from']} à {pause['to']}" for pause in opening.get("breaks", ()))
        for opening in planning["openings"]
    ]
