"""Write the service as a plain Chalice project, for all commands of Chalice: `python -m infra.deploy.plain`.

From the repository itself, Chalice would pack the data of all services of AWS, and it takes the environment of the
functions from its own file only, which is under version control.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from chalicelib import settings
from infra.deploy.package import (
    BUILD,
    OWN_PYTHON,
    ROOT,
    ZIPS,
    copy_sources,
    install_packages,
    packaging_failed,
    trim_botocore,
    write_layer,
)
from infra.tools.command_line import no_arguments

PROJECT = BUILD / "chalice"
STAGE = "dev"
"""Chalice's own default."""
STREAM = re.compile(r"arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/guichet-dev/stream/\S+")
TAKEN = (
    "GUICHET_SECRET",
    "GUICHET_STREAM",
    "GUICHET_MAIL_FROM",
    "GUICHET_MAIL_RATE",
    "GUICHET_PUBLIC_URL",
    "GUICHET_ORIGIN_HOLDS",
)
"""The settings that are taken from the environment."""


def write(project: Path, environ: Mapping[str, str]) -> None:
    """Write the project to a folder, which is replaced. Raise WrongSetting if a setting is missing or malformed."""
    config = configured(environ)
    rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    ZIPS.mkdir(parents=True, exist_ok=True)
    copy_sources(project)
    write_packages(project / "vendor")
    deployed = ROOT / ".chalice" / "deployed"  # Chalice's record of what it has deployed outlives this folder
    deployed.mkdir(exist_ok=True)
    (project / ".chalice" / "deployed").symlink_to(deployed)
    file = project / ".chalice" / "config.json"
    file.chmod(0o600)  # it has the secret
    file.write_text(config, "utf-8")


def configured(environ: Mapping[str, str]) -> str:
    """Return Chalice's configuration with the settings of an environment."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    variables = config["stages"][STAGE]["environment_variables"]
    variables |= {name: environ[name] for name in TAKEN if name in environ}
    settings.read(variables)
    if not STREAM.fullmatch(variables.get("GUICHET_STREAM", "")):
        raise settings.WrongSetting(
            "guichet: GUICHET_STREAM is missing or malformed. Set it to the ARN of the stream of the table guichet-dev."
        )
    return json.dumps(config, indent=2)


def write_packages(vendor: Path) -> None:
    """Write the packages of the Lambda zip to a folder, without what no function reads."""
    with TemporaryDirectory(dir=vendor.parent) as folder:
        layer = Path(folder, "layer.zip")
        write_layer(install_packages(ROOT / "requirements.txt", OWN_PYTHON), layer, OWN_PYTHON)
        with ZipFile(layer) as archive:
            archive.extractall(folder)
        Path(folder, "python").rename(vendor)
    trim_botocore(vendor / "botocore" / "data")


if __name__ == "__main__":
    no_arguments("infra.deploy.plain", f"Write a plain Chalice project with the settings {', '.join(TAKEN)}.")
    try:
        write(PROJECT, os.environ)
    except subprocess.CalledProcessError as error:
        raise packaging_failed(error) from error
    print(f"cd {PROJECT.relative_to(ROOT)} && ../../.venv/bin/chalice deploy")
