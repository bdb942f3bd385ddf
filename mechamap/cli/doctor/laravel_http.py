"""Laravel over HTTP: does it answer as it should to a token and a channel that do not exist."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mechamap.settings import ChannelAuth, SanctumMode, Settings

from .finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from mechamap.auth.sanctum_modes import SanctumModes
    from mechamap.laravel.client import Answer

AREA = "Laravel over HTTP"
NOBODY = "0|doctor"
_JSON = {"Accept": "application/json", "X-Requested-With": "XMLHttpRequest"}
_MEND = {
    "unreachable": "Mend the address, or start Laravel.",
    "certificate": "Give Laravel a certificate that this machine trusts.",
    "timeout": "See why Laravel takes so long.",
}


def examine(settings: Settings, sanctum: "SanctumModes") -> Iterator[Finding]:
    """What there is to say of LARAVEL_API_URL, SANCTUM_MODE and CHANNEL_AUTH."""
    if settings.laravel_api_url is not None:
        mode = sanctum.in_use()
        said = f"SANCTUM_MODE is {settings.sanctum_mode.value}; in use is {mode.value}."
        if settings.sanctum_mode is SanctumMode.AUTO and mode is SanctumMode.HTTP:
            yield warn(
                AREA, "mode", f"{said} The database has no table of Sanctum tokens, or is away.", "Mend it."
            )
        else:
            yield ok(AREA, "mode", said)
        if settings.sanctum_mode is not SanctumMode.DB:
            yield _tokens(settings)
    if ChannelAuth.LARAVEL in settings.channel_auth:
        yield _channels(settings)


def _tokens(settings: Settings) -> Finding:
    from mechamap.auth.sanctum_http import VERIFY_PATH
    from mechamap.laravel.client import Body
    from mechamap.laravel.users import blames_key

    key = settings.laravel_api_key
    headers = {**_JSON, "Content-Type": "application/json", **({"X-WebSocket-API-Key": key} if key else {})}
    answer = _ask(f"{settings.laravel_api_url}{VERIFY_PATH}", json.dumps({"token": NOBODY}).encode(), headers)
    name = "tokens"
    if isinstance(answer, Finding):
        return answer
    if answer.status in (401, 403) and blames_key(answer.body):
        return fail(
            AREA, name, "Laravel refuses LARAVEL_API_KEY.", "Compare it with WEBSOCKET_API_KEY_HASH there."
        )
    if answer.status in (400, 401) and answer.kind is Body.JSON:
        return ok(AREA, name, "Laravel verifies tokens.")
    if answer.status == 429:
        return warn(AREA, name, "Laravel's limit of questions is reached.", "Raise it for this address.")
    said = f"Laravel answers {answer.status} ({answer.kind.value}) to a token that does not exist."
    return fail(
        AREA, name, said, f"LARAVEL_API_URL with {VERIFY_PATH} must be the route that verifies tokens."
    )


def _channels(settings: Settings) -> Finding:
    url = settings.broadcasting_auth_url or ""
    form = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}
    answer = _ask(url, b"channel_name=private-doctor&socket_id=1.1", form)
    name = "channels"
    if isinstance(answer, Finding):
        return answer
    if answer.status in (401, 403):
        return ok(AREA, name, f"Laravel refuses strangers with {answer.status}.")
    said = f"Laravel answers {answer.status} ({answer.kind.value}) to a stranger."
    if answer.status == 200:
        mend = "Its BROADCAST_CONNECTION must not be log or null, and its route must ask who calls."
        return fail(AREA, name, said, mend)
    if answer.status == 419:
        return fail(AREA, name, said, "Except broadcasting/auth from CSRF protection, or use auth:sanctum.")
    return fail(AREA, name, said, "LARAVEL_AUTH_URL must be the route of Broadcast::routes().")


def _ask(url: str, body: bytes, headers: dict[str, str]) -> "Answer | Finding":
    from mechamap.laravel.client import LaravelClient, NoAnswer

    try:
        return LaravelClient(url).post(body, headers)
    except NoAnswer as err:
        said = f"{url} does not answer ({err.trouble.value})."
        return fail(AREA, "answer", said, _MEND.get(err.trouble.value, ""))
