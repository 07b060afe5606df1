"""The two pages about service files have every setting, as the schema and the code have it."""

import gettext
import json
import re
from collections.abc import Iterator
from typing import Any

from chalicelib.domain import codec
from infra.deploy.package import ROOT
from infra.servicefile import yaml_source
from infra.servicefile.schema import SCHEMA
from tests.unit.infra.servicefile.samples import GOOD

FRENCH = (ROOT / "docs" / "fichier-de-service.md").read_text("utf-8")
ENGLISH = (ROOT / "docs" / "service-file.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z_.0-9]+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
DEFINITIONS = json.loads(SCHEMA.read_text("utf-8"))["$defs"]
WHOLE = {"text", "title", "weekly"}
"""What a page explains in one line: the keys of these groups are languages, or `day` and `at`."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return {**resolved(DEFINITIONS[reference]), **schema} if reference else schema


def settings(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, bool]]:
    """Each setting below a part of the schema: its path, what it expects, and whether it is required."""
    for key, part in schema["properties"].items():
        inner = resolved(part)
        yield f"{path}{key}", inner["expected"], key in schema.get("required", ())
        group = resolved(inner.get("items", inner))
        if "properties" in group and not {*WHOLE} & {ref(part), ref(inner.get("items", {}))}:
            yield from settings(group, f"{path}{key}.")


def ref(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


SETTINGS = {path: (expected, required) for path, expected, required in settings(json.loads(SCHEMA.read_text("utf-8")))}
ROWS = {path: (value, absent) for path, _sense, value, absent in ROW.findall(FRENCH)}


def test_the_french_page_has_every_setting_with_its_limits() -> None:
    translate = gettext.translation("operator", ROOT / "infra/ops/locale", ["fr"]).gettext
    assert {path: (value, absent == "obligatoire") for path, (value, absent) in ROWS.items()} == {
        path: (translate(expected).replace("\u00a0", " "), required) for path, (expected, required) in SETTINGS.items()
    }


def test_the_french_page_has_the_defaults_of_the_code() -> None:
    service = codec.service_from_document(yaml_source.parse(GOOD.encode()).value)
    limits = ("association_bookings", "domain_requests", "ipv6_48_requests", "ipv6_32_requests")
    assert {name: ROWS[f"limits.{name}"][1] for name in limits} == {
        name: str(getattr(service.limits, name)) for name in limits
    }
    assert ROWS["seat_after"][1] == f"`{service.seat_after}`"
    assert ROWS["allocation"][1].startswith(f"`{service.allocation}`")


def test_the_english_page_names_every_setting() -> None:
    names = {path.rpartition(".")[2] for path in SETTINGS}
    assert sorted(name for name in names if not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`|\b{name}:", ENGLISH)) == []
