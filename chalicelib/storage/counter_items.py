"""The counters, the items of waiting holds among them, and their keys."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.storage.items import Item, TimestampAttribute


class CounterItem(Item):
    """A counter with an expiry, or the item of a waiting hold, which counts its answers.

    Once the captcha of a waiting hold is passed, `seat` is the seat that it takes and `passed_at` when it was passed.
    """

    number = NumberAttribute()
    challenge = NumberAttribute(null=True)
    seat = UnicodeAttribute(null=True)
    passed_at = TimestampAttribute(null=True)
    erase_at = NumberAttribute()


def waiting_item(hold: str) -> CounterItem:
    """Return the item of a waiting hold that has answered a captcha."""
    return CounterItem(f"LATE#{hold}", "TRIES")


def hold_counter(client_network: str) -> CounterItem:
    """Return the counter of the holds of a client network in an hour."""
    return CounterItem(f"ORIGIN#{client_network}", "HOLDS")


def already_requested_counter(client_network: str) -> CounterItem:
    """Return the counter of the answers "already requested" to a client network in an hour."""
    return CounterItem(f"ORIGIN#{client_network}", "ALREADY")


def domain_counter(email_domain: str) -> CounterItem:
    """Return the counter of the requests from an e-mail domain in a day."""
    return CounterItem(f"DOMAIN#{email_domain}", "REQUESTS")


def prefix_counter(ipv6_prefix: str) -> CounterItem:
    """Return the counter of the requests from an IPv6 prefix in an hour."""
    return CounterItem(f"PREFIX#{ipv6_prefix}", "REQUESTS")
