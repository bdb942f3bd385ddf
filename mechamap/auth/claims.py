"""What the claims of a verified JWT say: whose it is, until when, and whether it may be used here."""

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from mechamap.domain.errors import AuthenticationFailed
from mechamap.store.laravel.schema import USER_MODEL

ID_CLAIMS = ("userId", "sub", "user_id")
"""Laravel's legacy endpoint writes ``userId``, tymon/jwt-auth ``sub``; the plan also accepts ``user_id``."""

PRV = hashlib.sha1(USER_MODEL.encode(), usedforsecurity=False).hexdigest()
"""tymon's lock of a subject to a model, so that id 7 of another model is not user 7."""

_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def user_id_of(claims: Mapping[str, Any]) -> int:
    """The user's id, from whichever claim carries it.

    Raises:
        AuthenticationFailed: no claim, one that is no id, or two that disagree.
    """
    found = {name: claims[name] for name in ID_CLAIMS if claims.get(name) is not None}
    if not found:
        raise refused(f"the token names no user ({', '.join(ID_CLAIMS)}).")
    ids = set()
    for name, value in found.items():
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not _ID.fullmatch(text):
            raise refused(f"the token's {name} is not a user id.")
        ids.add(int(text))
    if len(ids) > 1:
        raise refused(f"the token names different users in {' and '.join(found)}.")
    return ids.pop()


def expiry_of(claims: Mapping[str, Any]) -> float:
    """Unix seconds when the token ends. PyJWT has compared it with the clock.

    Raises:
        AuthenticationFailed: there is none; a token for ever is not accepted.
    """
    try:
        expires_at = float(claims["exp"])
    except (KeyError, TypeError, ValueError) as err:
        raise refused("the token has no expiry.") from err
    if not math.isfinite(expires_at):
        raise refused("the token has no expiry.")
    return expires_at


def check_use(claims: Mapping[str, Any]) -> None:
    """The token was issued for access, and for a user.

    Raises:
        AuthenticationFailed: a refresh token, or a subject of another model.
    """
    if claims.get("type", "access") != "access":
        raise AuthenticationFailed("the token is not an access token.", code="token_type")
    if claims.get("prv", PRV) != PRV:
        raise refused("the token was issued for something other than a user.")


def refused(reason: str) -> AuthenticationFailed:
    return AuthenticationFailed(reason, code="token_invalid")
