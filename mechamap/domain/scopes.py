"""Scopes of publishers' keys: patterns of the channel names to which a key may publish."""

import re
from collections.abc import Collection

from .errors import InvalidField

MAX_SCOPES = 50
MAX_SCOPE_LENGTH = 200

_SCOPE = re.compile(rf"[A-Za-z0-9._\-*]{{1,{MAX_SCOPE_LENGTH}}}")


def checked_scopes(scopes: Collection[str]) -> list[str]:
    """The scopes sorted, each once.

    Raises:
        InvalidField: a malformed one, or too many.
    """
    if len(scopes) > MAX_SCOPES:
        raise InvalidField("scopes", f"scopes has {len(scopes)} entries; the limit is {MAX_SCOPES}.")
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise InvalidField(
                "scopes", f"{scope[:40]!r} is not a pattern of channel names such as forum.* or public.news."
            )
    return sorted(set(scopes))
