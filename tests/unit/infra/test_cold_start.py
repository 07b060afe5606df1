"""What a function pays before its first visitor: measured by `make bench`, kept from growing here."""

import subprocess
import sys

from chalicelib.storage import dynamodb, items

FOR_ONE_STEP = {
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


def test_starting_a_function_loads_no_library_that_a_single_step_uses() -> None:
    program = f"import sys, app; print(*{FOR_ONE_STEP} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603  this Python
    assert done.stdout.split() == []


def test_all_rows_share_one_client() -> None:
    kinds = (items.SeatItem, items.LockItem, items.PersonItem, items.ServiceItem)
    assert {kind._get_connection() for kind in kinds} == {dynamodb.connection()}  # noqa: SLF001  # what PynamoDB calls
