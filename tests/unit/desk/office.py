"""An office in a unit test: its agents, the provider at which they sign in, and their browsers."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from chalicelib.desk import accounts
from chalicelib.domain.agent import Account, Role
from infra.local.provider import PEOPLE, Provider
from tests.client import FORM, Answer, Browser, Page, send

SETTINGS = {
    "GUICHET_DESK_CLIENT_ID": "guichet-laptop",
    "GUICHET_DESK_CLIENT_SECRET": "an-invented-secret-of-the-local-stack",
    "GUICHET_DESK_ACR": "eidas2 eidas3",
    "GUICHET_DESK_PKCE": "yes",
}


def invited(subject: str, now: datetime, role: Role = Role.AGENT, *services: str) -> Account:
    """Invite one of the invented people."""
    person = PEOPLE[subject]
    return accounts.invite(person.email, person.name, services or ("aes",), role, by=None, now=now)


@dataclass
class Desk:
    """The browser of an agent."""

    provider: Provider
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self._keep(send("GET", path, self._headers()))

    def post(self, path: str, **fields: str) -> Answer:
        """Send a form with the CSRF token of this session."""
        form = fields if "csrf" in fields else {"csrf": self.csrf(), **fields}
        return self._keep(send("POST", path, self._headers(), urlencode(form).encode()))

    def csrf(self) -> str:
        """Return the CSRF token of the pages of this session; empty without one."""
        return Page(self.get("/desk?all=yes").text).fields("csrf")["csrf"] if "__Host-desk" in self.jar else ""

    def begin(self, to: str = "") -> dict[str, str]:
        """Begin a sign-in. Return the parameters with which the provider was called."""
        started = self.get("/desk/sign-in" + (f"?to={to}" if to else ""))
        assert started.status == 303, started.text
        return dict(parse_qsl(urlsplit(started.headers["Location"]).query))

    def click(self, parameters: dict[str, str], subject: str) -> dict[str, str]:
        """Sign in at the provider. Return the parameters with which it sends the agent back."""
        shown = self.provider.answer("GET", f"/authorize?{urlencode(parameters)}", {}, "")
        assert shown.status == 200, shown.text
        number = next(reversed(self.provider.pending))
        back = self.provider.answer("GET", f"/login?request={number}&agent={subject}", {}, "")
        return dict(parse_qsl(urlsplit(back.location).query))

    def come_back(self, parameters: dict[str, str]) -> Answer:
        return self.get(f"/desk/callback?{urlencode(parameters)}")

    def sign_in(self, subject: str, to: str = "") -> Answer:
        """Sign in with one click, and return the answer to it."""
        return self.come_back(self.click(self.begin(to), subject))

    def _headers(self) -> dict[str, str]:
        return {**FORM, "Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}

    def _keep(self, answer: Answer) -> Answer:
        Browser.keep(self.jar, answer)
        return answer
