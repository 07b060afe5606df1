"""Check the draw of appointments of a week, with nothing but its public record.

    python verify_draw.py https://HOST/services/SERVICE/draws/2026-W52 --promise HEX --root HEX
    python verify_draw.py https://HOST/services/SERVICE/draws/2026-W52 --save FOLDER
    python verify_draw.py FOLDER/2026-W52

--promise is the promise that stood in your letter, or on the page, while the window was open. --root is the root hash
that witnesses got after the close, before the draw. Without them the record may be consistent and still have been
replaced as a whole afterwards. --save keeps a copy of everything that was read, and refuses a later record that
contradicts the copy.

What is computed here again, and compared with what is published:

 1. promise: SHA-256 of the canonical JSON (keys in order, no spaces, ASCII) of the fields PROMISED of the record;
 2. previous: SHA-256 of the canonical JSON of the record before, without the fields ADDED_BY_DRAW. All records before
    this one are read and checked in the same way, oldest first;
 3. root: SHA-256 of the list of entries and then the list of seats. Each is sorted and has no line twice;
 4. waited: in how many of the earlier records each receipt took part and got no seat;
 5. late, and the round of drand that decides: the first one at or after 30 minutes after the close, or after the
    publication of the lists if that was more than 20 minutes after the close;
 6. randomness: SHA-256 of drand's signature of that round, which is verified with the pinned public key if the package
    py_ecc or py_arkworks_bls12381 is installed. A draw of the kind "commitment" uses the root instead;
 7. seed: its SHA-256 is the commitment in the promise;
 8. order: score = SHA-256(randomness, seed, root, receipt). First come seniority_percent of the seats (rounded down)
    of those who waited longest, at least one draw, and by score between equals; then all others by score, smallest
    first. In this order each takes the first free seat of the first of their preferences that has one;
 9. offers: a seat that came free goes to the first rank that waits for a seat and prefers its half-day. A rank is
    offered one seat at most, and waits no more once it is recorded as left. A winner who is recorded as `unassigned`
    has not got the seat and waits;
10. a receipt that got or was offered a seat, or left, is in no later draw.

Exit code: 0 if everything was shown, 1 if something is wrong, 2 if the record could not be read or is not drawn.
This program shares no code with the service that it checks. It needs Python 3.8 or later.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import ipaddress
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Sequence

CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""drand's quicknet. Its key is pinned here, so that nobody else's signature counts."""
PUBLIC_KEY = bytes.fromhex(
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
GENERATOR = bytes.fromhex(
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
)
"""The generator of the group of the public key, as the standard of the curve fixes it."""
SIGNED_IN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
GENESIS, PERIOD = 1692803367, 3
"""The second (since 1970) of quicknet's first round, and the seconds between rounds."""
FREEZE_AFTER, LATE_AFTER, ROUND_AFTER = timedelta(minutes=1), timedelta(minutes=20), timedelta(minutes=30)
LONGEST_RUN = timedelta(minutes=15)
"""An offer may be stored up to this much later than the moment that it names."""

MOST_BYTES = 1000000
"""The size of a record or of a part of a list."""
MOST_PARTS = 1000
MOST_LINES = 1000000
MOST_DRAWS = 1000
SECONDS = 30
"""How long a server may be silent."""

LISTS = ("entries", "seats", "results", "offers")
PROMISED = ("service", "week", "opens", "closes", "seniority_percent", "code", "commitment", "previous")
PROMISED_OF_BEACON = ("kind", "chain")
ADDED_BY_DRAW = ("signature", "randomness", "seed", "drawn_at", "void")
"""The fields, also of the beacon, that are published after the lists of entries and seats."""

HASH = re.compile("[0-9a-f]{64}")
WEEK = re.compile("[0-9]{4}-W[0-9]{2}")
MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?[+-][0-9]{2}:[0-9]{2}"
RECEIPT = "[a-z2-7]{26}"
SEAT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}/[0-9]{3}"
ENTRY_LINE = re.compile(rf"({RECEIPT});(0|[1-9][0-9]{{0,4}});([-0-9a-z,]+)")
SEAT_LINE = re.compile(SEAT)
OFFER_LINE = re.compile(rf"({MOMENT});({SEAT}|left|unassigned);([1-9][0-9]{{0,6}});({RECEIPT})")

