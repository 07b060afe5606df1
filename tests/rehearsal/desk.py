"""A stage that is deployed to the emulator, and the steps that its deployment prints."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.deploy.package import ROOT
from infra.deploy.stacks import Deployment
from infra.local.stack import ACCOUNT, KEYS, REGION

STAGE = "trial"
SETTINGS = {
    "account": f'"{ACCOUNT}"',
    "region": REGION,
    "services": "[infra/services/aes.yaml]",
    "MailFrom": "rendez-vous@prefecture.example.org",
    "Reserve": '"no"',  # the engine grants what this machine has
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
class Desk:
    """Where somebody types commands, on an engine of their own."""

    endpoint: str
    folder: Path

    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, **self.keys())

    def keys(self) -> dict[str, str]:
        return {name.lower(): value for name, value in KEYS.items()}

    @property
    def deployment(self) -> Deployment:
        return Deployment(STAGE, self.client)

    def settings(self, **changes: str) -> Path:
        path = self.folder / "trial.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in {**SETTINGS, **changes}.items()), "utf-8")
        return path

    def run(self, do: str, *words: str, code: int = 0, **changes: str) -> list[str]:
        """The lines that a command prints; with another code than 0, its last one is the reason."""
        command = [sys.executable, "-m", "infra.deploy", do, STAGE, "--file", str(self.settings(**changes)), *words]
        env = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": self.endpoint, "HOME": str(self.folder)}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert len(done.stderr.splitlines()) == bool(code)
        return (done.stdout + done.stderr).splitlines()
