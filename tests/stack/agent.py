"""An agent of the deployed service: signs in at the provider of the local stack as a browser does."""

import re
from dataclasses import dataclass, field

import requests

from infra.local.stack import Stack

HTML = {"Accept": "text/html"}


@dataclass
class Agent:
    """A browser. It keeps the cookies itself: `requests` would send none that are for HTTPS."""

    stack: Stack
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> requests.Response:
        return self._send("GET", path)

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form with the CSRF token of this session."""
        token = re.search('name="csrf" value="([a-z2-7]+)"', self.get("/desk").text)
        return self._send("POST", path, {"csrf": token[1] if token else "", **fields})

    def sign_in(self, subject: str) -> requests.Response:
        """Sign in with one click, and return the answer to it."""
        at_provider = requests.get(self.get("/desk/sign-in").headers["Location"], timeout=30)
        assert at_provider.status_code == 200, at_provider.text
        link = re.search(f'href="(/login[^"]+agent={subject})"', at_provider.text)
        assert link
        assert self.stack.identities
        login = self.stack.identities.url + link[1].replace("&amp;", "&")
        back = requests.get(login, allow_redirects=False, timeout=30).headers["Location"]
        return self.get(back.removeprefix(self.stack.api))

    def _send(self, method: str, path: str, form: dict[str, str] | None = None) -> requests.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = HTML | ({"Cookie": cookie} if cookie else {})
        url = self.stack.api + path
        answer = requests.request(method, url, data=form, headers=headers, allow_redirects=False, timeout=30)
        for kept in answer.cookies:
            self.cookies[kept.name] = kept.value or ""
        return answer
