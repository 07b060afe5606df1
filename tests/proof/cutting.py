"""Cut a call to the table: the connection breaks, or the function dies."""

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from tests.long import IS_LONG
from tests.proof import inprocess

CUTS = [(False, False), (True, True), *([(False, True), (True, False)] if IS_LONG else [])]
"""How a call is cut: whether after it was carried out, whether the function dies. `make test-long` tries all four."""


class Killed(BaseException):
    """Raised where the function dies. No handler of the service may catch it."""


def cut(emulator: inprocess.Emulator, number: int, *, after: bool, killed: bool) -> None:
    """Cut the call of this number from now, before it is carried out or before its answer arrives."""
    first = len(emulator.calls)

    def check(_name: str) -> None:
        if len(emulator.calls) - first == number + after:
            emulator.before = emulator.after = lambda _name: None
            if killed:
                raise Killed
            raise ReadTimeoutError(endpoint_url="table") if after else ConnectTimeoutError(endpoint_url="table")

    if after:
        emulator.after = check
    else:
        emulator.before = check
