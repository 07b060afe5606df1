"""The reply about the health of the whole booking."""

from datetime import datetime, timedelta
from http import HTTPStatus

from chalicelib.storage import pulse_store
from chalicelib.web.reply import Json

MAXIMUM_AGE = timedelta(minutes=15)
"""Three runs of the canary, as its alarm waits."""


def booking(now: datetime) -> Json:
    """Report the canary's last success. The status is 503 when it is older than a quarter of an hour, or missing."""
    success = pulse_store.last_success()
    age = max(now - success.at, timedelta()) if success else None
    is_recent = age is not None and age <= MAXIMUM_AGE
    data = {
        "status": "ok" if is_recent else "failing",
        "last_success": success.at.isoformat(timespec="seconds") if success else None,
        "age_seconds": int(age.total_seconds()) if age is not None else None,
        "milliseconds": round(success.took / timedelta(milliseconds=1)) if success else None,
    }
    return Json(data, status=HTTPStatus.OK if is_recent else HTTPStatus.SERVICE_UNAVAILABLE)
