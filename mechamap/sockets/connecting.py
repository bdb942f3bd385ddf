"""Who connects: verified, admitted, and greeted, or refused with a reason."""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.auth.protocol import Authenticator
from mechamap.domain.channels import user_channel
from mechamap.domain.credentials import ChannelAuth, Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, RealtimeError, Unavailable
from mechamap.domain.identity import GUEST, Identity, UserFacts
from mechamap.domain.moments import now_iso
from mechamap.domain.recovery import Returning
from mechamap.edge.limits import RateLimits
from mechamap.engine import Postponed
from mechamap.hub.arrivals import Admission
from mechamap.hub.hub import Hub
from mechamap.hub.protocol import Meter
from mechamap.hub.tap import Kind
from mechamap.store.protocol import Directory

from .answers import internal_error
from .handshake import Visitor, credentials_of, dialect_of, returning_of, token_of, visitor_of

if TYPE_CHECKING:
    from mechamap.engine import SocketIO

log = logging.getLogger(__name__)


class Connecting:
    """The connect handler of the namespace ``/``."""

    def __init__(
        self,
        socketio: "SocketIO",
        hub: Hub,
        authenticator: Authenticator,
        directory: Directory,
        limits: RateLimits,
        meter: Meter,
        ways: Collection[ChannelAuth],
        credentials: dict[str, Credentials],
    ) -> None:
        """``ways``: as for ``Events``. ``credentials``: where those of accepted connections are put, where
        Laravel is asked."""
        self._socketio = socketio
        self._hub = hub
        self._authenticator = authenticator
        self._directory = directory
        self._limits = limits
        self._meter = meter
        self._signed = ChannelAuth.SIGNATURE in ways
        self._asked = ChannelAuth.LARAVEL in ways
        self._credentials = credentials

    def on_connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        """Verify, admit, and greet."""
        visitor, returning = visitor_of(environ), returning_of(auth)
        credentials = credentials_of(sid, visitor.address, auth, environ) if self._asked else None
        try:
            self._admit(
                sid, visitor, token_of(auth, environ), returning, dialect_of(auth, environ), credentials
            )
            if credentials is not None and self._hub.connections.get(sid) is not None:
                self._credentials[sid] = credentials
        except RealtimeError as err:
            self._meter.connection(err.code)
            log.info("connection_refused", extra={"code": err.code, "address": visitor.address})
            if self._hub.journal.tap.on:
                about = {"transport": visitor.transport, "address": visitor.address}
                self._hub.journal.tap.note(Kind.REFUSAL, event="connect", code=err.code, sid=sid, **about)
            if returning is not None and isinstance(err, Unavailable):
                raise Postponed from err  # it was in before, and is not to give up for an outage
            raise Refusal(err.message, {"code": err.code, **err.details()}) from err
        except Exception as err:
            self._meter.connection("internal_error")
            answer = internal_error("connect")
            raise Refusal("Internal error", {k: answer[k] for k in ("code", "incident")}) from err

    def _admit(
        self,
        sid: str,
        visitor: Visitor,
        token: object,
        returning: Returning | None,
        dialect: Dialect,
        credentials: Credentials | None,
    ) -> None:
        self._limits.check_signins(visitor.address)
        try:
            # a page of Laravel Echo may be known by its cookies alone, to whom each channel is put
            guest = token is None and dialect is Dialect.ECHO and (self._asked or self._signed)
            identity = GUEST if guest else self._authenticator.authenticate(token)
        except AuthenticationFailed:
            self._limits.note_failed_signin(visitor.address)
            raise
        admission = self._hub.connect(
            sid,
            identity,
            self._facts(identity),
            returning,
            credentials=credentials,
            transport=visitor.transport,
            address=visitor.address,
            user_agent=visitor.user_agent,
            opened_at=visitor.opened_at,
            dialect=dialect,
        )
        self._greet(sid, admission)

    def _facts(self, identity: Identity) -> UserFacts | None:
        """What the directory says of the user; None where it has no table of users, or is away and Laravel
        itself vouched for the user, and of guests."""
        if identity.guest:
            return None
        try:
            return self._directory.user(identity.user_id)
        except DirectoryUnavailable:
            if not identity.vouched:
                raise
            return None

    def _greet(self, sid: str, admission: Admission) -> None:
        """The CONNECT answer's pid, the plan's two events, what became of a return, and what was missed."""
        connection, send, now = admission.connection, self._socketio.send_to, now_iso()
        self._socketio.answer_with(sid, {"pid": connection.pid})
        channels = list(connection.spellings)
        greeting = {"socketId": sid, "userId": connection.user_id, "timestamp": now, "channels": channels}
        if admission.recovered:
            greeting["recovered"] = True
        elif channels:  # guests have none of their own
            place = self._hub.position(user_channel(connection.user_id))
            told = {"channel": channels[0], "status": "auto", "timestamp": now}
            send(sid, "subscribed", {**told, "epoch": place.epoch, "offset": place.offset})
        send(sid, "connected", greeting)
        if admission.lost is not None:
            send(sid, "recovery", {"recovered": False, "reason": admission.lost.value, "timestamp": now})
        elif admission.claim is not None:
            for channel, decision in admission.claim.refused:
                self._hub.tell_revoked(sid, channel, decision, admission.claim.dialect_of(channel))
        given = self._hub.join(admission)
        if admission.recovered:
            log.info("recovered", extra={"user": connection.user_id, "sid": sid, "replayed": given})
