"""Package the functions: the template and the Lambda zip of `chalice package`, without files that no function reads.

What only the draw function or only the desk function needs is in a layer of its own, so that the zip, which every
function loads, does not grow.
"""

import fcntl
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copyfile, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import typer

from chalicelib.rendering import i18n, templates
from infra.deploy.aws import CannotDeploy
from infra.tools.command_line import StageArgument

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
WHEELS = BUILD / "wheels"
ZIPS = ROOT / ".chalice" / "deployments"
ZIPS_TO_KEEP = 3
LAYERS = {
    "draw-layer.zip": ROOT / "requirements-draw.txt",
    "desk-layer.zip": ROOT / "requirements-desk.txt",
}
"""The zip of each layer, and the list of its packages. `infra/deploy/templates/app.yaml` names the zips."""

UNREAD = re.compile(
    r"""
      botocore/data/(?!(dynamodb|ses|sts)/)[^/]+/   # the other 400 services of AWS
    | botocore/data/.*/(examples|paginators|waiters)-
    | (icalendar|dateutil)/(tests|fuzzing|zoneinfo)/  # tzdata has the time zones
    | dns(python-[^/]+\.dist-info)?/  # e-mail addresses are parsed, their domains are not looked up
    | (PIL/_avif|pillow\.libs/libavif)  # an image format: the captcha is a PNG
    | [^/]+\.dist-info/(?!METADATA|licenses/)
    | .*(\.pyi|/py\.typed)$
    """,
    re.VERBOSE,
)
"""Files of the zip that no function reads."""
AWS_SERVICES = {"dynamodb", "email", "sts"}
"""The services that the functions call, as botocore's list of endpoints names them. SES is `email` there."""


def package(stage: str, *, out: Path = BUILD) -> Path:
    """Package the service for a stage. Return the path of the template, beside `deployment.zip` and the layers.

    The last zips stay in .chalice/deployments, so that unchanged sources take a second. Chalice names a zip after its
    sources.
    """
    ZIPS.mkdir(parents=True, exist_ok=True)
    with (ZIPS / "lock").open("w") as lock:  # of two runs at once, one would read the unfinished zip of the other
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(stage, out)


def _package(stage: str, out: Path) -> Path:
    old_zips = set(ZIPS.glob("*.zip"))
    out.mkdir(parents=True, exist_ok=True)
    wheels = download_wheels(ROOT / "requirements.txt")
    for layer, pins in LAYERS.items():
        write_layer(download_wheels(pins), out / layer)
    with TemporaryDirectory(dir=out) as folder:
        run_chalice(stage, copy_sources(Path(folder)), wheels, out)
    for new_zip in set(ZIPS.glob("*.zip")) - old_zips:
        slim(new_zip)
        copyfile(new_zip, out / "deployment.zip")
    for outdated in sorted(ZIPS.glob("*.zip"), key=lambda path: path.stat().st_mtime)[:-ZIPS_TO_KEEP]:
        outdated.unlink(missing_ok=True)
    return out / "sam.yaml"


def copy_sources(project: Path) -> Path:
    """Copy what belongs into the zip to a folder, and return it. Chalice packs every file of its project."""
    unwanted = ignore_patterns("__pycache__", "*.po", "*.pot", "*.cfg", "deployments", "deployed")
    for folder in ("chalicelib", ".chalice"):
        copytree(ROOT / folder, project / folder, ignore=unwanted)
    i18n.check(project / "chalicelib" / "locale")
    for file in ("app.py", "requirements.txt"):
        copyfile(ROOT / file, project / file)
    # Compiling the templates now saves 60 ms of each cold start.
    templates.environment().compile_templates(project / "chalicelib" / templates.COMPILED, zip=None)
    (project / ".chalice" / "deployments").symlink_to(ZIPS)
    return project


def download_wheels(pins: Path, *, into: Path = WHEELS, env: Mapping[str, str] = os.environ) -> Path:
    """Download the pinned packages as Lambda needs them, once, and return their folder.

    pip refuses a file whose hash is not pinned. Chalice's own download checks no hash, so it only sees this folder.
    """
    key = f"{sys.version_info[:2]}".encode() + pins.read_bytes()
    wheels = into / hashlib.sha256(key).hexdigest()[:16]
    if wheels.exists():
        return wheels
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into) as folder:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--require-hashes"]
        platform = ["--no-deps", "--only-binary=:all:", "--platform", "manylinux2014_x86_64"]
        command = [*pip, *platform, "--requirement", str(pins), "--dest", f"{folder}/wheels"]
        subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        Path(folder, "wheels").rename(wheels)
    return wheels


