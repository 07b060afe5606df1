"""A short run of `tests.security.fuzz`; `make fuzz` makes the long one."""

import pytest

from chalicelib.domain.rng import RNG
from tests.security import fuzz


@pytest.mark.usefixtures("table")
@pytest.mark.filterwarnings("default")  # of schemathesis and its own libraries
def test_the_service_keeps_its_contract_whatever_it_is_sent() -> None:
    found = fuzz.Found()
    with fuzz.quiet():
        fuzz.attack(1, fuzz.Here(), seed=RNG.randrange(10**6), found=found, short=True)
    assert found.faults == {}
    assert sum(found.calls.values()) >= 100
    assert {200, 404, 422} <= set(found.calls)
    assert {201, 303} & set(found.calls)  # something was done, not only asked