Record = Dict[str, Any]


class Wrong(Exception):
    """The record contradicts itself, the rule, an earlier record, or the promise or root that was given."""


class Unreadable(Exception):
    """The record cannot be read, or there is no result to check."""


class Entry(NamedTuple):
    receipt: str
    waited: int
    preferences: tuple[str, ...]


class Draw(NamedTuple):
    """The lists of a draw, and its entries by rank, each with its seat or None."""

    entries: list[Entry]
    seats: list[str]
    ranks: list[tuple[Entry, str | None]]


class History:
    """What the records so far say about receipts."""

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        """How many draws a receipt has lost. Those that lost none are left out."""
        self.gone: dict[str, datetime] = {}
        """Since when a receipt is in no draw any more."""


# 1. Reading a record


class Web:
    """Reads records from a service. Follows no redirect to another server."""

    def __init__(self, url: str) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError as error:
            raise Unreadable(f"{url} is no URL") from error
        if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname)):
            raise Unreadable("the URL must begin with https://")
        self.draws, _, self.week = urllib.parse.urlunsplit((*parts[:2], parts[2].rstrip("/"), "", "")).rpartition("/")
        self.open = urllib.request.build_opener(SameServer).open

    def weeks(self) -> list[str]:
        answer = read_json(self.get(self.draws)[0])
        draws = answer.get("draws")
        if not isinstance(draws, list) or not all(isinstance(draw, dict) for draw in draws):
            raise Unreadable(f"{self.draws} is not a list of draws")
        return [str(draw.get("week")) for draw in draws]

    def record(self, week: str) -> bytes:
        return self.get(f"{self.draws}/{week}")[0]

    def list(self, week: str, name: str) -> bytes:
        """Read all parts of a list, and join them."""
        url = f"{self.draws}/{week}/{name}?part="
        first, count = self.get(f"{url}1")
        if not re.fullmatch("[1-9][0-9]{0,3}", count) or int(count) > MOST_PARTS:
            raise Unreadable(f"{url}1 does not say in how many parts it comes, or in more than {MOST_PARTS}")
        return b"".join([first, *(self.get(f"{url}{number}")[0] for number in range(2, int(count) + 1))])

    def get(self, url: str) -> tuple[bytes, str]:
        """Return the body of an answer, and its header X-Parts."""
        request = urllib.request.Request(url, headers={"Accept": "application/json, text/plain"})
        try:
            with self.open(request, timeout=SECONDS) as answer:
                body = answer.read(MOST_BYTES + 1)
                headers = answer.headers
        except (OSError, http.client.HTTPException, ValueError) as error:  # OSError: also what urllib raises
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the answer itself; Python 3.14 warns where it is left open
            raise Unreadable(f"{url}: {error}") from error
        if len(body) > MOST_BYTES:
            raise Unreadable(f"{url} is longer than {MOST_BYTES} bytes")
        if headers.get("Content-Length", str(len(body))) != str(len(body)):
            raise Unreadable(f"{url}: the answer broke off")
        return body, headers.get("X-Parts", "")


