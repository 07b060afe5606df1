"""Draws in the table: their record, their secret seed, their lists in parts, and the log of what followed."""

import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pynamodb.exceptions import DoesNotExist

from chalicelib.domain.draw_record import Draw, ListKind, PublishedList, Stage
from chalicelib.storage import draw_items, dynamodb
from chalicelib.storage.draw_items import DrawItem, LogItem
from chalicelib.storage.items import Image

RECENT = 20
PART_SIZE = 200_000
"""The most characters of a part: far below the 400 kB of an item even if they do not compress."""


def read(service_id: str, week: str) -> Draw | None:
    """Read the draw of a week consistently; None if there is none yet."""
    row = draw_items.draw_item(service_id, week)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return _draw_from(row)


def read_all(service_id: str) -> list[Draw]:
    """Read all draws of a service consistently, oldest first."""
    with dynamodb.translated_errors():
        rows = DrawItem.query(draw_items.draws_partition(service_id), consistent_read=True)
        return [_draw_from(row) for row in rows]


def read_recent(service_id: str) -> list[Draw]:
    """Read the last draws of a service consistently, oldest first: more than are ever unfinished at once."""
    with dynamodb.translated_errors():
        partition = draw_items.draws_partition(service_id)
        rows = list(DrawItem.query(partition, consistent_read=True, scan_index_forward=False, limit=RECENT))
    return [_draw_from(row) for row in reversed(rows)]


def weeks_being_drawn(service_id: str) -> set[str]:
    """Return the weeks whose seats are in a draw that is frozen, and whose winners do not have theirs yet."""
    return {draw.week for draw in read_recent(service_id) if draw.stage in {Stage.FROZEN, Stage.DRAWN}}


def _draw_from(row: DrawItem) -> Draw:
    return Draw(
        service=row.pk.split("#")[1],
        week=row.sk,
        stage=Stage(row.stage),
        record=row.record,
        lists={ListKind(kind): PublishedList(*published) for kind, published in row.lists.items()},
        unassigned=tuple((row.unassigned or "").split()),
        unclaimed=tuple((row.unclaimed or "").split()),
        letters=int(row.letters or 0),
    )


def create(draw: Draw) -> bool:
    """Store a new draw. Return False if the week has one."""
    row = _row_of(draw)
    return dynamodb.try_write(lambda: row.save(DrawItem.pk.does_not_exist()))


def advance(draw: Draw, *, before: Stage) -> bool:
    """Store a draw that was at the stage `before`. Return False if another run has changed its stage."""
    row = _row_of(draw)
    return dynamodb.try_write(lambda: row.save(DrawItem.stage == before))


def remember_unclaimed(draw: Draw, seats: Sequence[str]) -> None:
    """Record the free seats that no rank is left for. Another attribute of the draw may change at the same time."""
    row = draw_items.draw_item(draw.service, draw.week)
    with dynamodb.translated_errors():
        row.update([DrawItem.unclaimed.set(" ".join(seats))])


def move_letters(draw: Draw, to: int) -> bool:
    """Move the cursor of the letters. Return False if another run has moved it."""
    row = draw_items.draw_item(draw.service, draw.week)
    return dynamodb.try_write(lambda: row.update([DrawItem.letters.set(to)], DrawItem.letters == draw.letters))


def letters_moved(old: Image | None, new: Image) -> tuple[str, str, int, int] | None:
    """Return service id, week, first and last rank if the cursor of the letters moved between two images."""
    draw = draw_items.draw_of_image(new)
    before = int((old or {}).get("letters", {"N": "0"})["N"])
    after = int(new.get("letters", {"N": "0"})["N"]) if draw else 0
    return (*draw, before + 1, after) if draw and after > before else None


def frozen(old: Image | None, new: Image) -> tuple[str, str, list[str]] | None:
    """Return service id, week and the e-mail addresses of the witnesses if a draw was frozen between two images."""
    draw = draw_items.draw_of_image(new)
    if not draw or old is None or (old["stage"]["S"], new["stage"]["S"]) != (Stage.PROMISED, Stage.FROZEN):
        return None
    return (*draw, new.get("witnesses", {"S": ""})["S"].split())


def _row_of(draw: Draw) -> DrawItem:
    return draw_items.draw_item(
        draw.service,
        draw.week,
        stage=str(draw.stage),
        record=dict(draw.record),
        lists={str(kind): [published.digest, published.parts] for kind, published in draw.lists.items()},
        unassigned=" ".join(draw.unassigned) or None,
        unclaimed=" ".join(draw.unclaimed) or None,
        letters=draw.letters,
        witnesses=" ".join(draw.witnesses) or None if draw.stage is Stage.FROZEN else None,
    )


# The seed


def seed(service_id: str, week: str, new: str) -> str:
    """Return the seed of a draw, which is `new` if it had none."""
    row = draw_items.seed_item(service_id, week, seed=new)
    if dynamodb.try_write(lambda: row.save(draw_items.SeedItem.pk.does_not_exist())):
        return new
    return read_seed(service_id, week) or new


