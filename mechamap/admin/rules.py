"""Who may join what: the rules that the server applies, the ladder of roles, and the limits."""

from dataclasses import dataclass

from flask import Response, request
from flask_admin import expose

from mechamap.domain.access import Decision
from mechamap.domain.errors import InvalidField, RealtimeError
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.domain.roles import Level
from mechamap.domain.rules import table
from mechamap.services import Services

from .gate import ConsoleView
from .permissions import Permission


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one user and one channel now; ``error`` when the question cannot be answered."""

    user_id: str
    channel: str
    user: UserFacts | None = None
    decision: Decision | None = None
    error: RealtimeError | None = None


class Rules(ConsoleView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Rules", endpoint="rules", url="rules")

    @expose("/")
    def index(self) -> Response:
        settings = self.services.settings
        roles = settings.ladder.levels
        ladder = [
            (level, sorted(role for role in roles if roles[role] is level))
            for level in sorted(Level, reverse=True)
        ]
        return self.page("rules", rules=table(), ladder=ladder, settings=settings, verdict=self._verdict())

    def _verdict(self) -> Verdict | None:
        """The answer to ``?user=2&channel=forum.1``, by the rules and facts that the user would meet."""
        user_id, channel = (request.args.get(name, "").strip()[:250] for name in ("user", "channel"))
        if not user_id and not channel:
            return None
        try:
            if not (user_id.isascii() and user_id.isdigit() and len(user_id) < 20):
                raise InvalidField("user", "The user's id is a whole number.")
            wanted = self.services.parse_channel(channel)
            user = self.services.directory.user(int(user_id))
            if user is None and self.services.directory.knows_users():
                raise InvalidField(
                    "user", "No user has this id; their token is refused.", code="user_unknown"
                )
            role, name = (user.role, user.name) if user else (None, None)
            identity = Identity(int(user_id), role, name, TokenKind.JWT, None, "")
            return Verdict(user_id, channel, user, self.services.judge.decide(identity, wanted))
        except RealtimeError as err:
            return Verdict(user_id, channel, error=err)
