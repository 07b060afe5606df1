"""The parts of the simulated system: token bucket, snapshot, function pool, mailer."""

from heapq import heappop, heappush

from tests.load.simulation.aws.inputs import CLAIMED, USABLE
from tests.load.simulation.seats import WeekCache


class Bucket:
    """A token bucket. A large request may overdraw it; later requests wait until the debt is paid back."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.left, self.at = rate, burst, burst, 0.0

    def fill(self, now: float) -> None:
        """Add the units that have accrued until now."""
        if now > self.at:
            self.left = min(self.burst, self.left + (now - self.at) * self.rate)
            self.at = now

    def take(self, now: float, units: float = 1.0) -> bool:
        """Take the units of one request. Return False if the bucket is empty."""
        self.fill(now)
        if self.left < min(units, 1.0):
            return False
        self.left -= units
        return True

    def grant(self, now: float, requests: int) -> int:
        """Return how many of these requests may pass."""
        self.fill(now)
        granted = max(0, min(requests, int(self.left)))
        self.left -= granted
        return granted


class Snapshot:
    """The snapshot of a week in the table, as `chalicelib.storage.snapshot_store` keeps it."""

    def __init__(self, stale_after: float) -> None:
        self.stale_after = stale_after
        self.week, self.made_at, self.claimed_at = b"", -1e9, -1e9
        self._coming: list[tuple[float, float, bytes]] = []

    def put(self, week: bytes, made_at: float, at: float) -> None:
        """Replace it at this time by the week as it was read at `made_at`, unless another process is faster."""
        heappush(self._coming, (at, made_at, week))

    def is_usable(self, now: float) -> bool:
        """Return whether it may be shown."""
        while self._coming and self._coming[0][0] <= now:
            _, made_at, week = heappop(self._coming)
            if made_at > self.made_at:
                self.made_at, self.week, self.claimed_at = made_at, week, -1e9
        return now - self.made_at < self.stale_after + USABLE

    def is_due(self, now: float) -> bool:
        """Return whether it is stale, and no environment has begun to make it again."""
        return now - self.made_at >= self.stale_after and now - self.claimed_at >= CLAIMED


class Account:
    """The concurrency of the account, over all its functions."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency, self.pools = concurrency, list[Pool]()

    def is_full(self, now: float) -> bool:
        """Return whether all environments of the account are busy."""
        if sum(len(pool.busy) for pool in self.pools) < self.concurrency:
            return False
        for pool in self.pools:
            pool.rest(now)
        return sum(len(pool.busy) for pool in self.pools) >= self.concurrency


class Pool:
    """The environments of one function. The one that finished last is used first; a new one must load."""

    def __init__(self, account: Account, rate: float, burst: float, *, warm: int = 0) -> None:
        self.account = account
        self.new = Bucket(rate, burst)
        self.idle = [WeekCache() for _ in range(warm)]
        self.busy: list[tuple[float, int, WeekCache]] = []
        self._number = 0
        account.pools.append(self)

    def rest(self, now: float) -> None:
        """Move the environments that have finished to the idle ones."""
        while self.busy and self.busy[0][0] <= now:
            self.idle.append(heappop(self.busy)[2])

    def start(self, now: float) -> tuple[WeekCache, bool] | None:
        """Return an environment for one request and whether it must load. Return None if none is available."""
        self.rest(now)
        if self.account.is_full(now):
            return None
        if self.idle:
            return self.idle.pop(), False
        if not self.new.take(now):
            return None
        return WeekCache(), True

    def work(self, cache: WeekCache, until: float) -> None:
        """Keep an environment busy until this time."""
        self._number += 1
        heappush(self.busy, (until, self._number, cache))


class Mailer:
    """The mailer, which sends letters one after another at its rate."""

    def __init__(self, rate: float) -> None:
        self.pause, self.next, self.last = 1 / rate, 0.0, 0.0

    def send(self, now: float) -> float:
        """Send a letter that is due now. Return when it leaves."""
        self.last = max(now, self.next)
        self.next = self.last + self.pause
        return self.last
