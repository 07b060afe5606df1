"""Each permission is taken away in turn on the engine, and something fails: none is idle."""

import pytest

from infra.local.stack import Stack
from tests.rehearsal.permissions import NEEDED, Office, without


@pytest.mark.parametrize(("name", "action"), NEEDED)
def test_without_this_permission_something_fails_and_with_it_it_works(stack: Stack, name: str, action: str) -> None:
    works = NEEDED[name, action](Office(stack))
    with without(stack, name, action):
        assert not works()
    assert works()
