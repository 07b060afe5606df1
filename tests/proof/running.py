"""Run a call of the service in a thread that stops before each call to the table."""

from collections.abc import Callable
from contextlib import suppress
from threading import Semaphore, Thread, current_thread

from chalicelib.domain import refusals


class Ended(BaseException):
    """Raised in a call that its caller gives up."""


class Running(Thread):
    """One call of the service, which makes one call to the table at a time."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.call, self.given_up, self.has_ended = call, False, False
        self.next = ""
        """The call to the table that it will make when it may go on."""
        self.may_go, self.stands = Semaphore(0), Semaphore(0)
        self.start()
        self.stands.acquire()

    def run(self) -> None:
        with suppress(refusals.Refusal, Ended):
            self.call()
        self.has_ended = True
        self.stands.release()

    def stop(self, name: str) -> None:
        self.next = name
        self.stands.release()
        self.may_go.acquire()
        if self.given_up:
            raise Ended

    def go_on(self) -> None:
        assert not self.has_ended, "the code ended this call earlier than the walk"
        self.may_go.release()
        self.stands.acquire()

    def end(self) -> None:
        self.given_up = True
        self.may_go.release()
        self.join()


def wait(name: str) -> None:
    """Stop a thread that runs a call until it is its turn. The emulator calls this before each call to the table."""
    thread = current_thread()
    if isinstance(thread, Running):
        thread.stop(name)
