"""What only pretix itself can do, run by the Python of its own venv: `open PLACES NAME...` and `count NAME...`.

Prints one JSON object with an entry for each name. `open` makes an event with one free product under one quota, on sale
now, and says where; `count` says how many places carts hold, in how many carts, and what the quota has left.
"""

import json
import os
import sys
from datetime import timedelta

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "pretix.settings"
django.setup()

from django.utils.timezone import now  # noqa: E402 - pretix's modules want its settings first
from django_scopes import scopes_disabled  # noqa: E402
from pretix.base.models import CartPosition, Event, Organizer  # noqa: E402
from pretix.base.services.quotas import QuotaAvailability  # noqa: E402

ORGANIZER = "guichet"


def put_on_sale(name: str, places: int) -> dict[str, str]:
    """Make the event as the control panel makes a new one; where its shop is, and the id of its product."""
    organizer, _ = Organizer.objects.get_or_create(slug=ORGANIZER, defaults={"name": "Guichet"})
    start = now() + timedelta(days=4)
    event = Event.objects.create(
        organizer=organizer, slug=name, name=name, date_from=start, currency="EUR", live=True, testmode=False
    )
    event.set_defaults()
    product = event.items.create(name="Place", default_price=0, active=True, admission=True)
    event.quotas.create(name="Places", size=places).items.add(product)
    return {"shop": f"/{ORGANIZER}/{name}/", "product": str(product.pk)}


def count(name: str) -> dict[str, int]:
    """What the tables say, the quota by pretix's own sum."""
    event = Event.objects.get(organizer__slug=ORGANIZER, slug=name)
    held = CartPosition.objects.filter(event=event)
    quota = event.quotas.get()
    sums = QuotaAvailability(early_out=False)
    sums.queue(quota)
    sums.compute()
    carts = held.values("cart_id").distinct().count()
    return {"positions": held.count(), "carts": carts, "left": int(sums.results[quota][1])}


def main(command: str, *words: str) -> dict[str, object]:
    """Do it for every name."""
    with scopes_disabled():
        if command == "open":
            return {name: put_on_sale(name, int(words[0])) for name in words[1:]}
        return {name: count(name) for name in words}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
