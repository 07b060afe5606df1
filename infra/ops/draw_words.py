"""A draw in words: its public record, what it waits for, and what is wrong with it."""

from datetime import datetime
from gettext import gettext as _

from chalicelib.allocation.overview import Problem, Progress, Step
from chalicelib.domain.draw_record import Draw, Stage
from chalicelib.domain.service import Service
from infra.ops import output


def waits_for(step: Progress, service: Service, now: datetime) -> str:
    """Say what a draw waits for; empty if it waits for nothing."""
    draw, entries = step.draw, step.draw.record.get("entries", 0)
    texts = {
        Step.FREEZE: _("the close of its window, and the freeze a minute later"),
        Step.EARLIER_DRAW: _("the draw before it"),
        Step.ROUND: _("round {} of drand").format(draw.record["beacon"].get("round")),
        Step.LOTS: _("the next run of the draw function"),
        Step.SEATS: _("the seats of its winners"),
        Step.LETTERS: _("letters to the ranks {} to {}").format(draw.letters + 1, entries),
        Step.NONE: "",
    }
    text = texts[step.step]
    if draw.stage is Stage.VOID:
        return _("nothing: it is void")
    if step.due is None or step.step in {Step.SEATS, Step.LETTERS, Step.LOTS}:
        return _("{} (overdue)").format(text) if step.is_overdue(now) else text
    return (
        f"{text} ({_('overdue since') if step.is_overdue(now) else _('due')} {output.moment(step.due, service.zone)})"
    )


def record_in_words(draw: Draw, service: Service, *, offered: int, left: int) -> list[str]:
    """Say what the public record of a draw says, a sentence a line."""
    record = draw.record

    def at(name: str) -> str:
        return output.moment(datetime.fromisoformat(record[name]), service.zone)

    lines = [
        _("The draw of {} is {}. Its window is open from {} to {}.").format(
            draw.week, _(draw.stage), at("opens"), at("closes")
        ),
        _("Promise: {}").format(record["promise"]),
        _("Share of the seats for those who have waited longest, in percent: {}.").format(record["seniority_percent"]),
    ]
    if "frozen_at" in record:
        late = _(" That was late, so a later round decides.") if record["late"] else ""
        lines += [
            _("Fixed on {}: {} entries, {} seats.{}").format(at("frozen_at"), record["entries"], record["seats"], late),
            _("Root: {}").format(record["root"]),
        ]
    if number := record["beacon"].get("round"):
        lines.append(_("Round {} of drand decides.").format(number))
    elif record["beacon"]["kind"] != "drand":
        lines.append(_("No outside randomness decides, only the seed and the entries themselves."))
    if "void" in record:
        lines.append(_("It is void: {}. Nobody has won or lost, and it is never repeated.").format(_(record["void"])))
    if draw.is_drawn:
        lines += [
            _("It was drawn on {}. Seed: {}").format(at("drawn_at"), record["seed"]),
            _("Winners without their seat, because it was closed or they had left: {}.").format(len(draw.unassigned)),
            _("Seats offered since: {}. Departures: {}. Seats nobody is left for: {}.").format(
                offered, left, len(draw.unclaimed)
            ),
            _("Letters to those who were not drawn: sent up to rank {} of {}.").format(draw.letters, record["entries"]),
        ]
    return lines


def problem_in_words(problem: Problem) -> str:
    """Say what is wrong with a draw, in the language of the locale."""
    return _(problem.text).format(*(_(str(value)) for value in problem.values))
