"""Manage events in pretix, run with the Python of its venv: `open SEATS NAME...` and `count NAME...`.

Prints one JSON object with an entry for each name. `open` creates an event that sells one free product under one quota,
and returns the path of its shop and the id of the product. `count` returns the seats in carts, the number of carts, and
what the quota has left.
"""

import json
import os
import sys
from datetime import timedelta

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "pretix.settings"
django.setup()

from django.utils.timezone import now  # noqa: E402 - pretix's modules need its settings first
from django_scopes import scopes_disabled  # noqa: E402
from pretix.base.models import CartPosition, Event, Organizer  # noqa: E402
from pretix.base.services.quotas import QuotaAvailability  # noqa: E402

ORGANIZER = "guichet"


def put_on_sale(name: str, seats: int) -> dict[str, str]:
    """Create an event as pretix's control panel does. Return the path of its shop and the id of its product."""
    organizer, _ = Organizer.objects.get_or_create(slug=ORGANIZER, defaults={"name": "Guichet"})
    start = now() + timedelta(days=4)
    event = Event.objects.create(
        organizer=organizer, slug=name, name=name, date_from=start, currency="EUR", live=True, testmode=False
    )
    event.set_defaults()
    product = event.items.create(name="Place", default_price=0, active=True, admission=True)
    event.quotas.create(name="Places", size=seats).items.add(product)
    return {"shop": f"/{ORGANIZER}/{name}/", "product": str(product.pk)}


def count(name: str) -> dict[str, int]:
    """Count the seats in carts in the tables, and read the quota with pretix's own function."""
    event = Event.objects.get(organizer__slug=ORGANIZER, slug=name)
    positions = CartPosition.objects.filter(event=event)
    quota = event.quotas.get()
    availability = QuotaAvailability(early_out=False)
    availability.queue(quota)
    availability.compute()
    carts = positions.values("cart_id").distinct().count()
    return {"positions": positions.count(), "carts": carts, "left": int(availability.results[quota][1])}


def main(command: str, *arguments: str) -> dict[str, object]:
    """Run the command for each name."""
    with scopes_disabled():
        if command == "open":
            return {name: put_on_sale(name, int(arguments[0])) for name in arguments[1:]}
        return {name: count(name) for name in arguments}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
