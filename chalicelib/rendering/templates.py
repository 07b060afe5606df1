"""Pages and letters out of templates, and the files that a page needs. French sentences are the source."""

from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, ModuleLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from chalicelib.domain.calendar import Calendar, Slot, slots_by_day
from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering.i18n import MONTHS, OWN_NAMES, WEEKDAYS, Locale

HERE = Path(__file__).parent.parent
TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".js": "text/javascript; charset=utf-8"}
COMPILED = "compiled"
"""The folder of the zip with the templates as Python."""
DIGEST = 12
"""Hexadecimal digits of a file's SHA-256 in its name."""


def render(template: str, words: Locale, root: str, **context: Any) -> str:  # each page has its own
    """Fill a template; `root` leads from the page to the service's first page, as `../../` or an empty string.

    A template sets `form` to the id of the form that a change of language takes along.
    """
    plain: dict[str, Any] = {
        "problem": None,
        "errors": {},
        "office": "",
        "step": None,
        "path": "",
        "languages": LANGUAGES,
        "form": "",
        "carried": {},
    }
    return environment().get_template(template).render({**plain, **context, "words": words, "root": root})


@pass_context
def _week(context: Context, calendar: Calendar, opened: bool, chosen: str) -> Markup:  # noqa: FBT001  # a template's word
    if chosen and chosen not in {slot.at for slot in calendar.slots if slot.free}:
        chosen = ""
    return _filled_week(context["words"], calendar.week, calendar.slots, opened=opened, chosen=chosen)


@lru_cache(maxsize=64)
def _filled_week(words: Locale, week: str, slots: tuple[Slot, ...], *, opened: bool, chosen: str) -> Markup:
    """The slots of a week: most of its page, and the same for a whole crowd until a seat changes."""
    filled = render("week.html", words, "", days=slots_by_day(week, slots), opened=opened, chosen=chosen)
    return Markup(filled)  # noqa: S704  # the template has escaped it


def asset(name: str) -> str:
    """The name that a page links to: `guichet.css` is `guichet.<12 hex>.css`, another for every content."""
    return _names()[name]


def static(name: str) -> tuple[str, str] | None:
    """Text and content type of the file that `asset` gave this name to; None for any other name."""
    return _files().get(name)


@cache
def openapi() -> str:
    """The contract, as the repository keeps it."""
    return (HERE / "openapi.json").read_text("utf-8")


@cache
def _names() -> Mapping[str, str]:
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in TYPES:
            digest = sha256(path.read_bytes()).hexdigest()[:DIGEST]
            found[path.name] = f"{path.stem}.{digest}{path.suffix}"
    return MappingProxyType(found)


@cache
def _files() -> Mapping[str, tuple[str, str]]:
    return {
        hashed: ((HERE / "static" / name).read_text("utf-8"), TYPES[Path(name).suffix])
        for name, hashed in _names().items()
    }


@cache
def environment() -> Environment:
    """The templates: compiled where they were packaged, else from their files."""
    compiled, files = HERE / COMPILED, HERE / "templates"
    made = Environment(
        loader=ModuleLoader(compiled) if compiled.exists() else FileSystemLoader(files),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(_=_translate, ngettext=_count, asset=asset, week=_week)
    made.globals.update(weekdays=WEEKDAYS, months=MONTHS, own_names=OWN_NAMES)
    return made


@pass_context
def _translate(context: Context, message: str, **values: object) -> str:
    """A sentence in the page's language. It may hold markup; what is put into it is escaped."""
    return _fill(context, context["words"]._(message), values)  # gettext's own name


@pass_context
def _count(context: Context, one: str, many: str, num: int, **values: object) -> str:
    """The same for a number; `%(num)s` is the number."""
    return _fill(context, context["words"].ngettext(one, many, num), {"num": num, **values})


def _fill(context: Context, sentence: str, values: Mapping[str, object]) -> str:
    sentence = context["words"].typeset(sentence)
    whole = Markup(sentence) if context.eval_ctx.autoescape else sentence  # noqa: S704  # from our own catalogues
    return whole % values if values else whole
