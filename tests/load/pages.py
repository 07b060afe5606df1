"""What a program writes into a page of docs/: tables, in sections between two markers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table. All columns but the first are aligned to the right."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_section(page: str, name: str, text: str) -> str:
    """Replace the text between the two markers of a section. Raise ValueError if the page has no such markers."""
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    changed, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n\n{text}\n\n{end}",
        page,
        count=1,
        flags=re.DOTALL,
    )
    if not count:
        raise ValueError(f"there is no section from {begin} to {end}")
    return changed


def write_sections(path: Path, sections: Mapping[str, str]) -> str:
    """Replace the sections of a page, and return the page. Raise ValueError, and change nothing, if one is missing."""
    page = path.read_text("utf-8")
    try:
        for name, text in sections.items():
            page = replace_section(page, name, text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    path.write_text(page, "utf-8")
    return page
