"""The tests of the operator's programs: moto answers the calls to other services of AWS, and about other tables."""

from collections.abc import Iterator

import pytest
from moto import mock_aws


@pytest.fixture
def table(table: None) -> Iterator[None]:  # noqa: ARG001  # a fixture for its effect
    """Provide the table of the unit tests, and the services of AWS that moto emulates."""
    with mock_aws():
        yield
