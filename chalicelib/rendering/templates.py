"""Pages and letters from Jinja templates, and the static files that pages link to."""

from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, ModuleLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from chalicelib.domain import languages
from chalicelib.domain.calendar import Calendar, Slot, slots_by_day
from chalicelib.domain.messages import N_
from chalicelib.domain.names import full_name
from chalicelib.domain.seat import monday_of
from chalicelib.rendering import bilingual, half_days
from chalicelib.rendering.convocation import MEMBER, map_url, qr_svg
from chalicelib.rendering.i18n import WEEKDAYS, Locale

HERE = Path(__file__).parent.parent
TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".js": "text/javascript; charset=utf-8"}
COMPILED = "compiled"
"""The folder of the Lambda zip with the templates as Python modules."""
MOST_SHARED_PAGES = 64
"""How many shared pages a process keeps: a page of 12 kB for each service and language."""
DIGEST = 12
"""How many hexadecimal digits of a file's SHA-256 its name contains."""


def render(template: str, locale: Locale, root: str, **context: Any) -> str:
    """Render a template. `root` is the relative URL of the service's root, such as `../../` or an empty string.

    A template may set `form` to the id of a form: its fields are then sent along when the language is changed.
    """
    defaults: dict[str, Any] = {
        "problem": None,
        "errors": {},
        "office": "",
        "step": None,
        "path": "",
        "languages": languages.TABLE.values(),
        "form": "",
        "carried": {},
    }
    return environment().get_template(template).render({**defaults, **context, "locale": locale, "root": root})


def render_shared(template: str, locale: Locale, root: str, path: str, context: Mapping[str, Any]) -> str:
    """Render a page that every visitor sees alike, or return it as it was while its variables stay the same."""
    key = (template, locale.language, root, path)
    variables, html = _shared_pages.get(key, (None, ""))
    if variables != context:
        html = render(template, locale, root, path=path, **context)
        if len(_shared_pages) >= MOST_SHARED_PAGES:  # a visitor can write one path in many ways
            _shared_pages.clear()
        _shared_pages[key] = (context, html)
    return html


_shared_pages: dict[tuple[str, str, str, str], tuple[Mapping[str, Any], str]] = {}


@pass_context
def _week(context: Context, calendar: Calendar, opened: bool, chosen: str) -> Markup:  # noqa: FBT001  # a template passes it by position
    """Render the slots of a week. Any `chosen` that is not a free slot is dropped, so that none fills the cache."""
    if chosen and chosen not in {slot.at for slot in calendar.slots if slot.free}:
        chosen = ""
    return _cached_week(context["locale"], calendar.week, calendar.slots, opened=opened, chosen=chosen)


@lru_cache(maxsize=64)
def _cached_week(locale: Locale, week: str, slots: tuple[Slot, ...], *, opened: bool, chosen: str) -> Markup:
    """Render the slots of a week. They are most of its page, and every visitor sees the same until a seat changes."""
    days = [day for day in slots_by_day(week, slots) if day[1]]
    counts = sorted({slot.free for slot in slots if slot.free})
    html = render("week.html", locale, "", days=days, counts=counts, opened=opened, chosen=chosen)
    return Markup(html)  # noqa: S704  # the template has escaped it


def asset(name: str) -> str:
    """Return the hashed name of a static file, such as `guichet.<12 hex>.css`. It changes with the content."""
    return _hashed_names()[name]


def static(name: str) -> tuple[str, str] | None:
    """Return the text and the content type of the static file with this hashed name; None if there is none."""
    return _files().get(name)


@cache
def checker() -> str:
    """Return the text of the program that checks a draw."""
    return (HERE / "static" / "verify_draw.py").read_text("utf-8")


@cache
def openapi() -> str:
    """Return the text of the OpenAPI document."""
    return (HERE / "openapi.json").read_text("utf-8")


@cache
def _hashed_names() -> Mapping[str, str]:
    names = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in TYPES:
            digest = sha256(path.read_bytes()).hexdigest()[:DIGEST]
            names[path.name] = f"{path.stem}.{digest}{path.suffix}"
    return MappingProxyType(names)


@cache
def _files() -> Mapping[str, tuple[str, str]]:
    return {
        hashed: ((HERE / "static" / name).read_text("utf-8"), TYPES[Path(name).suffix])
        for name, hashed in _hashed_names().items()
    }


@cache
def environment() -> Environment:
    """Return the environment of the templates: the compiled ones in a Lambda zip, otherwise those of the files."""
    compiled, files = HERE / COMPILED, HERE / "templates"
    jinja = Environment(
        loader=ModuleLoader(compiled) if compiled.exists() else FileSystemLoader(files),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    jinja.globals.update(_=_translate, ngettext=_translate_count, asset=asset, week=_week)
    jinja.globals.update(N_=N_, map_url=map_url, qr=qr_svg, convocation_member=MEMBER, **bilingual.FUNCTIONS)
    jinja.globals.update(weekdays=WEEKDAYS, half_day_name=half_days.name, monday_of=monday_of, full_name=full_name)
    return jinja


@pass_context
def _translate(context: Context, message: str, **values: object) -> str:
    """Translate a message into the language of the page. It may contain markup; its values are escaped."""
    return _fill(context, context["locale"]._(message), values)  # gettext's own name


@pass_context
def _translate_count(context: Context, singular: str, plural: str, num: int, **values: object) -> str:
    """Translate a message about a number, which it contains as `%(num)s`."""
    return _fill(context, context["locale"].ngettext(singular, plural, num), {"num": num, **values})


def _fill(context: Context, sentence: str, values: Mapping[str, object]) -> str:
    sentence = context["locale"].typeset(sentence)
    message = Markup(sentence) if context.eval_ctx.autoescape else sentence  # noqa: S704  # from our own catalogues
    return message % values if values else message
