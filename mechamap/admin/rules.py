"""Who may join what: the rules that the server applies, the ladder of roles, and the limits."""

from flask import Response
from flask_admin import expose

from mechamap.domain.access import table
from mechamap.domain.roles import Level
from mechamap.services import Services

from .gate import ConsoleView


class Rules(ConsoleView):
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
        return self.page("rules", rules=table(), ladder=ladder, settings=settings)
