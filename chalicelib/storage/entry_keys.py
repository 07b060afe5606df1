"""The keys of the entries in draws."""

from chalicelib.domain.seat import EntryKey

SHARDS = 60
"""The entries of a service are spread over so many partitions, by the first two characters of their id.

There is one for each minute of an hour. One that holds a 60th of 100,000 entries is read with one Query.
"""
_ENTRIES = "ENTRIES#"
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz234567"


def all_entries_prefix(service_id: str) -> str:
    """Return how the partitions of all entries of a service begin."""
    return f"{_ENTRIES}{service_id}#"


def partition(service_id: str, shard: int) -> str:
    """Return the partition of a shard, from 0, of the entries of a service."""
    return f"{all_entries_prefix(service_id)}{shard:02}"


def primary_key(key: EntryKey) -> tuple[str, str]:
    """Return the partition key and the sort key of an entry."""
    first, second = (_ID_CHARACTERS.index(character) for character in key.id[:2])
    return partition(key.service, (first * len(_ID_CHARACTERS) + second) % SHARDS), key.id


def entry_key(partition_key: str, sort_key: str) -> EntryKey:
    """Return the key of the entry with these keys of the table."""
    return EntryKey(partition_key.split("#")[1], sort_key)


def is_entry(partition_key: str) -> bool:
    """Tell whether an item with this key is an entry."""
    return partition_key.startswith(_ENTRIES)
