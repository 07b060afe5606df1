"""A stage that is deployed to an emulator, and the steps that its deployment prints."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3

from infra.deploy.package import OWN_PYTHON, ROOT
from infra.deploy.stacks import Deployment
from infra.local.settings import ACCOUNT, KEYS, REGION

STAGE = "trial"
SETTINGS = {
    "account": f'"{ACCOUNT}"',
    "region": REGION,
    "python": f'"{OWN_PYTHON}"',  # with which the emulator runs the functions
    "services": "[infra/services/aes.yaml]",
    "MailFrom": "rendez-vous@prefecture.example.org",
    "AlarmEmail": "on-call@example.org",
    "Reserve": '"no"',  # the emulator has no concurrency to reserve
    "Domain": "rendez-vous.prefecture.example.org",
    "Certificate": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/11111111-2222-3333-4444-555555555555",
}
STEPS = [
    "  ok: the API answers",
    "  ok: a seat can be held",
    "  ok: the captcha is shown, and accepts what it shows",
    "  ok: a request is filed, and its letter has left",
    "  ok: it is confirmed, and the convocation has left",
    "  ok: it is erased",
    "  ok: nothing is left of it",
]


@dataclass(frozen=True)
class Operator:
    """Somebody who runs deployment commands on an emulator of their own."""

    endpoint: str
    folder: Path

    def client(self, service: str, region: str = REGION) -> Any:
        keys = {name.lower(): value for name, value in KEYS.items()}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, **keys)

    @property
    def deployment(self) -> Deployment:
        return Deployment(STAGE, self.client)

    def settings(self, **changes: str) -> Path:
        path = self.folder / "trial.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in {**SETTINGS, **changes}.items()), "utf-8")
        return path

    def run(
        self,
        command: str,
        *options: str,
        code: int = 0,
        environ: Mapping[str, str] = MappingProxyType({}),
        **changes: str,
    ) -> list[str]:
        """Run a command with changed settings. Return the lines that it prints; the last one is the error, if any."""
        words = [command, STAGE, "--file", str(self.settings(**changes)), *options]
        return self.run_program("infra.deploy", *words, code=code, environ=environ)

    def run_program(
        self, module: str, *words: str, code: int = 0, environ: Mapping[str, str] = MappingProxyType({})
    ) -> list[str]:
        """Run a program on the emulator. Return the lines that it prints; the last one is the error, if any."""
        keys = {**KEYS, "AWS_DEFAULT_REGION": REGION}
        env = {**os.environ, **keys, **environ, "AWS_ENDPOINT_URL": self.endpoint, "HOME": str(self.folder)}
        ended = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert len(ended.stderr.splitlines()) == bool(code)
        return (ended.stdout + ended.stderr).splitlines()

    def smoke_items(self) -> list[dict[str, Any]]:
        """Return the items that a smoke test has left."""
        items = self.client("dynamodb").scan(TableName="guichet-trial")["Items"]
        return [item for item in items if item["pk"]["S"].startswith(("SEATS#essai", "PERSON#", "EMAIL#"))]
