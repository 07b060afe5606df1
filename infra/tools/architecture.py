"""Draw the packages and their imports into docs/architecture.svg: `make architecture`.

Only what a reader needs stands in the picture: the packages, what each is for, its modules, and which package imports
which. An arrow that follows from two others is left out.
"""

import ast
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

from infra.tools.command_line import no_arguments

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, GAP, MARGIN = 300, 40, 24
LINE, PADDING = 17, 12
COLUMNS = 40
"""Characters of a line in a box."""
SHARED = "settings · keys · log"


@dataclass(frozen=True, slots=True)
class Package:
    """A box of the picture: a package, or `app.py`, with the names of the boxes that it imports from."""

    name: str
    purpose: str
    modules: tuple[str, ...]
    imports: frozenset[str]

    @property
    def lines(self) -> list[str]:
        """Return the purpose and the modules, broken into lines."""
        return [*textwrap.wrap(self.purpose, COLUMNS), *textwrap.wrap(" · ".join(self.modules), COLUMNS)]

    @property
    def height(self) -> int:
        """Return the height of the box in pixels."""
        return 2 * PADDING + LINE * (1 + len(self.lines))


def packages() -> dict[str, Package]:
    """Read every package of `chalicelib/` and `infra/`, and `app.py`, from the sources."""
    folders = [folder for top in ("chalicelib", "infra") for folder in sorted((ROOT / top).glob("*/"))]
    folders.remove(ROOT / "chalicelib" / "static")  # what is served, not imported
    homes = {str(folder.relative_to(ROOT)): sorted(folder.rglob("*.py")) for folder in folders}
    homes = {name: files for name, files in homes.items() if files} | {"app.py": [ROOT / "app.py"]}
    return {name: _package(name, files, homes) for name, files in homes.items()}


def _package(name: str, files: Iterable[Path], homes: Iterable[str]) -> Package:
    trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
    imported = {module for tree in trees.values() for module in _imported(tree)}
    targets = {home for home in homes for module in imported if f"{module}/".startswith(f"{home}/")}
    described = next((tree for file, tree in trees.items() if file.stem in {"__init__", "app"}), None)
    purpose = (ast.get_docstring(described) or "").partition("\n")[0] if described else ""
    modules = sorted(file.stem for file in trees if not file.stem.startswith("__") and file.stem != "app")
    return Package(name, purpose, tuple(modules), frozenset(targets - {name}))


def _imported(tree: ast.AST) -> Iterable[str]:
    """Yield the modules that a file imports, as paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}".replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)


def layers(boxes: Mapping[str, Package]) -> list[list[Package]]:
    """Return the packages in rows, each below everything that imports it. Raise CycleError for a circle."""
    importers = {name: {box.name for box in boxes.values() if name in box.imports} for name in boxes}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(importers).static_order():
        depth[name] = 1 + max((depth[importer] for importer in importers[name]), default=-1)
    return [[box for name, box in boxes.items() if depth[name] == level] for level in range(max(depth.values()) + 1)]


def arrows(boxes: Mapping[str, Package]) -> set[tuple[str, str]]:
    """Return the imports between packages, without those that follow from two others."""
    direct = {(name, target) for name, box in boxes.items() for target in box.imports & boxes.keys()}
    return {(name, target) for name, target in direct if not _is_implied(name, target, direct)}


def _is_implied(name: str, target: str, direct: set[tuple[str, str]]) -> bool:
    between = [middle for source, middle in direct if source == name and middle != target]
    reached: set[str] = set()
    while between:
        middle = between.pop()
        if middle not in reached:
            reached.add(middle)
            between += [further for source, further in direct if source == middle]
    return target in reached


def _panel(boxes: Mapping[str, Package], left: int, top: int) -> tuple[list[str], int, int]:
    """Draw some packages. Return the SVG elements, and where the panel ends at the right and at the bottom."""
    rows, shown = layers(boxes), arrows(boxes)
    right = left + max(len(row) for row in rows) * (WIDTH + GAP) - GAP
    corners: dict[str, tuple[int, int]] = {}
    for row in rows:
        importers = {box.name: [corners[source][0] for source, target in shown if target == box.name] for box in row}
        centre = (left + right - WIDTH) // 2
        below = {name: sum(places) // len(places) if places else centre for name, places in importers.items()}
        first = left + (right - left - len(row) * (WIDTH + GAP) + GAP) // 2
        for number, box in enumerate(sorted(row, key=lambda box: below[box.name])):
            corners[box.name] = (first + number * (WIDTH + GAP) if len(row) > 1 else below[box.name], top)
        top += max(box.height for box in row) + GAP
    lines = [_arrow(corners[source], corners[target], boxes[source].height) for source, target in sorted(shown)]
    return (
        [*lines, *(element for name, corner in corners.items() for element in _box(boxes[name], *corner))],
        right,
        top,
    )


def _arrow(source: tuple[int, int], target: tuple[int, int], height: int) -> str:
    ends = (source[0] + WIDTH // 2, source[1] + height, target[0] + WIDTH // 2, target[1] - 3)
    return '<line x1="{}" y1="{}" x2="{}" y2="{}" marker-end="url(#head)"/>'.format(*ends)


def _box(box: Package, x: int, y: int) -> Iterator[str]:
    baseline = y + PADDING + LINE - 5
    yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{box.height}" rx="6"/>'
    yield f'<text x="{x + PADDING}" y="{baseline}" class="name">{escape(box.name)}</text>'
    for number, line in enumerate(box.lines, start=1):
        yield f'<text x="{x + PADDING}" y="{baseline + number * LINE}">{escape(line)}</text>'


def picture() -> str:
    """Return the picture as SVG: the service on the left, the programs around it on the right."""
    boxes = packages()
    service = {name: box for name, box in boxes.items() if not name.startswith("infra")}
    programs = {name: box for name, box in boxes.items() if name.startswith("infra")}
    top = MARGIN + 2 * LINE
    left_part, middle, left_bottom = _panel(service, MARGIN, top)
    right_part, right, right_bottom = _panel(programs, middle + 2 * GAP, top)
    titles = (
        f'<text x="{MARGIN}" y="{MARGIN + LINE}" class="title">The service (beside the packages: {SHARED})</text>'
        f'<text x="{middle + 2 * GAP}" y="{MARGIN + LINE}" class="title">The programs around it; ops, deploy and '
        "local use the service</text>"
    )
    width, height = right + MARGIN, max(left_bottom, right_bottom) - GAP + MARGIN
    style = (
        "text{font:13px sans-serif;fill:#161616}.name{font-weight:bold;font-size:15px}.title{font-size:16px}"
        "rect{fill:#f5f5fe;stroke:#000091;stroke-width:1.5}line{stroke:#000091;stroke-width:1.5}"
    )
    head = (
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L10 5L0 10z" fill="#000091"/></marker>'
    )
    body = "\n".join([*left_part, *right_part])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Packages and their imports"><style>{style}</style><defs>{head}</defs>\n'
        f'<rect width="{width}" height="{height}" style="fill:#fff;stroke:none"/>\n{titles}\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    no_arguments("infra.tools.architecture", "Draw docs/architecture.svg from the imports.")
    PICTURE.write_text(picture(), "utf-8")
