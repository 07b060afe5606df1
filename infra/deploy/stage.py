"""Read the settings of a stage from `infra/stages/STAGE.yaml`, and check each against the template that takes it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from math import ceil
from pathlib import Path
from typing import Any, NoReturn

import boto3
import yaml

from chalicelib.settings import LAPTOP
from infra.deploy.aws import CannotDeploy
from infra.deploy.cloudformation import APP, CDN, DATA, read_template
from infra.deploy.package import ROOT
from infra.deploy.smoke import SERVICE_FILE
from infra.servicefile import reader
from infra.tools.command_line import NOT_A_STAGE_NAME, STAGE_NAME

STAGES = ROOT / "infra" / "stages"
NOT_SETTINGS = {"Stage", "SecretVersion", "DeskSecretVersion", "Origin", "Pass", "CaptchaAnswer", "Mailers"}
"""Parameters of the templates that no settings file gives. The deployment or the local stack sets them."""
RATE_OF_A_MAILER, MOST_MAILERS = 20, 10
"""The letters a second that one mailer sends, and how many Lambda runs at once for one shard of the stream."""
DESK = ("DeskIssuer", "DeskClientId", "DeskAcr")
"""The settings of the agents' identity provider. A stage without them has no desk."""
PYTHONS = ("3.11", "3.13", "3.14")
"""The versions of Python that a stage may run on Lambda: those of `make test-pythons`."""
DEFAULT_PYTHON = "3.13"
Parameters = Mapping[str, Mapping[str, Any]]
"""The parameters of a template, each with its rules."""


@dataclass(frozen=True)
class Stage:
    """The settings of a stage: its account, its region, its services, and the parameters of its three stacks."""

    name: str
    account: str
    region: str
    python: str
    """The version of Python that Lambda runs."""
    services: tuple[Path, ...]
    data: Mapping[str, str]
    app: Mapping[str, str]
    cdn: Mapping[str, str]
    """Empty for a stage without a domain."""


def mailers_for(rate: int) -> int:
    """Return how many mailers share this number of letters a second."""
    return min(MOST_MAILERS, ceil(rate / RATE_OF_A_MAILER))


_ENDINGS = {"access", "account", "data", "desk", "edge"}
"""How the names of stacks and secrets of a stage end: `guichet-prod-desk` is a secret of `prod`, not of a stage."""


def check_name(name: str) -> None:
    """Raise CannotDeploy unless a stage of this name can be deployed."""
    if not name:
        raise CannotDeploy("the name of the stage is missing: make … STAGE=prod")
    if not STAGE_NAME.fullmatch(name):
        raise CannotDeploy(NOT_A_STAGE_NAME.format(name))
    if name == LAPTOP:
        raise CannotDeploy(f"{LAPTOP} is the stage of `make run`: choose another name")
    ending = name.rpartition("-")[2]
    if name == "account" or (ending in _ENDINGS and ending != name):
        raise CannotDeploy(
            f"guichet-{name} may be a resource of another stage: choose a name that does not end in {ending}"
        )


def read(name: str, path: Path | None, *, today: date, environ: Mapping[str, str] = os.environ) -> Stage:
    """Read and check the settings of a stage and its service files. CannotDeploy names the first mistake."""
    check_name(name)
    settings = _Settings.load(path or STAGES / f"{name}.yaml")
    templates: dict[Path, Parameters] = {file: read_template(file)["Parameters"] for file in (DATA, APP, CDN)}
    settings.check_keys({key for parameters in templates.values() for key in parameters})
    if environ.get("GUICHET_CAPTCHA_ANSWER"):
        raise CannotDeploy("GUICHET_CAPTCHA_ANSWER is set: only the local stack may set it: unset it")
    account = settings.text("account", "[0-9]{12}", "the twelve digits of the AWS account, in quotes")
    region = settings.region(environ)
    python = settings.python()
    data, app = settings.parameters(templates[DATA]), settings.parameters(templates[APP])
    if desk := {key for key in DESK if app.get(key)}:
        for key in DESK:
            if key not in desk:
                settings.fail(f"{key} is missing: the desk needs {', '.join(DESK)}")
        if not app["DeskIssuer"].startswith("https://"):
            settings.fail("DeskIssuer needs https://")
    rate = int(app.get("MailRate") or templates[APP]["MailRate"]["Default"])
    app["Mailers"] = str(mailers_for(rate))
    cdn: dict[str, str] = {}
    if settings.has("Domain", "Certificate"):
        cdn = settings.parameters(templates[CDN])
        if settings.has("PublicUrl"):
            settings.fail("PublicUrl follows from Domain: remove it")
        app["PublicUrl"] = f"https://{cdn['Domain']}"
    elif settings.has(*(templates[CDN].keys() - templates[APP].keys() - NOT_SETTINGS)):
        settings.fail("limits of the CDN need Domain and Certificate")
    return Stage(name, account, region, python, settings.services(today), data, app, cdn)


