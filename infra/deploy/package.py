"""Make what CloudFormation deploys: template and Lambda zip of `chalice package`, less what no function reads."""

import argparse
import fcntl
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copyfile, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from chalicelib.rendering import i18n, templates
from infra.tools.command_line import stage_name

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
WHEELS = BUILD / "wheels"
KEPT = ROOT / ".chalice" / "deployments"

Client = Callable[[str], Any]
"""A boto3 client of the stage's account and region, by the name of its service."""

UNREAD = re.compile(
    r"""
      botocore/data/(?!(dynamodb|ses|sts)/)[^/]+/   # the other 400 services of AWS
    | botocore/data/.*/(examples|paginators|waiters)-
    | (icalendar|dateutil)/(tests|fuzzing|zoneinfo)/  # tzdata has the zones
    | dns(python-[^/]+\.dist-info)?/  # addresses are read, not looked up
    | (PIL/_avif|pillow\.libs/libavif)  # a picture format: the captcha is PNG
    | [^/]+\.dist-info/(?!METADATA|licenses/)
    | .*(\.pyi|/py\.typed)$
    """,
    re.VERBOSE,
)
SPOKEN_TO = {"dynamodb", "email", "sts"}  # as botocore's list of endpoints names them: email is SES


class CannotDeploy(SystemExit):
    """The stage cannot be changed; the message is the one line that says why and what to do."""

    def __init__(self, line: str) -> None:
        super().__init__(f"guichet: {line}")


def package(stage: str, *, out: Path = BUILD) -> Path:
    """Package the service for this stage; the path of the template, beside the zip that it names.

    Zips are kept, slim, in .chalice/deployments: the same sources take a second, others are packed again.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # two at once would each find the other's zip half written
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(stage, out)


def _package(stage: str, out: Path) -> Path:
    known = set(KEPT.glob("*.zip"))
    out.mkdir(parents=True, exist_ok=True)
    wheels = fetch(ROOT / "requirements.txt")
    with TemporaryDirectory(dir=out) as place:
        run_chalice(stage, copy_sources(Path(place)), wheels, out)
    for new in set(KEPT.glob("*.zip")) - known:
        slim(new)
        copyfile(new, out / "deployment.zip")
    for old in sorted(KEPT.glob("*.zip"), key=lambda path: path.stat().st_mtime)[:-3]:
        old.unlink(missing_ok=True)
    return out / "sam.yaml"


def copy_sources(project: Path) -> Path:
    """A project with what travels and no more: Chalice packs every file it finds, and names the zip after them."""
    unwanted = ignore_patterns("__pycache__", "*.po", "*.pot", "*.cfg", "deployments", "deployed")
    for folder in ("chalicelib", ".chalice"):
        copytree(ROOT / folder, project / folder, ignore=unwanted)
    i18n.check(project / "chalicelib" / "locale")
    for file in ("app.py", "requirements.txt"):
        copyfile(ROOT / file, project / file)
    environment = templates.environment()
    environment.compile_templates(
        project / "chalicelib" / templates.COMPILED, zip=None
    )  # else each cold start does: 60 ms
    (project / ".chalice" / "deployments").symlink_to(KEPT)
    return project


def fetch(pins: Path, *, into: Path = WHEELS, env: Mapping[str, str] = os.environ) -> Path:
    """The folder with the pinned packages as Lambda takes them, downloaded once; pip refuses a hash that is not pinned.

    Chalice would look for what its first download does not fit by name and version alone, without a hash.
    """
    told = f"{sys.version_info[:2]}".encode() + pins.read_bytes()
    folder = into / hashlib.sha256(told).hexdigest()[:16]
    if folder.exists():
        return folder
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into) as place:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--require-hashes"]
        lambdas = ["--no-deps", "--only-binary=:all:", "--platform", "manylinux2014_x86_64"]
        command = [*pip, *lambdas, "--requirement", str(pins), "--dest", f"{place}/wheels"]
        subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        Path(place, "wheels").rename(folder)
    return folder


def run_chalice(stage: str, project: Path, wheels: Path, out: Path) -> None:
    """`chalice package`, merged with infra/deploy/templates/app.yaml; it finds no package but these wheels."""
    command = [
        *(str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project), "package", "--stage", stage),
        *(
            "--template-format",
            "yaml",
            "--merge-template",
            str(ROOT / "infra/deploy/templates/app.yaml"),
            str(out.absolute()),
        ),
    ]
    settled = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "eu-west-3"}  # any region: nothing depends on it
    done = subprocess.run(
        command, env=os.environ | settled | offline(wheels), check=True, capture_output=True, text=True
    )
    if "Could not install dependencies" in done.stdout + done.stderr:  # it goes on without them
        raise subprocess.CalledProcessError(1, command, done.stdout, done.stderr)


def offline(wheels: Path) -> dict[str, str]:
    """Return the variables that let pip use these wheels only. It splits a list of paths at spaces, but not a URL."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.absolute().as_uri()}


def slim(package: Path) -> None:
    """Write the zip again without what is never read, and with the bytecode that a cold start would make each time.

    The order and the dates never change: the same sources give the same zip.
    """
    with TemporaryDirectory(dir=package.parent) as place:
        folder, slimmer = Path(place, "files"), Path(place, "zip")
        with ZipFile(package) as old:
            old.extractall(folder, [name for name in old.namelist() if not UNREAD.match(name)])
        trim(folder / "botocore" / "data")
        compile_dir(folder, quiet=2, stripdir=str(folder), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        with ZipFile(slimmer, "w") as new:
            for path in sorted(file for file in folder.rglob("*") if file.is_file()):
                entry = ZipInfo(str(path.relative_to(folder)))
                entry.external_attr = 0o644 << 16
                new.writestr(entry, path.read_bytes(), ZIP_DEFLATED)
        slimmer.replace(package)


def trim(data: Path) -> None:
    """Leave out what botocore parses at each cold start and never uses: 50 ms of endpoints and documentation."""
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text("utf-8"))
    for partition in document["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in SPOKEN_TO}
    endpoints.write_text(json.dumps(document), "utf-8")
    for model in data.rglob("service-2.json.gz"):
        bare = json.loads(gzip.decompress(model.read_bytes()), object_hook=undocumented)
        model.write_bytes(gzip.compress(json.dumps(bare).encode(), mtime=0))


def undocumented(of: dict[str, Any]) -> dict[str, Any]:
    """An object of a service's model without its documentation, which is the one text under this name."""
    return {name: value for name, value in of.items() if name != "documentation" or not isinstance(value, str)}


def failed(error: subprocess.CalledProcessError) -> CannotDeploy:
    """Return the line about a program that failed: its name, and the last line that it wrote."""
    lines = [line.strip() for line in f"{error.stdout}\n{error.stderr}".splitlines() if line.strip()]
    name = " ".join(Path(str(part)).name for part in error.cmd[:4])
    return CannotDeploy(f"cannot package the functions: `{name}` failed: {lines[-1] if lines else 'no reason given'}")


def main(words: list[str]) -> None:
    """Read the command line, package, and print the path of the template."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.deploy.package", description="Package the functions of a stage."
    )
    parser.add_argument("stage", type=stage_name)
    stage = parser.parse_args(words).stage
    try:
        print(package(stage))
    except subprocess.CalledProcessError as error:
        raise failed(error) from error


if __name__ == "__main__":
    main(sys.argv[1:])
