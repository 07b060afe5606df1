"""The stage's API over HTTP, as a program uses it."""

import json
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

Answer = dict[str, Any]


class Api:
    """The stage's API at a URL. It remembers its latest answer for the message of a failure."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.latest = ""

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Answer]:
        """Send JSON and read JSON. The status is 0 if nothing answers."""
        status, answer = self.send(method, path, body)
        parts = path.split("/")
        shown = path if parts[1] not in {"holds", "requests"} else f"/{parts[1]}/…/{parts[-1]}"  # tokens are secret
        code = str(answer.get("type", "")).rpartition(":")[2] if status >= HTTPStatus.BAD_REQUEST else ""
        self.latest = f"{method} {shown} answered {f'{status} {code}'.strip()}" if status else "nothing answers"
        return status, answer

    def send(self, method: str, path: str, body: object) -> tuple[int, Answer]:
        """Send one request over HTTP."""
        data = json.dumps(body).encode() if body is not None else (b"" if method == "POST" else None)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            with urlopen(Request(self.url + path, data, headers, method=method), timeout=30) as answer:  # noqa: S310 - the stage's own URL
                return answer.status, _parse(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _parse(error.read())
        except (URLError, ConnectionError, TimeoutError):
            return 0, {}


def _parse(body: bytes) -> Answer:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
