"""Why: may this user join that channel, did this event reach that user, why is this token refused."""

import time
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.auth.inspection import TokenReport, authorization_of, inspect
from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, RealtimeError
from mechamap.domain.when import read_moment
from mechamap.hub.event_search import Wanted
from mechamap.hub.explanation import Delivery
from mechamap.hub.joining import Joining
from mechamap.services import Services

from .gate import ConsoleView
from .permissions import Permission, needs

MAX_TOKEN = 8_192
"""Characters that are looked at; tokens are shorter, and longer ones are refused as such."""
SHOWN_CLAIMS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows below its forms: one answer, or why there is none to which question."""

    question: str = ""
    error: RealtimeError | None = None
    joining: Joining | None = None
    delivery: Delivery | None = None
    token: TokenReport | None = None


class Explain(ConsoleView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Explain", endpoint="explain", url="explain")

    @expose("/")
    def index(self) -> Response:
        """The three questions, and the answer to the one that the address asks."""
        asked = request.args.get("ask", "")
        if asked == "join":
            return self._shown(self._answer("join", self._join))
        if asked == "event":
            return self._shown(self._answer("event", self._event))
        return self._shown(Answer())

    @expose("/token", methods=("POST",))
    @needs(Permission.OPERATE, Act.TOKEN_EXPLAIN)
    def token(self) -> Response:
        """Explain the token in the body. It is not kept, logged or sent back."""
        text = request.form.get("token", "").strip()[:MAX_TOKEN]

        def explain() -> Answer:
            if not text:
                raise InvalidField("token", "Paste a token.", code="token_missing")
            return Answer("token", token=inspect(text, self.services.authenticator, self.services.jwts))

        return self._shown(self._answer("token", explain))

    @expose("/laravel", methods=("POST",))
    @needs(Permission.OPERATE, Act.CHANNEL_EXPLAIN)
    def laravel(self) -> Response:
        """Ask Laravel, where it decides on the channel, with the user's own token, which is kept nowhere."""
        return self._shown(self._answer("join", lambda: self._join(request.form.get("token", "").strip())))

    def _answer(self, question: str, explain: Any) -> Answer:
        try:
            answer: Answer = explain()
        except RealtimeError as err:
            return Answer(question, error=err)
        return answer

    def _join(self, token: str | None = None) -> Answer:
        """``token``: the user's, for Laravel."""
        channel = self.services.parse_channel(_field("channel"))
        user_id = _user_id(_field("user"))
        authorization = None
        if token is not None:
            authorization = authorization_of(token[:MAX_TOKEN], user_id, self.services.authenticator)
        joining = self.services.joining.explain(user_id, channel, authorization, request.remote_addr)
        return Answer("join", joining=joining)

    def _event(self) -> Answer:
        channel, at = _field("channel"), _field("at")
        zone = self.services.settings.app_timezone
        wanted = Wanted(
            _field("event"),
            self.services.parse_channel(channel) if channel else None,
            read_moment(at, zone, time.time()) if at else None,
        )
        return Answer("event", delivery=self.services.explaining.delivery(_user_id(_field("user")), wanted))

    def _shown(self, answer: Answer) -> Response:
        fields = {name: _field(name) for name in ("user", "channel", "event", "at")}
        status = answer.error.http_status if answer.error is not None else 200
        return self.page(
            "explain",
            status,
            answer=answer,
            join=fields if answer.question == "join" else {},
            event=fields if answer.question == "event" else {},
            zone=self.services.settings.app_timezone,
            shown_claims=SHOWN_CLAIMS,
        )


def _field(name: str) -> str:
    return request.values.get(name, "").strip()[:250]


def _user_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidField("user", "The user's id is a whole number.", code="user_id_invalid")
    return int(text)
