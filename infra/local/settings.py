"""Constants of the local stack, and the port that GUICHET_PORT names. Importing this module loads no server."""

import re
import socket

STAGE = "laptop"
"""The name of the stage. Templates and functions allow a fixed captcha answer on this stage only."""
ACCOUNT = "000000000000"
"""The account that MiniStack simulates."""
REGION = "eu-west-3"
HOST = "127.0.0.1"
FIRST_PORT = 4566
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The keys of the emulator's administrator."""
MAIL_FROM = "rendez-vous@guichet.example"
API = "guichet"
API_STAGE = "api"
BUCKET = f"guichet-packages-{ACCOUNT}-{REGION}"


class CannotRun(SystemExit):
    """The local stack cannot start or has stopped. The message is one line that names the reason."""


def read_port(text: str, name: str = "GUICHET_PORT") -> int:
    """Parse a value of GUICHET_PORT. Return 0 for an empty one; raise CannotRun if it is not a port number."""
    if not text:
        return 0
    if not re.fullmatch("[0-9]+", text) or not 0 < int(text) < 65536:  # noqa: PLR2004 - ports are 16 bits
        raise CannotRun(f"guichet: {name} must be a port number from 1 to 65535, not {text!r}")
    return int(text)


def is_free(port: int) -> bool:
    """Return whether a program can listen on this port of this machine."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def first_free_port() -> int:
    """Return the first free port from FIRST_PORT on. Raise CannotRun if 100 ports in a row are in use."""
    for candidate in range(FIRST_PORT, FIRST_PORT + 100):
        if is_free(candidate):
            return candidate
    raise CannotRun(f"guichet: ports {FIRST_PORT} to {FIRST_PORT + 99} are in use: set GUICHET_PORT to a free one")


def any_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
