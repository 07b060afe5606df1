"""Compute how many seats people and each kind of program got, and check what the service promises about it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

from tests.load.history import Operation
from tests.load.rush.plan import HAMMERING, IDENTITIES, KINDS, MANY, PEOPLE
from tests.load.rush.recorded import first_moments, holds_that

IN_TIME = 120.0
"""Seconds within which people must hold LEAST_SHARE of their fair share of the seats: after the opening, or after the
end of its batch if it has one."""
LEAST_SHARE = 0.95
LUCK = 3
"""Standard deviations by which a fair lottery may give people less."""
Groups = Mapping[str, Mapping[str, int]]


def judge(
    records: Sequence[Mapping[str, Any]], history: Sequence[Operation], *, opened: float, batch: float, seats: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of each group, and one sentence for each broken promise. `batch` is in seconds, 0 for none."""
    group_of = {record["digest"]: record["group"] for record in records if record.get("digest")}
    visitors: defaultdict[str, set[int]] = defaultdict(set)
    for record in records:
        visitors[record["group"]].add(record["visitor"])
    by_group: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_group[group_of.get(operation.hold, "")].append(operation)
    held = {group: first_moments(by_group[group], "hold") for group in (PEOPLE, *KINDS)}
    groups = {
        group: {
            "visitors": len(visitors[group]),
            "identities": len(visitors[group]) * (IDENTITIES if group == MANY else 1),
            "held": len(held[group]),
            "confirmed": len(holds_that(by_group[group], "confirm")),
        }
        for group in (PEOPLE, *KINDS)
        if group in visitors
    }
    in_time = sum(moment <= opened + batch + IN_TIME for moment in held[PEOPLE].values())
    changed_minds = {record["visitor"] for record in records if record["step"] == "changed mind"}
    figures = {
        "groups": groups,
        "chance_ratio": chance_ratio(groups),
        "chance_ratio_by_identity": chance_ratio(groups, "identities"),
        "people_held_in_time": in_time,
    }
    takers = len(visitors[PEOPLE] - changed_minds)
    since = "the end of the batch" if batch else "the opening"
    return figures, list(broken_promises(groups, in_time=in_time, since=since, seats=seats, takers=takers))


def chance_ratio(groups: Groups, each: str = "visitors") -> float | None:
    """Divide the seats held per program by the seats held per person; with `identities`, per identity of a program.

    0 when programs hold nothing; None without programs, or when people hold nothing.
    """
    people = groups.get(PEOPLE, {each: 0, "held": 0})
    programs = [figures for group, figures in groups.items() if group != PEOPLE]
    if not programs:
        return None
    held = sum(figures["held"] for figures in programs)
    if not held:
        return 0.0
    if not people["held"]:
        return None
    number = sum(figures[each] for figures in programs)
    return float(f"{held / number / (people['held'] / people[each]):.3g}")


def broken_promises(groups: Groups, *, in_time: int, since: str, seats: int, takers: int) -> Iterator[str]:
    """Return one sentence for each broken promise.

    `in_time` counts the seats that people held within IN_TIME, and `since` says after what. `takers` counts the people
    who did not change their minds. The fair share of people is their share of all visitors who can pass the captcha.
    """
    if HAMMERING in groups and (held := groups[HAMMERING]["held"]):
        yield f"programs that cannot pass the captcha held {held} of {seats} seats"
    people = groups[PEOPLE]["visitors"] if PEOPLE in groups else 0
    able = sum(figures["visitors"] for group, figures in groups.items() if group != HAMMERING)
    fair = people / able if able else 0.0
    least = LEAST_SHARE * fair * seats - LUCK * sqrt(seats * fair * (1 - fair))
    if takers >= seats and in_time < least:
        yield (
            f"people held {in_time} of {seats} seats within {IN_TIME / 60:.0f} minutes of {since}:"
            f" fewer than {least:.0f}, although their fair share is {fair * seats:.0f}"
        )


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of the verdict that describe the groups."""
    for group, visitors, of_visitors, identities, held, of_seats, confirmed in rows(figures):
        who = f"{visitors} visitors ({of_visitors})" + (f" with {identities} identities" * (identities != visitors))
        yield f"{group}: {who}, held {held} seats ({of_seats}), confirmed {confirmed}"
    ratio, by_identity = figures["chance_ratio"], figures["chance_ratio_by_identity"]
    chance = (
        "unknown, because there were no programs or people held no seat"
        if ratio is None
        else f"{ratio:g} times that of a person" + (f", {by_identity:g} times by identity" * (by_identity != ratio))
    )
    yield f"chance of a program to get a seat: {chance}"


def table(figures: Mapping[str, Any]) -> str:
    """Return the groups as an HTML table."""
    body = "".join("<tr><td>" + "<td>".join(row) for row in rows(figures))
    return (
        "<table><tr><th>group<th>visitors<th>of all visitors<th>identities<th>seats held<th>of all seats<th>confirmed"
        + body
        + "</table>"
    )


def rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Return the figures of each group as text."""
    total_visitors = sum(group["visitors"] for group in figures["groups"].values())
    for name, group in figures["groups"].items():
        visitors, held, confirmed = group["visitors"], group["held"], group["confirmed"]
        shares = f"{visitors / total_visitors:.1%}", f"{held / figures['seats']:.1%}"
        yield name, f"{visitors:,}", shares[0], f"{group['identities']:,}", f"{held:,}", shares[1], f"{confirmed:,}"
