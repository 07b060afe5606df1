"""The cases of `make bench` are requests that the service answers as expected."""

import boto3
import pytest
from moto import mock_aws

from chalicelib.storage.items import SeatItem
from tests.load import handlers
from tests.table import SHAPE, STREAM


@pytest.fixture
def monday() -> handlers.Monday:
    boto3.client("dynamodb").create_table(TableName=SeatItem.Meta.table_name, **SHAPE, **STREAM)
    return handlers.Monday()


@mock_aws
def test_each_case_is_answered_and_each_function_that_is_started_has_one(request: pytest.FixtureRequest) -> None:
    cases = request.getfixturevalue("monday").cases()
    assert {case.function for case in cases.values()} == set(handlers.ENTRIES)
    for case in cases.values():
        handlers.timed(case)  # raises ValueError for another status
