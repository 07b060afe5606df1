"""Check the templates as they are deployed with cfn-lint and checkov. Run it with `make scan`.

Merge keys and `chalice package` are applied first, because that is what CloudFormation gets. Each finding that stays
has its reason here. A finding without one fails, and so does a reason without a finding.
"""

import argparse
import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.deploy.cloudformation import ACCESS, ACCOUNT, CDN, DATA, read_template
from infra.deploy.package import ROOT, package

CHECKOV = ROOT / "build" / "scan" / "bin" / "checkov"
"""In an environment of its own (requirements-scan.txt): it needs other versions of boto3 than the emulator."""
FUNCTION = "AWS::Serverless::Function.*"
EXCEPTIONS = {
    ("CKV_AWS_115", "AWS::Serverless::Function.APIHandler"): "it may use what the other functions leave",
    ("CKV_AWS_115", "AWS::Serverless::Function.Office"): "an operator calls it by hand",
    (
        "CKV_AWS_116",
        FUNCTION,
    ): "visitors get the error; stream and schedules have a destination, which checkov does not read",
    ("CKV_AWS_117", FUNCTION): "they call AWS and public hosts only; a network of their own would protect nothing",
    ("CKV_AWS_120", "AWS::Serverless::Api.RestAPI"): "pages are personal; the calendar is cached by the CDN",
    (
        "CKV_AWS_149",
        "AWS::SecretsManager::Secret.Secret",
    ): "AWS's key for secrets; permission for the secret is needed all the same",
    (
        "CKV_AWS_158",
        "AWS::Logs::LogGroup.*",
    ): "CloudWatch encrypts with its own key; logs have no personal data (tests/stack)",
    ("CKV_AWS_192", "AWS::WAFv2::WebACL.Limits"): "nothing here is written in Java",
    ("CKV_AWS_26", "AWS::SNS::Topic.AlarmMails"): "alarms name nobody, and CloudWatch may not use AWS's key for topics",
    ("CKV_AWS_27", "AWS::SQS::Queue.*"): "encrypted by SQS (SqsManagedSseEnabled), which checkov does not read",
    (
        "CKV_AWS_33",
        "AWS::KMS::Key.Key",
    ): "the principal is any of this account, through DynamoDB only: see its conditions",
    ("CKV_AWS_73", "AWS::Serverless::Api.RestAPI"): "X-Ray would record URLs, which are links of applicants",
    (
        "CKV_AWS_86",
        "AWS::CloudFront::Distribution.Distribution",
    ): "AccessLogDelivery; the log that checkov means has IP addresses",
}
"""The reason for each finding of checkov that stays, by its rule and the resources."""


def render(folder: Path) -> list[Path]:
    """Write the templates as CloudFormation gets them."""
    others = {"data": DATA, "cdn": CDN, "account": ACCOUNT, "access": ACCESS}
    templates = {"app": package("prod", out=folder / "package"), **others}
    (folder / "rendered").mkdir()
    paths = []
    for name, template in templates.items():
        path = folder / "rendered" / f"{name}.json"
        path.write_text(json.dumps(read_template(template), indent=1), "utf-8")
        paths.append(path)
    return paths


def lint(path: Path) -> list[str]:
    """Return what cfn-lint says of a template, a line each."""
    region = "us-east-1" if path.stem == CDN.stem else "eu-west-3"
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--format",
        "parseable",
        "--regions",
        region,
        "--",
        str(path),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()


def findings(folder: Path) -> set[tuple[str, str]]:
    """Return what checkov finds in the templates of a folder: the rule and the resource."""
    command = [
        str(CHECKOV),
        "--directory",
        str(folder),
        "--framework",
        "cloudformation",
        "--output",
        "json",
        "--compact",
    ]
    env = {**os.environ, "LOG_LEVEL": "ERROR"}  # without it, a line for each host that it cannot reach
    ended = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    try:
        report: Any = json.loads(ended.stdout)
        failed = report["results"]["failed_checks"]
        if report["results"]["parsing_errors"]:
            raise SystemExit(f"guichet: checkov cannot read {', '.join(report['results']['parsing_errors'])}")
    except (ValueError, TypeError, KeyError) as error:
        raise SystemExit(f"guichet: checkov failed: {ended.stderr.strip().splitlines()[-1:]}") from error
    return {(finding["check_id"], finding["resource"]) for finding in failed}


def judge(found: set[tuple[str, str]]) -> list[str]:
    """Return a line for each finding without a reason, and for each reason without a finding."""
    matched = {
        exception
        for exception in EXCEPTIONS
        for rule, resource in found
        if rule == exception[0] and fnmatch(resource, exception[1])
    }
    open_findings = {
        finding
        for finding in found
        if not any(finding[0] == rule and fnmatch(finding[1], pattern) for rule, pattern in EXCEPTIONS)
    }
    return [
        f"{rule} {resource}: change it, or give the reason in infra/deploy/scan.py"
        for rule, resource in sorted(open_findings)
    ] + [
        f"{rule} {pattern}: nothing is found any more, remove the reason"
        for rule, pattern in sorted(EXCEPTIONS.keys() - matched)
    ]


def main(words: list[str]) -> None:
    """Print what is wrong; exit code 1 if anything is."""
    argparse.ArgumentParser(prog="python -m infra.deploy.scan", description="Check the templates.").parse_args(words)
    with TemporaryDirectory() as folder:
        paths = render(Path(folder))
        problems = [line for path in paths for line in lint(path)] + judge(findings(paths[0].parent))
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        raise SystemExit(1)
    print(f"{len(paths)} templates, {len(EXCEPTIONS)} exceptions with their reasons")


if __name__ == "__main__":
    main(sys.argv[1:])
