"""Tests of what programs write into the pages of docs/."""

from pathlib import Path

import pytest

from infra.deploy.package import ROOT
from tests.load.pages import BadFile, check_sections, table, write_sections

PAGE = "Before\n<!-- one -->\nold\n<!-- end one -->\nBetween\n<!-- two -->\n<!-- end two -->\nAfter\n"


def test_only_the_text_between_the_markers_of_a_section_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    written = write_sections(path, {"two": r"\1 new", "one": "new"})
    assert written == path.read_text("utf-8")
    assert written == (
        "Before\n<!-- one -->\n\nnew\n\n<!-- end one -->\nBetween\n<!-- two -->\n\n\\1 new\n\n<!-- end two -->\nAfter\n"
    )
    assert write_sections(path, {"one": "new"}) == written


def test_a_missing_section_is_named_with_its_page_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    line = r"^guichet: .*page\.md: there is no section from <!-- three --> to <!-- end three -->$"
    with pytest.raises(BadFile, match=line):
        write_sections(path, {"one": "new", "three": "new"})
    with pytest.raises(BadFile, match=line):
        check_sections(path, ["one", "three"])
    check_sections(path, ["one", "two"])
    assert path.read_text("utf-8") == PAGE


def test_a_page_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"^guichet: .*none\.md cannot be read: No such file or directory$"):
        check_sections(tmp_path / "none.md", ["one"])


def test_the_first_column_of_a_table_is_aligned_to_the_left_and_the_others_to_the_right() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --: |\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("benchmarks", ["figures", "history"]),
        ("capacity", ["default limits", "proposed changes", "crowd", "steps 100000 1000", "steps 100000 10000"]),
        ("capacity", ["compared"]),
        ("fairness", ["waiting", "speed", "preferences", "identities", "invented", "restart", "cost", "rushes"]),
        ("fairness", ["turns", "turns-cost", "turns-slower"]),
        ("peer", ["figures"]),
    ],
)
def test_each_page_has_the_sections_that_the_programs_write(page: str, names: list[str]) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    assert [name for name in names if f"<!-- {name} -->" not in text or f"<!-- end {name} -->" not in text] == []
