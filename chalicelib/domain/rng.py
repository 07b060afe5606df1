"""The random source of the whole service, for draws and for secrets."""

import random


class RandomSource(random.Random):
    """A generator that draws from `source`: that of the operating system, or a seeded one that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.source: random.Random = random.SystemRandom()

    def random(self) -> float:
        """Return a number from 0 up to, but not including, 1."""
        return self.source.random()

    def getrandbits(self, k: int, /) -> int:
        """Return an integer of `k` random bits. Every other method of `random.Random` is built on these two."""
        return self.source.getrandbits(k)

    def token_hex(self, size: int) -> str:
        """Return `size` random bytes in hexadecimal digits, as `secrets.token_hex` does."""
        return self.randbytes(size).hex()


RNG = RandomSource()
