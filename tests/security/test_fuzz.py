"""A short run of `tests.security.fuzz`; `make fuzz` runs the long one."""

import pytest

from chalicelib.domain.rng import RNG
from tests.long import LONG
from tests.security import fuzz

pytestmark = LONG


@pytest.mark.usefixtures("table")
@pytest.mark.filterwarnings("default")  # schemathesis and its libraries raise warnings
def test_the_service_keeps_its_contract_whatever_it_is_sent() -> None:
    report = fuzz.Report()
    with fuzz.quiet():
        fuzz.attack(1, fuzz.InProcess(), seed=RNG.randrange(10**6), report=report, short=True)
    assert report.faults == {}
    assert sum(report.calls.values()) >= 100
    assert {200, 404, 422} <= set(report.calls)
    assert {201, 303} & set(report.calls)  # some calls changed something
