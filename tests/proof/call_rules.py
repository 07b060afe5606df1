"""The day of an appointment at the desk: its states, and the steps of the agents.

As `seat_rules`, this is a second statement of the rules, independent of the service, so it must not import them. The
checker of recorded calls (`tests.load.call_history`), `call_walk` and `seatmodel` read it.
"""

from dataclasses import dataclass, replace

CONFIRMED, ARRIVED, CALLED = "confirmed", "arrived", "called"
SEEN, MISSED, INCOMPLETE = "seen", "missed", "incomplete"
OUTCOMES = (SEEN, MISSED, INCOMPLETE)
BEFORE = {
    "arrive": {CONFIRMED},
    "next": {ARRIVED},
    "call": {ARRIVED, CALLED},
    "park": {CALLED},
    **{outcome: {CONFIRMED, ARRIVED, CALLED} for outcome in OUTCOMES},
    "undo arrived": {ARRIVED},
    "undo called": {CALLED},
    **{f"undo {outcome}": {outcome} for outcome in OUTCOMES},
}
"""The steps, each with the states in which it can be taken. In all others it is refused, or was taken before."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment: its state, the desk that called last, how often it was called, and who recorded what.

    `parked`: it was called and put aside, so that it is never the next again. An agent must ask for this person.
    """

    state: str = CONFIRMED
    desk: int = 0
    calls: int = 0
    parked: bool = False
    arrived_by: str = ""
    called_by: str = ""
    outcome_by: str = ""

    @property
    def waits(self) -> bool:
        """Whether the person may be the next."""
        return self.state == ARRIVED and not self.parked


def after(step: str, appointment: Appointment, desk: int, agent: str) -> Appointment | None:
    """Return what a step of an agent at a desk leaves; None if it is refused. Repeated it changes nothing."""
    if appointment.state not in BEFORE[step] or not _may_take(step, appointment, desk, agent):
        return appointment if _is_repeated(step, appointment, agent) else None
    if step == "arrive":
        return replace(appointment, state=ARRIVED, arrived_by=agent)
    if step in {"next", "call"}:
        return replace(appointment, state=CALLED, desk=desk, calls=appointment.calls + 1, called_by=agent)
    if step in OUTCOMES:
        return replace(appointment, state=step, outcome_by=agent)
    return replace(appointment, state=ARRIVED, parked=True) if step == "park" else _undone(step, appointment)


def _may_take(step: str, appointment: Appointment, desk: int, agent: str) -> bool:
    """Return whether the agent at the desk may take a step: their own desk's call, and what they recorded."""
    if step == "next":
        return appointment.waits
    if step == "call":
        return appointment.state != CALLED or appointment.desk == desk
    return not step.startswith("undo") or agent == _recorded_by(appointment)


def _recorded_by(appointment: Appointment) -> str:
    """Return who recorded the state of an appointment."""
    agents = {CONFIRMED: "", ARRIVED: appointment.arrived_by, CALLED: appointment.called_by}
    return agents.get(appointment.state, appointment.outcome_by)


def _is_repeated(step: str, appointment: Appointment, agent: str) -> bool:
    """Return whether the step was taken before: by this agent, or by anybody for what is taken back."""
    if step.startswith("undo"):
        return appointment.state == CONFIRMED or (appointment.state == ARRIVED and step != "undo arrived")
    if step == "park":
        return appointment.state == ARRIVED and appointment.parked
    return appointment.state == (ARRIVED if step == "arrive" else step) and _recorded_by(appointment) == agent


def _undone(step: str, appointment: Appointment) -> Appointment:
    if step == "undo arrived":
        return Appointment()
    if step == "undo called" and not appointment.parked:
        return Appointment(ARRIVED, arrived_by=appointment.arrived_by)
    if step == "undo called":
        return replace(appointment, state=ARRIVED)
    before = ARRIVED if appointment.arrived_by else CONFIRMED
    return replace(appointment, state=before, outcome_by="", parked=appointment.calls > 0)
