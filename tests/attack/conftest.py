"""How long the attacks last: a moment in `make test`, long in `make fuzz` (`--hypothesis-profile=fuzz`)."""

from hypothesis import HealthCheck, settings

from tests.test_app import service, table_says

__all__ = ["service", "table_says"]

# A loaded machine is slow without a fault of the code; the table is made once for all examples on purpose.
ODD = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("attack", max_examples=40, deadline=None, database=None, suppress_health_check=ODD)
settings.register_profile("fuzz", parent=settings.get_profile("attack"), max_examples=5000)
settings.load_profile("attack")
