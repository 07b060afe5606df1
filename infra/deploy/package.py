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
from functools import cache
from pathlib import Path
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
PACKAGES = BUILD / "packages"
UV = str(Path(sys.executable).with_name("uv"))
ZIPS = ROOT / ".chalice" / "deployments"
ZIPS_TO_KEEP = 3
LAYERS = {
    "draw-layer.zip": ROOT / "requirements-draw.txt",
    "desk-layer.zip": ROOT / "requirements-desk.txt",
}
"""The zip of each layer, and the list of its packages. `infra/deploy/templates/app.yaml` names the zips."""
OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The version that runs this program. The emulator runs the functions with it too."""
AMAZON_LINUX_2 = "3.11"
"""The last version that Lambda runs on Amazon Linux 2, whose glibc is 2.26. Later ones have 2.34."""

UNREAD = re.compile(
    r"""
      botocore/data/(?!(dynamodb|ses|sts)/)[^/]+/   # the other 400 services of AWS
    | botocore/data/.*/(examples|paginators|waiters)-
    | (icalendar|dateutil)/(tests|fuzzing|zoneinfo)/  # tzdata has the time zones
    | dns(python-[^/]+\.dist-info)?/  # e-mail addresses are parsed, their domains are not looked up
    | (PIL/_avif|pillow\.libs/libavif)  # an image format: the captcha is a PNG
    | reportlab/(fonts|graphics)/  # the documents have fonts of their own, and no charts
    | (bin|share)/|\.lock$  # the programs and manuals that come with packages, and what uv leaves
    | [^/]+\.dist-info/(?!METADATA|licenses/)
    | .*(\.pyi|/py\.typed)$
    """,
    re.VERBOSE,
)
"""Files of the zip that no function reads."""
AWS_SERVICES = {"dynamodb", "email", "sts"}
"""The services that the functions call, as botocore's list of endpoints names them. SES is `email` there."""


def package(stage: str, *, python: str = OWN_PYTHON, out: Path = BUILD) -> Path:
    """Package the service for a stage. Return the path of the template, beside `deployment.zip` and the layers.

    `python` is the version of the Lambda runtime, such as 3.13. It may differ from the Python that packages. The last
    zips stay in .chalice/deployments, so that unchanged sources take a second. Chalice names a zip after its content.
    """
    ZIPS.mkdir(parents=True, exist_ok=True)
    with (ZIPS / "lock").open("w") as lock:  # of two runs at once, one would read the unfinished zip of the other
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(stage, python, out)


def _package(stage: str, python: str, out: Path) -> Path:
    remove_outdated(ZIPS)
    old_zips = set(ZIPS.glob("*.zip"))
    out.mkdir(parents=True, exist_ok=True)
    packages = install_packages(ROOT / "requirements.txt", python)
    for layer, pins in LAYERS.items():
        write_layer(install_packages(pins, python), out / layer, python)
    with TemporaryDirectory(dir=out) as folder:
        project = copy_sources(Path(folder))
        (project / "vendor").symlink_to(packages)
        run_chalice(stage, project, out)
    set_runtime(out / "sam.yaml", python)
    for new_zip in set(ZIPS.glob("*.zip")) - old_zips:
        slim(new_zip, python)
        copyfile(new_zip, out / "deployment.zip")
        if not find_interpreter(python):
            new_zip.unlink()  # it has no bytecode, and the next run may find an interpreter
    for outdated in sorted(ZIPS.glob("*.zip"), key=lambda path: path.stat().st_mtime)[:-ZIPS_TO_KEEP]:
        outdated.unlink(missing_ok=True)
    return out / "sam.yaml"


def remove_outdated(zips: Path, rules: Path = Path(__file__)) -> None:
    """Remove the zips that were made before this module changed: Chalice names a zip after its sources only."""
    for path in zips.glob("*.zip"):
        if path.stat().st_mtime < rules.stat().st_mtime:
            path.unlink()


def copy_sources(project: Path) -> Path:
    """Copy what belongs into the zip to a folder, and return it. Chalice packs every file of its project."""
    unwanted = ignore_patterns("__pycache__", "*.po", "*.pot", "*.cfg", "deployments", "deployed")
    for folder in ("chalicelib", ".chalice"):
        copytree(ROOT / folder, project / folder, ignore=unwanted)
    i18n.check(project / "chalicelib" / "locale")
    copyfile(ROOT / "app.py", project / "app.py")
    # Compiling the templates now saves 60 ms of each cold start.
    templates.environment().compile_templates(project / "chalicelib" / templates.COMPILED, zip=None)
    (project / ".chalice" / "deployments").symlink_to(ZIPS)
    return project


