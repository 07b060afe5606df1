"""Each permission is revoked in turn on the emulator, and a step must fail. So no permission is superfluous."""

import pytest

from infra.local.stack import Stack
from tests.rehearsal.permissions import NEEDED, StepChecks, without


@pytest.mark.parametrize(("name", "action"), NEEDED)
def test_a_step_works_with_this_permission_only(stack: Stack, name: str, action: str) -> None:
    works = NEEDED[name, action](StepChecks(stack))
    with without(stack, name, action):
        assert not works()
    assert works()
