"""The static files: their names, their sizes and their colours."""

import gzip
import re
from itertools import product

import pytest

from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering import templates
from tests.unit.web.pages import page


def test_a_static_file_is_found_by_its_hashed_name_only() -> None:
    name = templates.asset("guichet.css")
    assert re.fullmatch(r"guichet\.[0-9a-f]{12}\.css", name)
    file = templates.static(name)
    assert file is not None
    assert file[1] == "text/css; charset=utf-8"
    assert templates.static("guichet.css") is None
    assert templates.static("../pages.py") is None


def compressed_size(text: str) -> int:
    return len(gzip.compress(text.encode(), 6))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_description_and_its_style_sheet_are_at_most_20_kb(language: str) -> None:
    sheet = templates.static(templates.asset("guichet.css"))
    assert sheet is not None
    assert compressed_size(page("notice", language)) + compressed_size(sheet[0]) <= 20_000


@pytest.mark.parametrize(
    ("name", "language"), list(product(("calendar", "calendar, all free", "calendar, full"), LANGUAGES))
)
def test_a_calendar_is_at_most_4_kb(name: str, language: str) -> None:
    assert compressed_size(page(name, language)) <= 4_000


def colours(scheme: str) -> dict[str, str]:
    sheet = (templates.HERE / "static" / "guichet.css").read_text("utf-8")
    light, dark = re.findall(r":root \{\n(.*?)\}", sheet, re.DOTALL)[:2]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "raised", "pending"])
@pytest.mark.parametrize("ink", ["text", "mute", "accent", "error", "good", "warn"])
def test_every_text_colour_has_enough_contrast(scheme: str, ground: str, ink: str) -> None:
    theme = colours(scheme)
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_buttons_borders_and_the_focus_have_enough_contrast(scheme: str) -> None:
    theme = colours(scheme)
    assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
    for mark, ground in product(("edge", "focus"), ("ground", "raised")):
        assert contrast(theme[mark], theme[ground]) >= 3
