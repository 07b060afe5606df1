import pytest
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain import refusals
from chalicelib.storage import seat_store
from tests.conftest import UNREACHABLE, calls, client_error
from tests.unit.storage.seats import KEY, LATER, NOW, WEEK

pytestmark = pytest.mark.usefixtures("table")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error("ProvisionedThroughputExceededException"), refusals.TooManyRequests),
        (client_error("ThrottlingException"), refusals.TooManyRequests),
        (client_error("RequestLimitExceeded"), refusals.TooManyRequests),
        (client_error("InternalServerError"), refusals.Unavailable),
        (client_error("ServiceUnavailable"), refusals.Unavailable),
        (UNREACHABLE, refusals.Unavailable),
        (client_error("AccessDeniedException"), PynamoDBException),
        (client_error("ResourceNotFoundException"), PynamoDBException),
    ],
    ids=str,
)
def test_errors_of_the_table_become_refusals_and_unknown_ones_pass_unchanged(
    error: Exception, expected: type[Exception]
) -> None:
    for call in (
        lambda: seat_store.take(KEY, "h1", LATER, NOW),
        lambda: seat_store.read(KEY),
        lambda: seat_store.read_week("aes", WEEK),
        lambda: seat_store.create(KEY, NOW, LATER),
    ):
        with calls(error), pytest.raises(expected):
            call()
