"""How many members a group has, from Laravel's table of them."""

from functools import partial

from mechamap.store.cache import FactCache

from .memberships import group_sizes
from .schema import MAX_ID, LaravelSchema


class LaravelGroups:
    """Implements ``store.protocol.GroupMembers``. Numbers are at most ``seconds`` old, and shared."""

    def __init__(self, schema: LaravelSchema, seconds: float) -> None:
        load = partial(group_sizes, schema)
        self._sizes: FactCache[int, int] = FactCache(load, seconds)

    def count(self, group_id: int) -> int:
        return (self._sizes.get(group_id) or 0) if 0 < group_id <= MAX_ID else 0
