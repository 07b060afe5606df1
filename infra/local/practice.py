"""A draw to try: a service of the local stack whose window closes minutes after it opens, again and again.

A service file knows only weekdays and times, so each window is a new version of the file, and its seats are those of
the week after. The beacon is `commitment`: without the internet, and drawn as soon as the entries are fixed.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from chalicelib.allocation.draw import FREEZE_AFTER
from infra.deploy.stacks import Deployment
from infra.local.settings import STAGE
from infra.local.stack import SERVICES, Stack, put_services, release

ID = "essai-tirage"
OPEN_FOR = timedelta(minutes=3)
"""How long one can enter, at least."""
LONGEST = 26
"""The largest `weeks_ahead` of a service file. Each window is a week ahead of the one before."""
WEEK = timedelta(days=7)
ZONE = ZoneInfo("Europe/Paris")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAME = {
    "fr": "Essai du tirage au sort",
    "en": "Try the draw",
    "ar": "تجربة القرعة",
    "fr-x-facile": "Essai du tirage au sort",
    "tr": "Kura denemesi",
}
INTRO = {
    "fr": "Un service inventé, pour essayer. Le tirage a lieu une minute après la fin des inscriptions.",
    "en": "An invented service, to try. The draw takes place one minute after entries close.",
    "ar": "خدمة وهمية للتجربة. تُجرى القرعة بعد دقيقة من إغلاق التسجيل.",
    "fr-x-facile": "Ce service est inventé, pour essayer. Le tirage est une minute après la fin des inscriptions.",
    "tr": "Deneme için uydurulmuş bir hizmet. Kura, kayıtlar kapandıktan bir dakika sonra çekilir.",
}


@dataclass(frozen=True)
class Window:
    """A window to try: when it closes, in local time, and the Monday of the week whose seats are drawn."""

    closes: datetime
    monday: date

    @property
    def weeks_ahead(self) -> int:
        """How many weeks after the Monday that follows the close the week of the seats begins."""
        return (self.monday - _monday(self.closes)) // WEEK - 1

    @property
    def drawn_at(self) -> datetime:
        """When the entries are read and drawn."""
        return self.closes + FREEZE_AFTER


def first_window(now: datetime) -> Window:
    """Return the window that is open now and closes OPEN_FOR later, at the next full minute."""
    closes = _closes(now)
    return Window(closes, _monday(closes) + 2 * WEEK)


def next_window(window: Window, now: datetime) -> Window:
    """Return the window after this one. It has another week, because a week is drawn once."""
    return replace(window, closes=_closes(now), monday=window.monday + WEEK)


def _closes(now: datetime) -> datetime:
    return (now + OPEN_FOR + timedelta(seconds=59)).replace(second=0, microsecond=0).astimezone(ZONE)


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())


def document(window: Window) -> dict[str, Any]:
    """Return the service file of a window: that of AES, with four seats a week, one on each of four half-days."""
    base: dict[str, Any] = yaml.safe_load((SERVICES / "aes.yaml").read_text("utf-8"))
    del base["release"]
    hours = [{"days": ["tuesday", "thursday"], "from": start, "to": end} for start, end in _HOURS]
    at = f"{window.closes:%H:%M}"
    opens, closes = ({"day": DAYS[day % 7], "at": at} for day in (window.closes.weekday() - 1, window.closes.weekday()))
    rules = {"seniority_percent": 25, "preferences": 4, "beacon": "commitment", "witnesses": []}
    drawing = {"opens": opens, "closes": closes, "weeks_ahead": window.weeks_ahead} | rules
    plannings = [{"desks": [1], "openings": hours}]
    return base | {
        "id": ID,
        "name": NAME,
        "intro": INTRO,
        "plannings": plannings,
        "allocation": "draw",
        "draw": drawing,
    }


_HOURS = (("10:00", "10:05"), ("14:00", "14:05"))


def write(folder: Path, window: Window) -> Path:
    """Write the service file of a window into a folder. Return its path."""
    path = folder / f"{ID}.yaml"
    path.write_text(yaml.safe_dump(document(window), allow_unicode=True, sort_keys=False), "utf-8")
    return path


@contextmanager
def services(window: Window) -> Iterator[Path]:
    """Yield a folder with all service files and that of the first window."""
    with tempfile.TemporaryDirectory(prefix="guichet-services-") as name:
        folder = Path(name)
        for file in SERVICES.glob("*.yaml"):
            (folder / file.name).write_bytes(file.read_bytes())
        write(folder, window)
        yield folder


@contextmanager
def windows(stack: Stack, folder: Path, window: Window) -> Iterator[None]:
    """Draw each window when it is time and open the next one, for as long as the block lasts."""
    ended = Event()
    thread = Thread(target=_carry_on, args=(stack, folder, window, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _carry_on(stack: Stack, folder: Path, window: Window, ended: Event) -> None:
    while not ended.wait((window.drawn_at - datetime.now(UTC)).total_seconds() + 1):
        try:
            Deployment(STAGE, stack.client).invoke("draw")  # its own schedule may take another minute
            window = next_window(window, datetime.now(UTC))
            if window.weeks_ahead > LONGEST:
                print(f"draw: {ID} has no further week: start again to try it again", flush=True)
                return
            put_services(stack, folder, [write(folder, window)])
            release(stack)
        except subprocess.CalledProcessError as error:
            print(f"guichet: cannot open the next window of {ID}: {error.stderr.strip()}", flush=True)
            return
        print(line(stack, window), flush=True)


def line(stack: Stack, window: Window) -> str:
    """Return the line that tells where to enter, and until when."""
    closes, drawn = window.closes, window.drawn_at
    return f"draw: {stack.api}/services/{ID} – enter before {closes:%H:%M}, drawn at {drawn:%H:%M}"
