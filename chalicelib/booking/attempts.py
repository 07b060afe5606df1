"""Attest that nothing is free, and check such attestations. Nothing is stored, and no applicant is known."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from chalicelib.booking import availability
from chalicelib.domain import attestation, timetable
from chalicelib.domain.attestation import Attestation, Outcome
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import InvalidFields, NotFound, NotFull, Refusal
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import attestation_keys
from chalicelib.storage import service_store

NOT_OURS = N_("Un de ces codes n’est pas valable. Vérifiez-le, ou effacez-le.")
OTHER_SERVICE = N_("Un de ces codes est celui d’un autre type de rendez-vous. Effacez-le.")
FRANCE = ZoneInfo("Europe/Paris")
"""The time zone for a service that was withdrawn since."""


@dataclass(frozen=True, slots=True)
class CheckedAttestation:
    """An attestation whose signature is valid. `service` is None if it was withdrawn since."""

    code: str
    attestation: Attestation
    service: Service | None

    @property
    def zone(self) -> ZoneInfo:
        return self.service.zone if self.service else FRANCE

    @property
    def at(self) -> datetime:
        """When nothing was free, in the time zone of the office."""
        return self.attestation.at.astimezone(self.zone)

    @property
    def next_release(self) -> datetime | None:
        """The release that was announced at that moment, in the time zone of the office."""
        release = self.attestation.next_release
        return release and release.astimezone(self.zone)

    @property
    def moments(self) -> list[datetime]:
        """The moments of all attempts, the first one first, in the time zone of the office."""
        return [moment.astimezone(self.zone) for moment in self.attestation.moments]


def attest(service: Service, earlier_codes: list[str], now: datetime) -> CheckedAttestation:
    """Attest that no seat of any open week is free now, with the attempts of earlier attestations.

    Decides from the cache of the process, like the calendar. Raises NotFull while a seat is free, InvalidFields for an
    earlier code that is invalid, too old or of another service, Paused.
    """
    availability.refuse_if_paused(service)
    earlier = [_read_earlier(code, service, now) for code in earlier_codes]
    if free := availability.first_free(service, now):
        raise NotFull(service.start_of(free[0]))
    at = now.replace(second=0, microsecond=0)
    attested = Attestation(
        service=service.id,
        at=at,
        outcome=_outcome(service, now),
        next_release=timetable.next_release(service, now),
        earlier=attestation.earlier_attempts(earlier, at, service.zone),
    )
    return CheckedAttestation(attestation.sign(attested, attestation_keys()[0]), attested, service)


def check(code: str, now: datetime) -> CheckedAttestation:
    """Verify the code of an attestation. Raises NotFound or AttestationTooOld."""
    valid = attestation.read(code, attestation_keys(), now)
    try:
        service = service_store.read(valid.service, now)
    except NotFound:
        service = None
    return CheckedAttestation(code.strip().lower(), valid, service)


def _read_earlier(code: str, service: Service, now: datetime) -> Attestation:
    try:
        valid = attestation.read(code, attestation_keys(), now)
    except Refusal as refusal:
        raise InvalidFields({"earlier": NOT_OURS}) from refusal
    if valid.service != service.id:
        raise InvalidFields({"earlier": OTHER_SERVICE})
    return valid


def _outcome(service: Service, now: datetime) -> Outcome:
    """Tell whether the open weeks have seats, all taken, or no seat that is open to booking."""
    for week in timetable.open_weeks(service, now):
        for seat in availability.public_seats(service, week, now):
            if seat.state is not State.CLOSED and not seat.is_coming(now) and service.start_of(seat.key) > now:
                return Outcome.FULL
    return Outcome.NOT_OPEN
