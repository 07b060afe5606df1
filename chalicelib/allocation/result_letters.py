"""The letters to those who were not drawn: who gets one, and the cursor by which they are sent.

The draw function moves the cursor of a draw; its stream tells the mailer, which sends the letters of the ranks that the
cursor has passed. A letter that was sent is marked, so a crash may repeat one and never loses one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib import log, settings
from chalicelib.domain import draw_record
from chalicelib.domain.draw_record import Draw, ListKind, Stage
from chalicelib.storage import draw_store

SECONDS_A_RUN = 20
"""Of each minute the letters of a draw take so many seconds of the only mailer. The rest is for other letters."""
SECONDS_A_RUN_OF_ONE = 40
"""The same for one of several mailers. The others go on with other letters."""


def letters_a_run() -> int:
    """Return how many ranks the cursor of a draw moves in a run. One mailer sends their letters: it is one change."""
    stage = settings.current()
    return stage.mailer_rate * (SECONDS_A_RUN if stage.mailers == 1 else SECONDS_A_RUN_OF_ONE)


@dataclass(frozen=True, slots=True)
class Loser:
    """An entry that got no seat in a draw: its id, its rank, and how many draws it has lost by now."""

    entry_id: str
    rank: int
    waited: int


def move_cursor(draw: Draw) -> None:
    """Let the letters of the next ranks be sent, once the winners have their seats. Idempotent for the same draw."""
    last = int(draw.record.get("entries", 0))
    if draw.stage is not Stage.ASSIGNED or draw.letters >= last:
        return
    to = min(last, draw.letters + letters_a_run())
    if draw_store.move_letters(draw, to):
        log.event("draw_letters", service=draw.service, week=draw.week, first=draw.letters + 1, last=to)


def losers(service_id: str, week: str, first: int, last: int) -> Iterator[Loser]:
    """Yield the entries of these ranks that got no seat. One whose seat was closed since the freeze got none either."""
    draw = draw_store.read(service_id, week)
    if draw is None:
        return
    results = draw_record.parse_results(draw_store.read_list(draw, ListKind.RESULTS))
    passed = [
        result
        for result in results
        if first <= result.rank <= last and (result.seat is None or result.receipt in draw.unassigned)
    ]
    if not passed:
        return
    ids = draw_store.read_entry_ids(draw)
    standing = draw_store.read_list(draw, ListKind.STANDING).splitlines()
    waited = {receipt: int(lost) for receipt, lost, _ in (line.split(";") for line in standing)}
    for result in passed:
        yield Loser(ids[result.receipt], result.rank, waited[result.receipt])
