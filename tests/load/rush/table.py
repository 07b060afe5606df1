"""Play 3,000 visitors on 60 seats with each kind of program, as 2, 20 and 50 % of the crowd: `make bench-rush`.

Nine rushes of about two minutes each, in the fast setting. Beside them stands the draw: its rule is applied to the same
crowd, 400 times. With `--record`, the table is written to docs/fairness.md.
"""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from chalicelib.domain import draw
from infra.deploy.package import ROOT
from tests.load.pages import table, write_sections
from tests.load.rush.plan import HAMMERING, IDENTITIES, KINDS, MANY, CannotRush

PAGE = ROOT / "docs" / "fairness.md"
VISITORS, SEATS = 3_000, 60
HASTE = 25
"""The default of the packaged stack for 3,000 visitors. The fast setting has slower people by default."""
SHARES = (0.02, 0.2, 0.5)
DRAWS = 400
ENTRIES = {HAMMERING: 0, MANY: IDENTITIES}
"""How many entries a program makes: none if it cannot pass the captcha, else one for each identity."""
HEAD = [
    "programs",
    "share of the crowd",
    "rush: seats held by programs",
    "rush: their chance ÷ a person's",
    "rush: by identity",
    "rush: verdict",
    "draw: seats held by programs",
    "draw: their chance ÷ a person's",
    "draw: by identity",
]


def main() -> None:
    """Play all rushes and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.rush.table", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--record", action="store_true", help="write the table to docs/fairness.md")
    record = parser.parse_args().record
    stopping.stop_with("guichet: stopped; there is no table")
    rows = [list(row(kind, share)) for kind in KINDS for share in SHARES]
    text = table(HEAD, rows)
    print(text)
    if record:
        write_sections(PAGE, {"rushes": text})


def row(kind: str, share: float) -> Iterator[str]:
    """Play one rush, and yield the cells of its row."""
    figures = rush(kind, share)
    yield kind
    yield f"{share:.0%}"
    yield str(figures["groups"][kind]["held"])
    yield ratio(figures["chance_ratio"])
    yield ratio(figures["chance_ratio_by_identity"])
    yield "kept" if not figures["broken"] else "broken"
    programs = round(VISITORS * share)
    yield from draw_seats(VISITORS - programs, programs, ENTRIES.get(kind, 1))


def rush(kind: str, share: float) -> dict[str, Any]:
    """Play one rush, and return its figures. A broken promise is a figure too."""
    settings = {"VISITORS": VISITORS, "SEATS": SEATS, "BOTS": share, "KINDS": kind, "LOCAL": "fast", "HASTE": HASTE}
    env = os.environ | {name: str(value) for name, value in settings.items()}
    result = ROOT / "build" / "rush" / "result.json"
    result.unlink(missing_ok=True)
    with stopping.cleanup() as cleanup:
        command = [sys.executable, "-m", "tests.load.rush"]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=sys.stderr)  # noqa: S603 - our own
        cleanup.enter_context(process)
        cleanup.callback(process.terminate)  # not killed: it cleans up
        process.wait()
    if not result.exists():
        raise CannotRush(f"guichet: the rush with {share:.0%} {kind} programs has no result")
    figures: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return figures


def draw_seats(people: int, programs: int, entries: int) -> Iterator[str]:
    """Draw the seats among people with one entry each and programs, and yield the means of all draws."""
    names = [receipt(number) for number in range(people + programs * entries)]
    theirs = set(names[people:])
    frozen = [draw.FrozenEntry(name, 0, (draw.ANY,)) for name in names]
    seats = [f"2026-12-15T{9 + number // 12:02}:{number % 12 * 5:02}/001" for number in range(SEATS)]
    held = 0
    for number in range(DRAWS):
        score = draw.score_of(sha256(str(number).encode()).digest(), b"seed", b"root")
        results = draw.assign(draw.order(frozen, SEATS, 25, score), seats)
        held += sum(result.seat is not None and result.receipt in theirs for result in results)
    mean = held / DRAWS
    chance = (SEATS - mean) / people
    yield f"{mean:.1f}"
    yield ratio(mean / programs / chance)
    yield ratio(mean / (programs * entries) / chance if entries else 0.0)


def receipt(number: int) -> str:
    """Return an invented receipt."""
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[byte % 32] for byte in sha256(b"%d" % number).digest()[:26])


def ratio(value: float | None) -> str:
    """Format a chance compared with a person's."""
    return "–" if value is None else f"{float(f'{value:.2g}'):,g}"


if __name__ == "__main__":
    main()
