from datetime import timedelta

import pytest

from chalicelib.domain import refusals
from chalicelib.storage import service_items, service_store
from tests.conftest import document
from tests.unit.storage.seats import NOW

pytestmark = pytest.mark.usefixtures("table")


def test_a_service_is_cached_for_a_minute_unless_one_is_stored() -> None:
    service_store.put(document())
    service_store.read_all(NOW)
    service_items.ServiceItem("SERVICES", "aes", document=document(office="Une autre")).save()
    assert service_store.read("aes", NOW + timedelta(seconds=59)).office == "Préfecture de l’Exemple"
    assert service_store.read("aes", NOW + timedelta(seconds=60)).office == "Une autre"
    service_store.put(document(office="Une troisième"))
    assert service_store.read("aes", NOW + timedelta(seconds=60)).office == "Une troisième"


def test_services_that_were_read_before_the_clock_went_back_are_read_again() -> None:
    service_store.put(document())
    service_store.read_all(NOW + timedelta(hours=3))
    service_items.ServiceItem("SERVICES", "aes", document=document(office="Une autre")).save()
    assert service_store.read("aes", NOW).office == "Une autre"


def test_an_unknown_service_is_not_found() -> None:
    service_store.put(document())
    with pytest.raises(refusals.NotFound):
        service_store.read("nope", NOW)
