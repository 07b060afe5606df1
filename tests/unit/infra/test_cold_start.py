"""The cold start of a function does not grow. `make bench` measures it."""

import subprocess
import sys

from chalicelib.storage import dynamodb, items, service_items

LIBRARIES_OF_ONE_STEP = {
    "PIL",
    "captcha",
    "reportlab",
    "segno",
    "icalendar",
    "email_validator",
    "arabic_reshaper",
    "bidi",
    "boto3",
}


def test_a_cold_start_loads_no_library_or_package_that_only_one_step_needs() -> None:
    program = f"import sys, app; print(*{LIBRARIES_OF_ONE_STEP | {'chalicelib.mail'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603  this Python
    assert ended.stdout.split() == []


def test_all_items_share_one_client() -> None:
    kinds = (items.SeatItem, items.LockItem, items.PersonItem, service_items.ServiceItem)
    assert {kind._get_connection() for kind in kinds} == {dynamodb.connection()}  # noqa: SLF001  # what PynamoDB calls
