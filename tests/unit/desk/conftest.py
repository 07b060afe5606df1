"""The identity provider of the unit tests, which answers over a port of this machine."""

from collections.abc import Iterator

import pytest

from chalicelib import settings
from chalicelib.desk import provider as desk_provider
from infra.local.provider import Provider, serving
from tests.client import table_fails
from tests.conftest import Clock
from tests.unit.desk.office import SETTINGS, Desk

__all__ = ["table_fails"]


@pytest.fixture
def provider(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Serve a provider, and name it in the settings."""
    with serving(clock=lambda: clock().timestamp()) as identities:
        for name, value in {"GUICHET_DESK_ISSUER": identities.url, **SETTINGS}.items():
            monkeypatch.setenv(name, value)
        settings.current.cache_clear()
        desk_provider.clear_cache()
        yield identities
        settings.current.cache_clear()


@pytest.fixture
def desk(provider: Provider, service: object) -> Desk:  # noqa: ARG001  # the service is there for its effect
    """Give a browser at the desk of an office with one service."""
    return Desk(provider)
