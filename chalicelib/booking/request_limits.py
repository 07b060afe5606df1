"""The limits on requests. A request over a limit owes further captchas and has a shorter time to confirm.

Nobody is refused: one IPv4 address may be that of a library or of a mobile network, and a small company has an e-mail
domain of its own.
"""

from datetime import datetime, timedelta

from chalicelib import settings
from chalicelib.booking.hold import CAPTCHA_TRIES, Held
from chalicelib.domain import emails
from chalicelib.domain.refusals import CaptchaRequired
from chalicelib.keys import keys
from chalicelib.storage import counter_items, seat_store, visitor_store

MOST_CAPTCHAS = 3
"""How many further captchas one request may owe."""
ANSWERS_PER_CAPTCHA = 2
"""Every second answer "already requested" to one client network in an hour costs the hold another captcha."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_PROVIDERS = """
aol.com bbox.fr bluewin.ch club-internet.fr fastmail.com fastmail.fm free.fr gmail.com gmx.com gmx.de gmx.fr
hotmail.be hotmail.com hotmail.fr hotmail.it icloud.com laposte.net live.be live.com live.fr mac.com mail.com mail.ru
me.com msn.com neuf.fr numericable.fr orange.fr outlook.be outlook.com outlook.fr outlook.sa proton.me sfr.fr
skynet.be tutanota.com wanadoo.fr web.de yahoo.ca yahoo.co.uk yahoo.com yahoo.de yahoo.es yahoo.fr yahoo.it
yandex.com yandex.ru ymail.com zoho.com
"""
PROVIDERS = frozenset(_PROVIDERS.split())
"""E-mail providers where each mailbox costs its user something. The owner of another domain can create any number."""
REGISTRIES = {"ac", "asso", "co", "com", "edu", "gouv", "gov", "net", "nom", "org"}
"""Second levels that belong to a registry, as in `co.uk`. A domain registered there has three labels."""


def check(hold: Held, email: str, ip_address: str, now: datetime) -> None:
    """Count a filing. Raises CaptchaRequired while it owes a captcha; after that captcha it is not counted again.

    It owes one captcha for each full limit that its client network (counted when the hold got its seat), its IPv6
    prefixes or its e-mail domain has used up. Costs one write unit for an e-mail domain that is not in PROVIDERS, and
    two for an IPv6 address.
    """
    due = hold.carrier.captchas_due
    if hold.carrier.checked_for != _checked_for(email, now):
        due = max(due, _over_limits(hold, email, ip_address, now))
    if due:
        _require(hold, min(due, MOST_CAPTCHAS), email, now)
        raise CaptchaRequired


def _over_limits(hold: Held, email: str, ip_address: str, now: datetime) -> int:
    """Count the filing. Return how many times the most exceeded limit was used up before it; 0 within all limits."""
    limits, counters = hold.service.limits, []
    domain = domain_of(email)
    if limits.domain_requests and domain not in PROVIDERS:
        counters.append((counter_items.domain_counter(keys().email_domain(domain, now)), DAY, limits.domain_requests))
    if settings.current().network_holds:
        for prefix, most in ((48, limits.ipv6_48_requests), (32, limits.ipv6_32_requests)):
            network = keys().ipv6_prefix(ip_address, prefix, now)
            if most and network:
                counters.append((counter_items.prefix_counter(network), HOUR, most))
    times = ((visitor_store.increment(counter, now, period) - 1) // most for counter, period, most in counters)
    return max(times, default=0)


def domain_of(email: str) -> str:
    """Return the registered domain of an e-mail address: two labels, or three under a registry's second level."""
    domain = emails.mailbox_key(email).rpartition("@")[2]
    if domain in PROVIDERS:
        return domain
    labels = domain.split(".")
    return ".".join(labels[-3:] if labels[-2:-1] and labels[-2] in REGISTRIES else labels[-2:])


def already_requested(hold: Held, email: str, ip_address: str, now: datetime) -> None:
    """Count an answer "already requested". After every second one of a client network, the hold owes another captcha.

    This makes it expensive to find out who has an appointment. Of simultaneous questions two are answered;
    CaptchaRequired is raised for the others. The seat stays held.
    """
    if hold.is_filed or not settings.current().network_holds:
        return
    seat = hold.carrier
    if not seat_store.count_already_requested(seat.key, seat.hold, now, most=ANSWERS_PER_CAPTCHA):
        _require(hold, 1, email, now)
        raise CaptchaRequired
    network = keys().client_network(ip_address, now)
    if visitor_store.increment(counter_items.already_requested_counter(network), now, HOUR) % ANSWERS_PER_CAPTCHA == 0:
        _require(hold, 1, email, now)


def _require(hold: Held, due: int, email: str, now: datetime) -> None:
    seat, domain = hold.carrier, _checked_for(email, now)
    seat_store.require_captchas(seat.key, seat.hold, due, now, most=CAPTCHA_TRIES, checked_for=domain)


def _checked_for(email: str, now: datetime) -> str:
    """Return the key of an e-mail domain: another domain on the same hold is counted as well."""
    return keys().email_domain(domain_of(email), now)
