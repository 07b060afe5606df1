"""The cases of `make bench` are requests that the service answers as expected."""

import subprocess
import sys

from infra.deploy.package import ROOT

CALL_EACH = """
import boto3
from moto import mock_aws

from tests.load import handlers
from tests.table import SHAPE, STREAM

with mock_aws():
    boto3.client("dynamodb").create_table(TableName=handlers.SeatItem.Meta.table_name, **SHAPE, **STREAM)
    cases = handlers.Monday().cases()
    assert {case.function for case in cases.values()} == set(handlers.ENTRIES)
    for case in cases.values():
        handlers.timed(case)  # raises ValueError for another status
"""
"""In a process of its own, because the benchmark sets the environment when it is imported."""


def test_each_case_is_answered_and_each_function_that_is_started_has_one() -> None:
    command = [sys.executable, "-c", CALL_EACH]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - a constant
    assert done.returncode == 0, done.stderr[-2000:]
