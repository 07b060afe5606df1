"""What a program writes into a page of docs/: tables, in sections between two markers."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class BadFile(SystemExit):
    """Raised when a page or a record cannot be used. The message is one line that names it."""


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Raise BadFile for what is wrong with the contents of a file."""
    try:
        yield
    except OSError as error:
        raise BadFile(f"guichet: {path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise BadFile(f"guichet: {path}: {error} is missing") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise BadFile(f"guichet: {path}: {error}") from error


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


def with_sections(path: Path, sections: Mapping[str, str]) -> str:
    """Return a page with other sections. Raise BadFile if one is missing."""
    with using(path):
        page = path.read_text("utf-8")
        for name, text in sections.items():
            page = replace_section(page, name, text)
    return page


def check_sections(path: Path, names: Iterable[str]) -> None:
    """Raise BadFile if a page does not have these sections. A long program calls it before it begins."""
    with_sections(path, dict.fromkeys(names, ""))


def write_sections(path: Path, sections: Mapping[str, str]) -> str:
    """Replace the sections of a page, and return the page. Raise BadFile, and change nothing, if one is missing."""
    page = with_sections(path, sections)
    path.write_text(page, "utf-8")
    return page
