"""Add the licence of each package to the bill of materials that `make sbom` writes.

The licence is what the package says itself, in the metadata of the installed version. A list of pins has none.
"""

import argparse
import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

CLASSIFIER = "License :: OSI Approved :: "
LONGEST_NAME = 80
"""Characters. Some packages have the whole text of their licence where its name should be."""


class NoLicence(SystemExit):
    """The bill of materials cannot be completed. The message is one line."""


def complete(bill: dict[str, Any]) -> None:
    """Add the licences to all components. Raise NoLicence for one that is not installed, or that names none.

    A package that is listed in two versions, for different versions of Python, gets the licence of the installed one.
    """
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    for component in bill["components"]:
        name, version = component["name"], component["version"]
        try:
            installed = distribution(name)
        except PackageNotFoundError as error:
            raise NoLicence(f"guichet: {name} is not installed: run make setup") from error
        if (name, installed.version) not in listed:
            raise NoLicence(f"guichet: {name} {version} is listed and {installed.version} installed: run make setup")
        component["licenses"] = licences(installed)
        if not component["licenses"]:
            raise NoLicence(f"guichet: {name} {version} names no licence: add it by hand, or use another package")


def licences(package: Distribution) -> list[dict[str, Any]]:
    """Return the licences of a package in the format of CycloneDX: the expression, else the names."""
    metadata = package.metadata
    if expressions := metadata.get_all("License-Expression"):
        return [{"expression": expressions[0]}]
    (name,) = metadata.get_all("License") or ("",)
    if name and len(name) <= LONGEST_NAME and name != "UNKNOWN":
        return [{"license": {"name": name}}]
    classifiers = metadata.get_all("Classifier") or ()
    names = [text.removeprefix(CLASSIFIER) for text in classifiers if text.startswith(CLASSIFIER)]
    return [{"license": {"name": name}} for name in names]


def main(words: list[str]) -> None:
    """Complete the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m infra.tools.licences", description="Add licences to a bill.")
    parser.add_argument("bill", type=Path, help="what cyclonedx-py has written")
    path = parser.parse_args(words).bill
    bill = json.loads(path.read_text("utf-8"))
    complete(bill)
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(bill['components'])} packages with their licences in {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