class SameServer(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(req.full_url)[:2] != urllib.parse.urlsplit(newurl)[:2]:
            raise Unreadable(f"{req.full_url} redirects to another server: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Folder:
    """Reads records that --save has written."""

    def __init__(self, path: str) -> None:
        folder = Path(path).resolve()
        self.draws, self.week = folder.parent, folder.name

    def weeks(self) -> list[str]:
        return [path.name for path in self.draws.iterdir() if WEEK.fullmatch(path.name)]

    def record(self, week: str) -> bytes:
        return self.read(week, "record.json", MOST_BYTES)

    def list(self, week: str, name: str) -> bytes:
        return self.read(week, f"{name}.txt", MOST_BYTES * MOST_PARTS)

    def read(self, week: str, name: str, most: int) -> bytes:
        path = self.draws / week / name
        try:
            with path.open("rb") as file:
                content = file.read(most + 1)
        except OSError as error:
            raise Unreadable(str(error)) from error
        if len(content) > most:
            raise Unreadable(f"{path} is longer than {most} bytes")
        return content


class Saving:
    """Reads from another source, and saves what it reads. What was saved before may grow, but not change."""

    def __init__(self, source: Any, folder: str) -> None:
        self.source, self.folder = source, Path(folder)
        self.week, self.weeks = source.week, source.weeks

    def record(self, week: str) -> bytes:
        content: bytes = self.source.record(week)
        return self.save(self.folder / week / "record.json", content, is_later_record)

    def list(self, week: str, name: str) -> bytes:
        content: bytes = self.source.list(week, name)
        later = bytes.startswith if name == "offers" else bytes.__eq__
        return self.save(self.folder / week / f"{name}.txt", content, later)

    def save(self, path: Path, content: bytes, is_later: Callable[[bytes, bytes], bool]) -> bytes:
        try:
            if path.exists() and not is_later(content, path.read_bytes()):
                raise Wrong(f"what is published now contradicts what was saved before in {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise Unreadable(str(error)) from error
        return content


def is_later_record(new: bytes, old: bytes) -> bool:
    """Tell whether a record has all that it had before, and perhaps more."""
    return flat(read_json(old)).items() <= flat(read_json(new)).items()


def flat(record: Record) -> dict[str, str]:
    """Return the fields of a record, and those of its beacon beside them."""
    beacon = record.get("beacon")
    inner = {f"beacon {name}": value for name, value in beacon.items()} if isinstance(beacon, dict) else {}
    return {name: json.dumps(value) for name, value in {**record, **inner, "beacon": ""}.items()}


def read_json(content: bytes) -> Record:
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=without_doubles, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"this is not the record of a draw, as JSON in UTF-8: {error}") from error
    if not isinstance(document, dict):
        raise Unreadable("this is not the record of a draw")
    return document


def without_doubles(pairs: list[tuple[str, Any]]) -> Record:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field is there twice")
    return dict(pairs)


def refuse(name: str) -> None:
    raise ValueError(name)


def read_record(source: Any, week: str) -> Record:
    """Read the record of a week, and check the form of its fields."""
    record = read_json(source.record(week))
    check_form(record)
    if record["week"] != week:
        raise Wrong(f"{week}: this is the record of another week, {record['week']}")
    return record


def check_form(record: Record) -> None:
    beacon = record.get("beacon")
    if not isinstance(beacon, dict):
        raise Unreadable("this is not the record of a draw")
    optional = [name for name in ("root", "seed", "randomness") if name in record]
    for name in ("commitment", "promise", *optional, *(["previous"] if record.get("previous") is not None else [])):
        demand(HASH, record.get(name), name)
    demand(WEEK, record.get("week"), "week")
    demand(re.compile("[a-z0-9-]{1,60}"), record.get("service"), "service")
    for name in ("opens", "closes", "promised_at", *(name for name in ("frozen_at", "drawn_at") if name in record)):
        demand(re.compile(MOMENT), record.get(name), name)
        moment(record[name])
    for name in ("seniority_percent", *(name for name in ("entries", "seats") if name in record)):
        if type(record.get(name)) is not int or record[name] < 0:
            raise Wrong(f"the field {name} is not a number")


def demand_all(record: Record, names: Sequence[str]) -> None:
    for name in names:
        if name not in record:
            raise Wrong(f"the field {name} is missing")


def demand(pattern: Any, value: object, name: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Wrong(f"the field {name} is missing or malformed: {shown(value)}")


def shown(value: object) -> str:
    """Return a value for a message. A record may contain anything, so a terminal gets ASCII only."""
    return ascii(value)[:100]


def moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Wrong(f"{shown(text)} is no moment") from error


def read_chain(source: Any, week: str) -> list[Record]:
    """Read the record of a week and all before it, each confirmed by the hash in the one after. Oldest first."""
    chain = [read_record(source, week)]
    earlier = sorted(before for before in set(source.weeks()) if WEEK.fullmatch(before) and before < week)
    if len(earlier) > MOST_DRAWS:
        raise Unreadable(f"there are more than {MOST_DRAWS} draws before this one")
    for before in reversed(earlier):
        after = chain[-1]
        if after["previous"] is None:
            raise Wrong(f"{after['week']} says that no draw was before it, but there is the one of {before}")
        record = read_record(source, before)
        if record_hash(record) != after["previous"]:
            raise Wrong(
                f"the record of {before} was changed, or one after it is missing: {after['week']} has another hash"
            )
        chain.append(record)
    if chain[-1]["previous"] is not None:
        raise Unreadable(f"the record before {chain[-1]['week']} is missing, so nobody can compute who waited how long")
    return chain[::-1]


# 2. What was fixed beforehand


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def canonical(document: Record) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def promise_of(record: Record) -> str:
    beacon = {name: value for name, value in record["beacon"].items() if name in PROMISED_OF_BEACON}
    return sha256(canonical({**{name: record.get(name) for name in PROMISED}, "beacon": beacon})).hex()


def record_hash(record: Record) -> str:
    beacon = {name: value for name, value in record["beacon"].items() if name not in ADDED_BY_DRAW}
    fixed = {name: value for name, value in record.items() if name not in ADDED_BY_DRAW}
    return sha256(canonical({**fixed, "beacon": beacon})).hex()


def check_promise(record: Record) -> None:
    if promise_of(record) != record["promise"]:
        raise Wrong("the promise is not that of these rules, this commitment and this record before")
    if not moment(record["opens"]) < moment(record["closes"]):
        raise Wrong("the window closes before it opens")


def check_given(chain: Sequence[Record], promise: str | None, root: str | None) -> None:
    """Compare the last record with the promise and the root that somebody kept."""
    for name, value in (("promise", promise), ("root", root)):
        if value is None or value == chain[-1].get(name):
            continue
        other = next((f": it is that of {record['week']}" for record in chain if record.get(name) == value), "")
        raise Wrong(f"the {name} that you gave is not that of {chain[-1]['week']}{other}")


# 3. The lists of entries and seats


def lines_of(content: bytes, name: str) -> list[str]:
    """Return the lines of a list. Each ends with a line feed; all is ASCII."""
    if content.count(b"\n") > MOST_LINES:
        raise Unreadable(f"the list of {name} has more than {MOST_LINES} lines")
    try:
        lines = content.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Wrong(f"the list of {name} is not ASCII: byte {error.start}") from error
    if lines.pop():
        raise Wrong(f"the last line of the list of {name} does not end with a line feed")
    return lines


def match_all(pattern: Any, lines: Sequence[str], name: str) -> list[Any]:
    matches = [pattern.fullmatch(line) for line in lines]
    if None in matches:
        number = matches.index(None)
        raise Wrong(f"line {number + 1} of the list of {name} is malformed: {shown(lines[number])}")
    return matches


def check_sorted(keys: Sequence[str], name: str) -> None:
    for before, after in zip(keys, keys[1:]):
        if before >= after:
            raise Wrong(f"the list of {name} is not sorted, or has a line twice: {after}")


def read_seats(content: bytes, week: str) -> list[str]:
    seats = lines_of(content, "seats")
    match_all(SEAT_LINE, seats, "seats")
    check_sorted(seats, "seats")
    days = days_of(week)
    for seat in seats:
        if seat[:10] not in days:
            raise Wrong(f"the seat {seat} is not in the week {week}")
    return seats


def read_entries(content: bytes, seats: Sequence[str]) -> list[Entry]:
    possible: set[str] = {"any", *map(half_day, seats)} if seats else set()
    known: dict[str, tuple[str, ...]] = {}
    entries = []
    for match in match_all(ENTRY_LINE, lines_of(content, "entries"), "entries"):
        receipt, waited, text = match.groups()
        if text not in known:
            known[text] = tuple(text.split(","))
            if not possible.issuperset(known[text]):
                raise Wrong(f"the entry {receipt} prefers a half-day without seats: {text}")
        entries.append(Entry(receipt, int(waited), known[text]))
    check_sorted([entry.receipt for entry in entries], "entries")
    return entries


def half_day(seat: str) -> str:
    return seat[:10] + ("-am" if seat[11:16] < "12:00" else "-pm")


def days_of(week: str) -> set[str]:
    """Return the seven days of a week such as 2026-W52 (ISO 8601)."""
    year, number = int(week[:4]), int(week[6:])
    fourth = date(year, 1, 4)  # always in the first week
    monday = fourth + timedelta(days=7 * (number - 1) - fourth.weekday())
    return {(monday + timedelta(days=day)).isoformat() for day in range(7)}


def check_lists(source: Any, record: Record) -> tuple[list[Entry], list[str]]:
    """Read the frozen lists, and compare them with the record."""
    entry_text, seat_text = (source.list(record["week"], name) for name in ("entries", "seats"))
    seats = read_seats(seat_text, record["week"])
    entries = read_entries(entry_text, seats)
    if (len(entries), len(seats)) != (record.get("entries"), record.get("seats")):
        raise Wrong(f"there are {len(entries)} entries and {len(seats)} seats, but the record has other numbers")
    if sha256(entry_text + seat_text).hex() != record.get("root"):
        raise Wrong("the root is not that of the published entries and seats")
    return entries, seats


def check_waited(record: Record, entries: Sequence[Entry], history: History) -> None:
    frozen = moment(record["frozen_at"])
    for entry in entries:
        lost = history.lost.get(entry.receipt, 0)
        if entry.waited != lost:
            raise Wrong(f"{entry.receipt} lost {lost} draws according to the earlier records, not {entry.waited}")
        gone = history.gone.get(entry.receipt)
        if gone and gone + LONGEST_RUN < frozen:
            raise Wrong(f"{entry.receipt} got or was offered a seat, or left, after an earlier draw")


# 4. The randomness


def check_round(record: Record) -> None:
    """Check when the lists were published, and which round of drand decides because of that."""
    closes, frozen = moment(record["closes"]), moment(record["frozen_at"])
    if frozen < closes + FREEZE_AFTER:
        raise Wrong("the lists were frozen before a minute had passed since the close")
    late = frozen > closes + LATE_AFTER
    if record.get("late") is not late:
        raise Wrong(f"the record must say whether the lists were published late: {late}")
    beacon = record["beacon"]
    if beacon.get("kind") == "commitment":
        return
    if beacon.get("kind") != "drand" or beacon.get("chain") != CHAIN:
        raise Wrong(f"the beacon is neither drand's quicknet nor a commitment: {shown(beacon)}")
    decides = ((frozen if late else closes) + ROUND_AFTER).timestamp()
    number = -int((GENESIS - decides) // PERIOD) + 1
    if type(beacon.get("round")) is not int or beacon["round"] != number:
        raise Wrong(f"the round that decides is {number}, not {shown(beacon.get('round'))}")


def check_randomness(record: Record) -> bool | None:
    """Check seed, round and randomness. Return whether the signature is drand's, or None if nothing can verify it."""
    if sha256(bytes.fromhex(record["seed"])).hex() != record["commitment"]:
        raise Wrong("the seed is not the one that the commitment fixed")
    beacon = record["beacon"]
    if beacon["kind"] == "commitment":
        if record["randomness"] != record["root"]:
            raise Wrong("the randomness is not the root, as this kind of draw says")
        return True
    if moment(record["drawn_at"]).timestamp() < GENESIS + (beacon["round"] - 1) * PERIOD:
        raise Wrong("it was drawn before the round that decides was published")
    demand(re.compile("[0-9a-f]{96}"), beacon.get("signature"), "signature")
    signature = bytes.fromhex(beacon["signature"])
    if sha256(signature).hex() != record["randomness"]:
        raise Wrong("the randomness is not that of the signature")
    is_signed = verify(beacon["round"], signature)
    if is_signed is False:
        raise Wrong(f"the signature is not drand's signature of round {beacon['round']}")
    return is_signed


def verify(number: int, signature: bytes) -> bool | None:
    """Tell whether a signature is quicknet's of a round. None: no library for it is installed."""
    message = sha256(number.to_bytes(8, "big"))
    try:
        return verify_with_arkworks(message, signature)
    except ImportError:
        pass
    except ValueError:  # it is no point of the curve
        return False
    try:
        return verify_with_py_ecc(message, signature)
    except ImportError:
        return None
    except ValueError:
        return False


def verify_with_arkworks(message: bytes, signature: bytes) -> bool:
    from py_arkworks_bls12381 import GT, G1Point, G2Point

    point = G1Point.from_compressed_bytes(signature)  # refuses a point outside of the group
    hashed = G1Point.hash_to_curve(message, SIGNED_IN)
    key, generator = G2Point.from_compressed_bytes(PUBLIC_KEY), G2Point.from_compressed_bytes(GENERATOR)
    return bool(GT.pairing_check([hashed, -point], [key, generator]))


def verify_with_py_ecc(message: bytes, signature: bytes) -> bool:
    from py_ecc.bls.g2_primitives import pubkey_to_G1, signature_to_G2, subgroup_check
    from py_ecc.bls.hash_to_curve import hash_to_G1
    from py_ecc.optimized_bls12_381 import G2, pairing

    # quicknet has its signatures in the small group, where py_ecc's names expect keys, and its key in the other.
    point, key = pubkey_to_G1(signature), signature_to_G2(PUBLIC_KEY)
    if not subgroup_check(point):
        return False
    return bool(pairing(G2, point) == pairing(key, hash_to_G1(message, SIGNED_IN, hashlib.sha256)))


# 5. The order and the seats


def draw_lots(record: Record, entries: list[Entry], seats: list[str]) -> Draw:
    """Compute the rank and the seat of each entry."""
    prefix = b"".join(bytes.fromhex(record[name]) for name in ("randomness", "seed", "root"))
    scores = {entry.receipt: sha256(prefix + entry.receipt.encode("ascii")) for entry in entries}
    by_score = sorted(entries, key=lambda entry: scores[entry.receipt])
    longest = sorted((entry for entry in by_score if entry.waited >= 1), key=lambda entry: entry.waited, reverse=True)
    first = longest[: record["seniority_percent"] * len(seats) // 100]
    chosen = {entry.receipt for entry in first}
    order = first + [entry for entry in by_score if entry.receipt not in chosen]
    return Draw(entries, seats, give_seats(order, seats))


def give_seats(order: list[Entry], seats: list[str]) -> list[tuple[Entry, str | None]]:
    free = dict.fromkeys(seats)  # a dictionary keeps the order
    by_half_day = {"any": iter(seats)}
    for name in {half_day(seat) for seat in seats}:
        by_half_day[name] = iter([seat for seat in seats if half_day(seat) == name])
    ranks = []
    for entry in order:
        seat = None
        for preference in entry.preferences:
            seat = next((seat for seat in by_half_day[preference] if seat in free), None)
            if seat:
                del free[seat]
                break
        ranks.append((entry, seat))
    return ranks


def check_results(draw: Draw, content: bytes) -> None:
    lines = lines_of(content, "results")
    if len(lines) != len(draw.ranks):
        raise Wrong(f"{len(lines)} results are published for {len(draw.ranks)} entries")
    for rank, (line, (entry, seat)) in enumerate(zip(lines, draw.ranks), start=1):
        expected = f"{rank};{entry.receipt};{seat or '-'}"
        if line != expected:
            raise Wrong(f"the result at rank {rank} must be {expected}, not {shown(line)}")


# 6. What followed: offers and departures


class Queue:
    """The ranks that wait for a seat."""

    def __init__(self, draw: Draw) -> None:
        self.ranks = draw.ranks
        self.waiting = {rank for rank, (_, seat) in enumerate(draw.ranks, start=1) if seat is None}
        self.by_half_day: dict[str, list[int]] = {}

    def first_for(self, name: str) -> int | None:
        """Return the first rank that waits and prefers this half-day."""
        if name not in self.by_half_day:
            wants = {"any", name}
            ranks = [rank for rank in self.waiting if not wants.isdisjoint(self.ranks[rank - 1][0].preferences)]
            self.by_half_day[name] = sorted(ranks, reverse=True)
        ranks = self.by_half_day[name]
        while ranks and ranks[-1] not in self.waiting:
            ranks.pop()
        return ranks[-1] if ranks else None


def check_offers(record: Record, draw: Draw, content: bytes, history: History) -> int:
    """Check that each seat was offered in turn. Return the number of offers."""
    queue, last, offers, days = Queue(draw), moment(record["drawn_at"]), 0, days_of(record["week"])
    gone = {entry.receipt: moment(record["closes"]) for entry, seat in draw.ranks if seat}
    began = False
    for match in match_all(OFFER_LINE, lines_of(content, "offers"), "offers"):
        at, what, rank, receipt = moment(match[1]), match[2], int(match[3]), match[4]
        if at < last:
            raise Wrong(f"the offers are not in the order of time: {match[0]}")
        if rank > len(draw.ranks) or draw.ranks[rank - 1][0].receipt != receipt:
            raise Wrong(f"{receipt} does not have the rank {rank}")
        if what == "unassigned":
            if began or rank in queue.waiting:
                raise Wrong(f"rank {rank} had no seat that could be withheld, or offers had begun")
            queue.waiting.add(rank)
            del gone[receipt]
            continue
        if rank not in queue.waiting:
            raise Wrong(f"rank {rank} has a seat, or has had an offer, or has left: {match[0]}")
        if what != "left":
            check_offer(queue, what, rank, at, days)
            offers += 1
        queue.waiting.remove(rank)
        gone[receipt], last, began = at, at, True
    history.gone.update(gone)
    return offers


def check_offer(queue: Queue, seat: str, rank: int, at: datetime, days: set[str]) -> None:
    if seat[:10] not in days or seat[:16] <= at.strftime("%Y-%m-%dT%H:%M"):
        raise Wrong(f"the seat {seat} is of another week, or was offered when it was over")
    if queue.first_for(half_day(seat)) != rank:
        raise Wrong(
            f"{seat} was offered to rank {rank} out of turn: {queue.first_for(half_day(seat))} was to come first"
        )


# 7. The whole check


class Outcome(NamedTuple):
    signed: bool | None
    entries: int
    seats: int
    offers: int
    unassigned: int


def check_draw(source: Any, record: Record, history: History) -> Outcome:
    """Check one draw, after all before it. Adds to the history."""
    check_promise(record)
    if "root" not in record:
        raise Unreadable("its entries are not frozen yet, so there is no result to check")
    demand_all(record, ("frozen_at", "entries", "seats"))
    entries, seats = check_lists(source, record)
    check_round(record)
    check_waited(record, entries, history)
    if "void" in record:
        return Outcome(signed=True, entries=len(entries), seats=len(seats), offers=0, unassigned=0)
    if not {"seed", "randomness", "drawn_at"} & record.keys():
        raise Unreadable("it is not drawn yet. What is published so far is consistent")
    demand_all(record, ("seed", "randomness", "drawn_at"))
    signed = check_randomness(record)
    draw = draw_lots(record, entries, seats)
    check_results(draw, source.list(record["week"], "results"))
    content = source.list(record["week"], "offers")
    offers = check_offers(record, draw, content, history)
    for entry, seat in draw.ranks:
        if seat is None:
            history.lost[entry.receipt] = entry.waited + 1
    return Outcome(signed, len(entries), len(seats), offers, content.count(b";unassigned;"))


def check(source: Any, promise: str | None, root: str | None, say: Callable[[str], object]) -> None:
    """Check the draw of the source's week and all before it. Say the result of each, and at last what was shown."""
    chain = read_chain(source, source.week)
    check_given(chain, promise, root)
    history = History()
    outcomes = []
    for record in chain:
        try:
            outcome = check_draw(source, record, history)
        except (Wrong, Unreadable) as problem:
            raise type(problem)(f"{record['week']}: {problem}") from problem
        say(f"{record['week']}: {line_about(record, outcome)}")
        outcomes.append(outcome)
    if "void" in chain[-1]:
        raise Unreadable(f"{source.week}: the draw was declared void ({shown(chain[-1]['void'])}): nobody won or lost")
    say("")
    for note in notes(chain[-1], outcomes):
        say(f"Note: {note}")
    say(sentence(chain, outcomes[-1], promise, root))


def line_about(record: Record, outcome: Outcome) -> str:
    if "void" in record:
        return f"void ({shown(record['void'])}), {outcome.entries} entries, {outcome.seats} seats"
    return f"{outcome.entries} entries, {outcome.seats} seats, {outcome.offers} offers: as the rule says"


def notes(record: Record, outcomes: Sequence[Outcome]) -> list[str]:
    """Say what a reader should know about a record that is not wrong."""
    found = []
    if not all(outcome.signed for outcome in outcomes):
        url = f"https://api.drand.sh/{CHAIN}/public/{record['beacon'].get('round')}"
        found.append(f"the signature of drand was NOT checked: install py_ecc, or compare it with {url}")
    if record["beacon"]["kind"] == "commitment":
        found.append("there is no outside source of randomness: who runs the service may have tried several seeds.")
    if record["late"]:
        found.append("the entries and seats were published late, so a later round decided.")
    if moment(record["promised_at"]) >= moment(record["closes"]):
        found.append("the promise was made after the window had closed.")
    if outcomes[-1].unassigned:
        found.append(f"{outcomes[-1].unassigned} winners did not get their seat. The record does not show why.")
    return found


def sentence(chain: Sequence[Record], outcome: Outcome, promise: str | None, root: str | None) -> str:
    """Say in one sentence what was shown, and what not."""
    fixed = {
        (True, True): "and rule, seed, entries and seats are the ones that your promise and root fixed",
        (
            True,
            False,
        ): "and rule, seed and earlier records are the ones that your promise fixed, but without --root it is "
        "not shown that entries and seats were fixed before the draw",
        (False, True): "and entries and seats are the ones that your root fixed, but without --promise it is not shown "
        "that rule and seed were fixed before",
        (False, False): "but this is only consistent, not shown to be fixed beforehand (--promise, --root)",
    }[promise is not None, root is not None]
    before = f" and of the {len(chain) - 1} draws before" if len(chain) > 1 else ""
    return (
        f"Shown: the order, seats and {outcome.offers} offers of {chain[-1]['week']}{before} follow by the rule from "
        f"the published entries, and nobody's number of lost draws is wrong, {fixed}; not shown: that each entry is a "
        "person, that none was left out (look for your own receipt), that who is recorded as left did leave, and which "
        "seats came free."
    )


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", help="URL of a draw, or a folder that --save wrote, such as FOLDER/2026-W52")
    parser.add_argument("--promise", type=hash_argument, metavar="HEX", help="the promise that you kept")
    parser.add_argument("--root", type=hash_argument, metavar="HEX", help="the root hash that a witness kept")
    parser.add_argument("--save", metavar="FOLDER", help="save everything that is read")
    return parser.parse_args(words)


def source_of(record: str, save: str | None) -> Any:
    source: Any = Web(record) if "://" in record else Folder(record)
    if not WEEK.fullmatch(source.week):
        raise Unreadable("the URL or folder must end with a week, such as 2026-W52")
    return Saving(source, save) if save else source


def hash_argument(text: str) -> str:
    value = text.strip().lower()
    if not HASH.fullmatch(value):
        raise argparse.ArgumentTypeError("64 hexadecimal digits are needed")
    return value


def main(words: Sequence[str] | None = None) -> int:
    given = arguments(words)
    try:
        check(source_of(given.record, given.save), given.promise, given.root, print)
    except Wrong as problem:
        print(f"WRONG: {ascii(str(problem))[1:-1]}")
        return 1
    except Unreadable as problem:
        print(f"Not checked: {ascii(str(problem))[1:-1]}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
