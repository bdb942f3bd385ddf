"""Which app calls: by its signature, or, if it may, by its secret as laravel-echo-server took it."""

import hmac
import time
from collections.abc import Callable, Mapping

from mechamap.auth.protocol import AppDirectory
from mechamap.domain.apps import App
from mechamap.domain.errors import Forbidden, NotFound, SignatureRefused
from mechamap.domain.pusher_signature import SignedRequest, check_request, read_query
from mechamap.edge.limits import RateLimits

from .keys import presented


class PusherGate:
    """Admits requests by what their WSGI environ and body say."""

    def __init__(
        self, apps: AppDirectory, limits: RateLimits, mount: str, clock: Callable[[], float] = time.time
    ) -> None:
        """``mount``: the path before ``/apps``, or empty."""
        self._apps = apps
        self._limits = limits
        self._mount = mount
        self._clock = clock

    def admit(
        self, app_id: str | None, environ: Mapping[str, object], address: str | None, body: bytes
    ) -> App:
        """The app that signed the request; without ``app_id``, the one that has the key.

        Raises:
            SignatureRefused: it is not signed, or not rightly.
            NotFound: there is no such app.
            Forbidden: the app is disabled.
            RateLimited: the address tried too many that were not right.
            Unavailable: the apps cannot be looked up.
        """
        return self._counted(address, lambda: self._signed(app_id, environ, body))

    def admit_legacy(self, app_id: str, environ: Mapping[str, object], address: str | None) -> App:
        """The app whose secret is the request's Bearer token or its ``auth_key``.

        Raises: as ``admit``.
        """
        return self._counted(address, lambda: self._by_secret(app_id, environ))

    def _counted(self, address: str | None, find: Callable[[], App]) -> App:
        try:
            app = find()
        except (NotFound, SignatureRefused):
            self._limits.note_failed_key(address)
            raise
        if not app.enabled:
            raise Forbidden("The app is disabled.", code="app_disabled")
        return app

    def _signed(self, app_id: str | None, environ: Mapping[str, object], body: bytes) -> App:
        parameters = parameters_of(environ)
        if app_id is None:
            app = self._apps.by_key(parameters.get("auth_key", ""))
        else:
            app = self._apps.find(app_id)
        request = SignedRequest(str(environ["REQUEST_METHOD"]), self._paths(environ), parameters, body)
        check_request(request, app.keys, self._clock())
        return app

    def _by_secret(self, app_id: str, environ: Mapping[str, object]) -> App:
        app = self._apps.find(app_id)
        if not app.legacy:
            raise SignatureRefused("auth_signature is missing from the query.", code="signature_missing")
        secret = presented(environ) or parameters_of(environ).get("auth_key", "")
        # every secret is compared, each in constant time
        matches = [hmac.compare_digest(key.secret.encode(), secret.encode()) for key in app.keys]
        if not any(matches):
            raise SignatureRefused("Unauthorized", code="key_invalid")
        return app

    def _paths(self, environ: Mapping[str, object]) -> tuple[str, ...]:
        """What the caller may have signed: the path as sent or decoded, with the mount or without it,
        whichever of these a proxy in front of us has left."""
        decoded = _text(environ.get("PATH_INFO"))
        sent = str(environ.get("RAW_URI", decoded)).partition("?")[0]
        found = dict.fromkeys((decoded, sent))
        if self._mount:
            bare = [path.removeprefix(self._mount) for path in found]
            found = dict.fromkeys((*bare, *(self._mount + path for path in bare)))
        return tuple(found)


def parameters_of(environ: Mapping[str, object]) -> dict[str, str]:
    """The query's parameters.

    Raises:
        SignatureRefused
    """
    return read_query(_text(environ.get("QUERY_STRING")))


def _text(value: object) -> str:
    """What WSGI gives as bytes in latin-1 (PEP 3333), as the text it is."""
    return str(value or "").encode("latin-1", "replace").decode("utf-8", "replace")
