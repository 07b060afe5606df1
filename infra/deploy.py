"""Put the two stacks of a stage in place with the AWS command line, on AWS or on an engine that plays it."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.package import ROOT


@dataclass(frozen=True)
class Deployment:
    """One stage, the bucket its zip goes through, and the environment (region, keys) of the AWS command line."""

    stage: str
    bucket: str
    env: Mapping[str, str]

    def data(self, mail_from: str) -> None:
        """The table and the sender."""
        self.stack("-data", ROOT / "infra" / "data.yaml", {"MailFrom": mail_from})

    def app(self, template: Path, parameters: Mapping[str, str], *tags: str) -> None:
        """The API, its functions and their roles; the data stack must be there."""
        ready = template.with_name("ready.yaml")
        files = ("--template-file", str(template), "--output-template-file", str(ready))
        self.aws("cloudformation", "package", *files, "--s3-bucket", self.bucket)
        self.stack("", ready, parameters, *tags)

    def stack(self, suffix: str, template: Path, parameters: Mapping[str, str], *tags: str) -> None:
        """Create a stack or bring it up to date."""
        values = [f"{name}={value}" for name, value in {"Stage": self.stage, **parameters}.items()]
        self.aws(
            *("cloudformation", "deploy", "--no-fail-on-empty-changeset"),
            *("--stack-name", f"guichet-{self.stage}{suffix}", "--template-file", str(template)),
            *("--s3-bucket", self.bucket),  # a template of more than 51,200 bytes goes through it
            *("--capabilities", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--parameter-overrides", *values),
            *(("--tags", *tags) if tags else ()),
        )

    def aws(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "awscli", *words], env=self.env, check=True, capture_output=True, text=True
        )