def install_packages(pins: Path, python: str, *, into: Path = PACKAGES, env: Mapping[str, str] = os.environ) -> Path:
    """Install the pinned packages as Lambda's Python of this version needs them, once, and return their folder.

    uv refuses a file whose hash is not pinned. Chalice's own download checks no hash and knows only the version that
    runs it, so Chalice gets the folder as its `vendor`.
    """
    packages = into / f"{python}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:16]}"
    if packages.exists():
        return packages
    into.mkdir(parents=True, exist_ok=True)
    system = "x86_64-manylinux2014" if python == AMAZON_LINUX_2 else "x86_64-manylinux_2_28"
    with TemporaryDirectory(dir=into) as folder:
        target = ["--target", f"{folder}/packages", "--python-version", python, "--python-platform", system]
        checks = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(pins)]
        command = [UV, "pip", "install", "--quiet", "--python", sys.executable, *target, *checks]
        subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        Path(folder, "packages").rename(packages)
    return packages


def run_chalice(stage: str, project: Path, out: Path) -> None:
    """Run `chalice package`, merged with infra/deploy/templates/app.yaml."""
    chalice = [str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project)]
    options = ["--template-format", "yaml", "--merge-template", str(ROOT / "infra/deploy/templates/app.yaml")]
    command = [*chalice, "package", "--stage", stage, *options, str(out.absolute())]
    # Chalice needs a region. The package does not depend on which.
    own = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "eu-west-3", "GUICHET_PACKAGING": "1"}
    subprocess.run(command, env=os.environ | own, check=True, capture_output=True, text=True)


def set_runtime(template: Path, python: str) -> None:
    """Write the version of Python into each function of a template. Chalice writes that of the Python that runs it."""
    text = template.read_text("utf-8")
    template.write_text(re.sub(r"Runtime: python3[.][0-9]+", f"Runtime: python{python}", text), "utf-8")


def slim(package: Path, python: str) -> None:
    """Rewrite a zip without unread files and with bytecode, which a cold start would otherwise compile each time.

    The order and the dates are fixed: the same sources give the same zip.
    """
    with TemporaryDirectory(dir=package.parent) as folder:
        files, rewritten = Path(folder, "files"), Path(folder, "zip")
        with ZipFile(package) as original:
            original.extractall(files, [name for name in original.namelist() if not UNREAD.match(name)])
        trim_botocore(files / "botocore" / "data")
        write_zip(files, rewritten, python)
        rewritten.replace(package)


def write_layer(packages: Path, layer: Path, python: str = OWN_PYTHON) -> None:
    """Write a folder of packages as a layer, which Lambda unpacks to a folder on Python's path."""
    with TemporaryDirectory(dir=layer.parent) as folder:
        for file in packages.rglob("*"):
            name = file.relative_to(packages)
            if file.is_file() and not UNREAD.match(str(name)):
                copied = Path(folder, "python", name)
                copied.parent.mkdir(parents=True, exist_ok=True)
                copyfile(file, copied)
        write_zip(Path(folder), layer, python)


def write_zip(files: Path, target: Path, python: str) -> None:
    """Zip a folder with the bytecode of its modules. The same files give the same zip."""
    compile_modules(files, python)
    with ZipFile(target, "w") as archive:
        for path in sorted(file for file in files.rglob("*") if file.is_file()):
            entry = ZipInfo(str(path.relative_to(files)))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), ZIP_DEFLATED)


def compile_modules(files: Path, python: str) -> None:
    """Compile the modules of a folder for a version of Python, which reads no bytecode of another one."""
    if interpreter := find_interpreter(python):
        options = ["-q", "-q", "-s", str(files), "--invalidation-mode", "unchecked-hash"]
        # Some packages have files that no version compiles, such as templates: they are left as they are.
        subprocess.run([*interpreter, "-m", "compileall", *options, str(files)], check=False, capture_output=True)


@cache
def find_interpreter(python: str) -> tuple[str, ...]:
    """Return the command that runs this version of Python, which uv finds or fetches.

    Return nothing, and say so, if there is none: the functions work without bytecode, and start later.
    """
    if python == OWN_PYTHON:
        return (sys.executable,)
    command = (UV, "run", "--quiet", "--no-project", "--python", python, "python")
    if subprocess.run([*command, "-c", ""], check=False, capture_output=True).returncode:
        print(f"warning: there is no Python {python} here: each cold start of a function compiles its modules first")
        return ()
    return command


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
