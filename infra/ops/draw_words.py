"""A draw in words: its public record, and what it waits for."""

from datetime import datetime

from chalicelib.allocation.overview import Progress, Step
from chalicelib.domain.draw_record import Draw, Stage
from chalicelib.domain.service import Service
from infra.ops import output


def waits_for(step: Progress, service: Service, now: datetime) -> str:
    """Say what a draw waits for; empty if it waits for nothing."""
    draw, entries = step.draw, step.draw.record.get("entries", 0)
    texts = {
        Step.FREEZE: "the close of its window, and the freeze a minute later",
        Step.EARLIER_DRAW: "the draw before it",
        Step.ROUND: f"round {draw.record['beacon'].get('round')} of drand",
        Step.LOTS: "the next run of the draw function",
        Step.SEATS: "the seats of its winners",
        Step.LETTERS: f"letters to the ranks {draw.letters + 1} to {entries}",
        Step.NONE: "",
    }
    text = texts[step.step]
    if draw.stage is Stage.VOID:
        return "nothing: it is void"
    if step.due is None or step.step in {Step.SEATS, Step.LETTERS, Step.LOTS}:
        return f"{text} (overdue)" if step.is_overdue(now) else text
    return f"{text} ({'overdue since' if step.is_overdue(now) else 'due'} {output.moment(step.due, service.zone)})"


def record_in_words(draw: Draw, service: Service, *, offered: int, left: int) -> list[str]:
    """Say what the public record of a draw says, a sentence a line."""
    record = draw.record

    def at(name: str) -> str:
        return output.moment(datetime.fromisoformat(record[name]), service.zone)

    lines = [
        f"The draw of {draw.week} is {draw.stage}. Its window is open from {at('opens')} to {at('closes')}.",
        f"Promise: {record['promise']}",
        f"{record['seniority_percent']} % of the seats go to those who have waited longest.",
    ]
    if "frozen_at" in record:
        late = " That was late, so a later round decides." if record["late"] else ""
        lines += [
            f"Fixed on {at('frozen_at')}: {record['entries']} entries, {record['seats']} seats.{late}",
            f"Root: {record['root']}",
        ]
    if number := record["beacon"].get("round"):
        lines.append(f"Round {number} of drand decides.")
    elif record["beacon"]["kind"] != "drand":
        lines.append("No outside randomness decides, only the seed and the entries themselves.")
    if "void" in record:
        lines.append(f"It is void: {record['void']}. Nobody has won or lost, and it is never repeated.")
    if draw.is_drawn:
        lines += [
            f"It was drawn on {at('drawn_at')}. Seed: {record['seed']}",
            f"Winners without their seat, because it was closed or they had left: {len(draw.unassigned)}.",
            f"Seats offered since: {offered}. Departures: {left}. Seats nobody is left for: {len(draw.unclaimed)}.",
            f"Letters to those who were not drawn: sent up to rank {draw.letters} of {record['entries']}.",
        ]
    return lines
