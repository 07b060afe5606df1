"""Functions of templates that write a text twice: in French, which is authentic, then in the language of the page.

Each is an element with its language and its direction. A French page has the French one only, and so has a page in easy
French where both are equal. The display of a waiting room has a text in all languages.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from chalicelib.domain.languages import SOURCE, TABLE
from chalicelib.domain.service import Text
from chalicelib.rendering.i18n import Locale, locale_for


def _in_both(context: Context, write: Callable[[Locale], str]) -> Markup:
    own: Locale = context["locale"]
    in_french, in_own = write(locale_for(SOURCE)), write(own)
    french = Markup('<span lang="fr" dir="ltr">{}</span>').format(in_french)
    if own.is_french and in_own == in_french:
        return french
    translation = Markup('<span class="gu-own" lang="{}" dir="{}">{}</span>')
    return french + " " + translation.format(own.language, own.direction, in_own)


@pass_context
def _message(context: Context, message: str, **values: object) -> Markup:
    """Write a message that is marked with `N_`. A value that is a date or a time is written as each language does."""
    return _in_both(context, lambda locale: _fill(locale, message, values))


@pass_context
def _text(context: Context, text: Text) -> Markup:
    """Write a text of the service."""
    return _in_both(context, lambda locale: locale.typeset(locale.text(text)))


@pass_context
def _full_date(context: Context, day: date) -> Markup:
    """Write a date with its weekday."""
    return _in_both(context, lambda locale: locale.full_date(day))


@pass_context
def _value(context: Context, value: object) -> Markup:
    """Write a date without its weekday, or a time of day."""
    return _in_both(context, lambda locale: _isolate(locale, value))


@pass_context
def _duration(context: Context, time: timedelta) -> Markup:
    """Write how long something lasts."""
    return _in_both(context, lambda locale: locale.duration(time))


def _in_all(message: str) -> Markup:
    """Write a message that is marked with `N_` in French and in each other language, one paragraph each."""
    locales = [locale_for(code) for code in TABLE]
    paragraph = Markup('<p lang="{}" dir="{}">{}</p>\n')
    return Markup().join(
        paragraph.format(locale.language, locale.direction, _fill(locale, message, {}))
        for locale in locales
        if locale.is_source or not locale.is_french
    )


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "both": _message,
    "both_texts": _text,
    "both_full_dates": _full_date,
    "both_values": _value,
    "both_durations": _duration,
    "in_all": _in_all,
}
"""The functions by the names that they have in templates."""


def _fill(locale: Locale, message: str, values: Mapping[str, object]) -> Markup:
    sentence = Markup(locale.typeset(locale._(message)))  # noqa: S704  # from our own catalogues, by gettext's own name
    return sentence % {name: _isolate(locale, value) for name, value in values.items()} if values else sentence


def _isolate(locale: Locale, value: object) -> Markup:
    """Write a value so that the text around it does not change its direction."""
    if isinstance(value, datetime):
        return Markup('<bdi dir="ltr">{}</bdi>').format(locale.time_of_day(value))
    if isinstance(value, date):
        return escape(locale.long_date(value))
    return Markup("<bdi>{}</bdi>").format(value)