@dataclass(frozen=True)
class _Settings:
    """The content of a settings file, and the name of the file for messages."""

    file: Path
    values: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> "_Settings":
        file = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        try:
            values = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise CannotDeploy(f"{file} does not exist: copy infra/stages/example.yaml and edit it") from error
        except OSError as error:
            raise CannotDeploy(f"{file} cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            raise CannotDeploy(f"{file}:{mark.line + 1 if mark else 1}: this is not YAML") from error
        if not isinstance(values, dict):
            raise CannotDeploy(f"{file}: expected `setting: value` on each line")
        return cls(file, values)

    def fail(self, reason: str) -> NoReturn:
        raise CannotDeploy(f"{self.file}: {reason}")

    def has(self, *keys: str) -> bool:
        """Return whether the file gives any of these settings."""
        return not self.values.keys().isdisjoint(keys)

    def check_keys(self, parameters: set[str]) -> None:
        """Fail for a setting that does not exist, and suggest a similar name."""
        known = {"account", "region", "python", "services", *parameters} - NOT_SETTINGS
        for key in self.values:
            if key == "CaptchaAnswer":
                self.fail("CaptchaAnswer is only for the local stack: remove it")
            if key == "Mailers":
                self.fail("Mailers follows from MailRate: remove it")
            if key not in known:
                similar = get_close_matches(str(key), known, 1)
                self.fail(f"{key} is no setting{f' (did you mean {similar[0]}?)' if similar else ''}")

    def text(self, key: str, pattern: str, expected: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.fail(f"{key} is {'missing' if value == '' else repr(value)}: expected {expected}")
        return value

    def region(self, environ: Mapping[str, str]) -> str:
        """Return the region. Fail if SES is not available in it, or if the shell names another one."""
        region = self.text("region", "[a-z]{2}(-[a-z]+)+-[0-9]", "an AWS region, like eu-west-3")
        if region not in boto3.Session().get_available_regions("ses"):
            self.fail(f"SES is not available in region {region}. Set `region` to another one, like eu-west-3")
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            value = environ.get(variable, region)
            if value != region:
                raise CannotDeploy(
                    f"{variable} is {value}, but {self.file} says {region}: unset it, or correct the file"
                )
        return region

    def python(self) -> str:
        """Return the version of Python that Lambda runs. Fail for one that is not tested."""
        version = str(self.values.get("python", DEFAULT_PYTHON))
        if version not in PYTHONS:
            self.fail(f"python is {version}: expected {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}")
        return version

    def parameters(self, rules: Parameters) -> dict[str, str]:
        """Return the parameters of one template that the file gives. Fail where CloudFormation would refuse one."""
        parameters = {}
        for key, rule in rules.items():
            if key in NOT_SETTINGS:
                continue
            if key in self.values:
                parameters[key] = self._parameter(key, rule)
            elif "Default" not in rule:
                self.fail(f"{key} is missing: {rule.get('Description', key)}")
        return parameters

    def _parameter(self, key: str, rule: Mapping[str, Any]) -> str:
        value = self.values[key]
        text = str(value)
        minimum, maximum = rule.get("MinValue", 0), rule.get("MaxValue", float("inf"))
        accepted = (
            isinstance(value, str | int | float | date)
            and not isinstance(value, bool)
            and re.fullmatch(rule.get("AllowedPattern", ".*"), text)
            and ("AllowedValues" not in rule or text in rule["AllowedValues"])
            and (rule["Type"] != "Number" or (re.fullmatch("[0-9]+", text) and minimum <= int(text) <= maximum))
        )
        if not accepted:
            self.fail(f"{key} is {value!r}: {rule.get('Description', 'see infra/deploy/templates/app.yaml')}")
        return text

    def services(self, today: date) -> tuple[Path, ...]:
        """Return the service files. Fail for a mistake in one of them."""
        files = self.values.get("services", [])
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            self.fail("services is a list of files, like infra/services/aes.yaml")
        paths = tuple(ROOT / file for file in files)
        try:
            reader.read([*paths, SERVICE_FILE], today=today)
        except reader.Mistakes as mistakes:
            more = f" (and {len(mistakes.notes) - 1} more)" if len(mistakes.notes) > 1 else ""
            raise CannotDeploy(f"{mistakes.notes[0]}{more}") from mistakes
        return paths
