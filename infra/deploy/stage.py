"""The settings of a stage, as `infra/stages/STAGE.yaml` gives them, each checked by the template that takes it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import boto3
import yaml

from infra.deploy.package import ROOT, CannotDeploy
from infra.deploy.smoke import SMOKE
from infra.deploy.stacks import APP, DATA, EDGE, template
from infra.local.stack import STAGE as LAPTOP
from infra.servicefile import reader
from infra.tools.command_line import NAME

STAGES = ROOT / "infra" / "stages"
MADE = {"Stage", "SecretVersion", "Origin", "Pass", "CaptchaAnswer"}
"""Parameters that no file gives: deployment knows them, or they are the laptop's."""


@dataclass(frozen=True)
class Stage:
    """Where a stage is, what it offers, and the parameters of its three stacks; `edge` is empty without a domain."""

    name: str
    account: str
    region: str
    services: tuple[Path, ...]
    data: Mapping[str, str]
    app: Mapping[str, str]
    edge: Mapping[str, str]


def named(name: str) -> str:
    """The name of a stage that can be deployed; CannotDeploy for another."""
    if not name:
        raise CannotDeploy("which stage? make … STAGE=prod")
    if not NAME.fullmatch(name):
        raise CannotDeploy(f"{name!r} is no name of a stage: small letters, digits and hyphens, 20 at most")
    if name == LAPTOP:
        raise CannotDeploy(f"the stage {LAPTOP} is that of `make run`: choose another name")
    return name


def read(name: str, path: Path | None, *, today: date, environ: Mapping[str, str] = os.environ) -> Stage:
    """Check the settings of a stage, and the services it offers; CannotDeploy names the first mistake."""
    named(name)
    path = path or STAGES / f"{name}.yaml"
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    given = _file(path, shown)
    known = {file: template(file)["Parameters"] for file in (DATA, APP, EDGE)}
    _known(shown, given, {key for parameters in known.values() for key in parameters})
    if environ.get("GUICHET_CAPTCHA_ANSWER"):
        raise CannotDeploy("GUICHET_CAPTCHA_ANSWER is set: it is for a laptop alone: unset it")
    account = _text(
        shown, "account", given.get("account", ""), "[0-9]{12}", "the twelve digits of the AWS account, in quotes"
    )
    region = _region(shown, given, environ)
    values = {file: _parameters(shown, given, parameters) for file, parameters in known.items()}
    if not ({"Domain", "Certificate"} & given.keys()):
        if given.keys() & (known[EDGE].keys() - MADE):
            raise CannotDeploy(f"{shown}: limits of the edge need Domain and Certificate")
        values[EDGE] = {}
    elif "PublicUrl" in given:
        raise CannotDeploy(f"{shown}: PublicUrl follows from Domain: remove it")
    else:
        values[APP]["PublicUrl"] = f"https://{values[EDGE]['Domain']}"
    return Stage(name, account, region, _services(shown, given, today), values[DATA], values[APP], values[EDGE])


def _known(shown: Path, given: Mapping[str, Any], parameters: set[str]) -> None:
    settings = {"account", "region", "services", *parameters} - MADE
    for key in given:
        if key == "CaptchaAnswer":
            raise CannotDeploy(f"{shown}: CaptchaAnswer is for a laptop alone: remove it")
        if key not in settings:
            near = get_close_matches(str(key), settings, 1)
            raise CannotDeploy(f"{shown}: {key} is no setting{f' (did you mean {near[0]}?)' if near else ''}")


def _region(shown: Path, given: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    region = _text(
        shown, "region", given.get("region", ""), "[a-z]{2}(-[a-z]+)+-[0-9]", "an AWS region, like eu-west-3"
    )
    if region not in boto3.Session().get_available_regions("ses"):
        raise CannotDeploy(f"{shown}: region {region} is none where AWS sends mail (SES): take another, like eu-west-3")
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if (said := environ.get(variable, region)) != region:
            raise CannotDeploy(f"{variable} is {said}, but {shown} says {region}: unset it, or correct the file")
    return region


def _file(path: Path, shown: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CannotDeploy(f"{shown} is not there: copy infra/stages/example.yaml and change what it says") from error
    except OSError as error:
        raise CannotDeploy(f"{shown} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise CannotDeploy(f"{shown}:{mark.line + 1 if mark else 1}: this is not YAML") from error
    if not isinstance(given, dict):
        raise CannotDeploy(f"{shown}: expected `setting: value` on each line")
    return given


def _text(shown: Path, key: str, value: object, pattern: str, expected: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise CannotDeploy(f"{shown}: {key} is {'missing' if value == '' else repr(value)}: expected {expected}")
    return value


def _parameters(shown: Path, given: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Those of one template that the file gives, as CloudFormation would judge them."""
    found = {}
    edge = "Certificate" in known
    for key, rule in known.items():
        if key in MADE:
            continue
        if key not in given:
            if "Default" not in rule and not (edge and "Domain" not in given and "Certificate" not in given):
                raise CannotDeploy(f"{shown}: {key} is missing: {rule.get('Description', key)}")
            continue
        value = given[key]
        text = str(value)
        least, most = rule.get("MinValue", 0), rule.get("MaxValue", float("inf"))
        wrong = (
            isinstance(value, bool | list | dict | None)
            or not re.fullmatch(rule.get("AllowedPattern", ".*"), text)
            or ("AllowedValues" in rule and text not in rule["AllowedValues"])
            or (rule["Type"] == "Number" and not (re.fullmatch("[0-9]+", text) and least <= int(text) <= most))
        )
        if wrong:
            raise CannotDeploy(
                f"{shown}: {key} is {value!r}: {rule.get('Description', 'see infra/deploy/templates/app.yaml')}"
            )
        found[key] = text
    return found


def _services(shown: Path, given: Mapping[str, Any], today: date) -> tuple[Path, ...]:
    listed = given.get("services", [])
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise CannotDeploy(f"{shown}: services is a list of files, like infra/services/aes.yaml")
    paths = tuple(ROOT / one for one in listed)
    try:
        reader.read([*paths, SMOKE], today=today)
    except reader.Mistakes as mistakes:
        more = f" (and {len(mistakes.notes) - 1} more)" if len(mistakes.notes) > 1 else ""
        raise CannotDeploy(f"{mistakes.notes[0]}{more}") from mistakes
    return paths