def run_chalice(stage: str, project: Path, wheels: Path, out: Path) -> None:
    """Run `chalice package`, merged with infra/deploy/templates/app.yaml. It can install these wheels only."""
    chalice = [str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project)]
    options = ["--template-format", "yaml", "--merge-template", str(ROOT / "infra/deploy/templates/app.yaml")]
    command = [*chalice, "package", "--stage", stage, *options, str(out.absolute())]
    # Chalice needs a region. The package does not depend on which.
    env = (
        os.environ
        | {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "eu-west-3", "GUICHET_PACKAGING": "1"}
        | offline(wheels)
    )
    ended = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    if "Could not install dependencies" in ended.stdout + ended.stderr:  # Chalice only warns, and leaves them out
        raise subprocess.CalledProcessError(1, command, ended.stdout, ended.stderr)


def offline(wheels: Path) -> dict[str, str]:
    """Return the variables that let pip use these wheels only.

    PIP_FIND_LINKS is a URL because pip splits a list of paths at spaces.
    """
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.absolute().as_uri()}


def slim(package: Path) -> None:
    """Rewrite a zip without unread files and with bytecode, which a cold start would otherwise compile each time.

    The order and the dates are fixed: the same sources give the same zip.
    """
    with TemporaryDirectory(dir=package.parent) as folder:
        files, rewritten = Path(folder, "files"), Path(folder, "zip")
        with ZipFile(package) as original:
            original.extractall(files, [name for name in original.namelist() if not UNREAD.match(name)])
        trim_botocore(files / "botocore" / "data")
        write_zip(files, rewritten)
        rewritten.replace(package)


def write_layer(wheels: Path, layer: Path) -> None:
    """Write the packages of a folder of wheels as a layer, which Lambda unpacks to a folder on Python's path."""
    with TemporaryDirectory(dir=layer.parent) as folder:
        for wheel in wheels.iterdir():
            with ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if not UNREAD.match(name)]
                archive.extractall(Path(folder, "python"), names)
        write_zip(Path(folder), layer)


def write_zip(files: Path, target: Path) -> None:
    """Zip a folder with the bytecode of its modules. The same files give the same zip."""
    compile_dir(files, quiet=2, stripdir=str(files), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    with ZipFile(target, "w") as archive:
        for path in sorted(file for file in files.rglob("*") if file.is_file()):
            entry = ZipInfo(str(path.relative_to(files)))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), ZIP_DEFLATED)


def trim_botocore(data: Path) -> None:
    """Remove endpoints and documentation that botocore parses at each cold start and never uses. Saves 50 ms."""
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text("utf-8"))
    for partition in document["partitions"]:
        services = partition["services"]
        partition["services"] = {name: entry for name, entry in services.items() if name in AWS_SERVICES}
    endpoints.write_text(json.dumps(document), "utf-8")
    for model in data.rglob("service-2.json.gz"):
        trimmed = json.loads(gzip.decompress(model.read_bytes()), object_hook=_without_documentation)
        model.write_bytes(gzip.compress(json.dumps(trimmed).encode(), mtime=0))


def _without_documentation(shape: dict[str, Any]) -> dict[str, Any]:
    # A shape may have a member of this name, which is an object. The documentation is always a string.
    return {name: value for name, value in shape.items() if name != "documentation" or not isinstance(value, str)}


def packaging_failed(error: subprocess.CalledProcessError) -> CannotDeploy:
    """Return the error for a program that failed, with its name and the last line that it wrote."""
    lines = [line.strip() for line in f"{error.stdout}\n{error.stderr}".splitlines() if line.strip()]
    program = " ".join(Path(str(word)).name for word in error.cmd[:4])
    return CannotDeploy(
        f"cannot package the functions: `{program}` failed: {lines[-1] if lines else 'no reason given'}"
    )


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def package_stage(stage: StageArgument) -> None:
    """Package the functions of a stage, and print the path of the template."""
    try:
        print(package(stage))
    except subprocess.CalledProcessError as error:
        raise packaging_failed(error) from error


def main(words: list[str]) -> None:
    """Run the command line. Always ends with SystemExit."""
    app(words, prog_name="python -m infra.deploy.package")


if __name__ == "__main__":
    main(sys.argv[1:])