def read_seed(service_id: str, week: str) -> str | None:
    """Read the seed of a draw consistently; None if it is lost."""
    row = draw_items.seed_item(service_id, week)
    with dynamodb.translated_errors(), suppress(DoesNotExist):
        row.refresh(consistent_read=True)
        return str(row.seed)
    return None


# The lists


def write_list(service_id: str, week: str, kind: ListKind, text: str) -> PublishedList:
    """Store a list in parts that end at the end of a line. Idempotent: the same list has the same keys."""
    digest = sha256(text.encode()).hexdigest()[:32]
    number = 0
    with dynamodb.translated_errors():
        for number, part in enumerate(parts_of(text), start=1):
            compressed = zlib.compress(part.encode())
            draw_items.part_item(service_id, week, kind, digest, number, text=compressed).save()
    return PublishedList(digest, number)


def parts_of(text: str) -> Iterator[str]:
    """Divide a list into parts, at least one."""
    start = 0
    while len(text) - start > PART_SIZE:
        end = text.rindex("\n", start, start + PART_SIZE) + 1
        yield text[start:end]
        start = end
    yield text[start:]


def read_part(draw: Draw, kind: ListKind, number: int) -> str | None:
    """Read a part of a list, from 1; None if there is none with this number."""
    published = draw.lists.get(kind)
    if published is None or not 1 <= number <= published.parts:
        return None
    row = draw_items.part_item(draw.service, draw.week, kind, published.digest, number)
    with dynamodb.translated_errors():
        row.refresh(consistent_read=True)
    return zlib.decompress(row.text).decode()


def read_list(draw: Draw, kind: ListKind) -> str:
    """Read a whole list; empty if the draw has none."""
    count = draw.lists[kind].parts if kind in draw.lists else 0
    return "".join(read_part(draw, kind, number) or "" for number in range(1, count + 1))


def find_line(draw: Draw, kind: ListKind, receipt: str) -> str | None:
    """Find the line of a receipt in a list that is sorted by receipt, by halves: of 20 parts it reads at most 5."""
    first, last = 1, draw.lists[kind].parts if kind in draw.lists else 0
    while first <= last:
        number = (first + last) // 2
        lines = (read_part(draw, kind, number) or "").splitlines()
        position = bisect_left(lines, receipt)
        if position < len(lines) and lines[position].startswith(f"{receipt};"):
            return lines[position]
        if 0 < position < len(lines):
            return None
        first, last = (number + 1, last) if position else (first, number - 1)
    return None


def find_result(draw: Draw, rank: int) -> str | None:
    """Find the line of a rank in the results, by halves."""
    first, last = 1, draw.lists[ListKind.RESULTS].parts if ListKind.RESULTS in draw.lists else 0
    while first <= last:
        number = (first + last) // 2
        lines = (read_part(draw, ListKind.RESULTS, number) or "").splitlines()
        lowest = int(lines[0].partition(";")[0]) if lines else 1
        if lowest <= rank < lowest + len(lines):
            return lines[rank - lowest]
        first, last = (first, number - 1) if rank < lowest else (number + 1, last)
    return None


def read_entry_ids(draw: Draw) -> dict[str, str]:
    """Read the id of each entry that was in the list at the freeze, by its receipt."""
    lines = read_list(draw, ListKind.LIVE).splitlines()
    return dict(line.split(";") for line in lines)


# The log


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened to a rank when a seat came free: it was offered the seat, or had left (`seat` is None)."""

    at: datetime
    rank: int
    receipt: str
    seat: str | None

    def __str__(self) -> str:
        """Return the line as it is published."""
        return f"{self.at.isoformat(timespec='milliseconds')};{self.seat or 'left'};{self.rank};{self.receipt}"


def read_log(service_id: str, week: str) -> list[LogLine]:
    """Read the log of a draw consistently, in the order of time, and of the ranks that a run dealt with at once."""
    with dynamodb.translated_errors():
        rows = LogItem.query(draw_items.log_partition(service_id, week), consistent_read=True)
        lines = [_log_line(row) for row in rows]
    return sorted(lines, key=lambda line: (line.at, line.rank))


def read_log_line(service_id: str, week: str, rank: int) -> LogLine | None:
    """Read what the log has about a rank consistently; None if nothing."""
    row = draw_items.log_item(service_id, week, rank)
    with dynamodb.translated_errors(), suppress(DoesNotExist):
        row.refresh(consistent_read=True)
        return _log_line(row)
    return None


def _log_line(row: LogItem) -> LogLine:
    moment, what, rank, receipt = row.line.split(";")
    seat = None if what == "left" else what
    return LogLine(datetime.fromisoformat(moment), int(rank), receipt, seat)


def append_log(service_id: str, week: str, line: LogLine) -> bool:
    """Store a line of the log by itself. Return False if its rank has one."""
    row = log_item(service_id, week, line)
    return dynamodb.try_write(lambda: row.save(LogItem.pk.does_not_exist()))


def log_item(service_id: str, week: str, line: LogLine) -> LogItem:
    """Return the item of a line, for a transaction."""
    return draw_items.log_item(service_id, week, line.rank, line=str(line))
