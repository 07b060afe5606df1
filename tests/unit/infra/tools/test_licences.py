"""The bill of materials has a licence for each package."""

from importlib.metadata import version
from typing import Any

import pytest

from infra.tools import licences


def bill(name: str, pinned: str) -> dict[str, Any]:
    return {"components": [{"name": name, "version": pinned}]}


def test_each_package_of_the_bill_gets_the_licence_that_it_names() -> None:
    urllib3 = bill("urllib3", version("urllib3"))
    licences.complete(urllib3)
    assert urllib3["components"][0]["licenses"] == [{"expression": "MIT"}]
    jinja = bill("jinja2", version("jinja2"))
    licences.complete(jinja)
    assert jinja["components"][0]["licenses"] == [{"license": {"name": "BSD License"}}]


def test_a_package_in_two_versions_for_different_pythons_gets_the_licence_of_the_installed_one() -> None:
    both = {"components": [*bill("urllib3", "0.1")["components"], *bill("urllib3", version("urllib3"))["components"]]}
    licences.complete(both)
    assert [component["licenses"] for component in both["components"]] == [[{"expression": "MIT"}]] * 2


@pytest.mark.parametrize(
    ("name", "pinned", "line"),
    [
        ("guichet-exemple", "1.0", "guichet-exemple is not installed"),
        ("urllib3", "0.1", f"urllib3 0.1 is listed and {version('urllib3')} installed"),
    ],
)
def test_a_package_whose_licence_is_not_known_fails(name: str, pinned: str, line: str) -> None:
    with pytest.raises(licences.NoLicence, match=line):
        licences.complete(bill(name, pinned))
