"""The first page: what the cluster carries and carried in the last hour, and whether everything is well."""

from typing import Any

from flask import Response, jsonify, request
from flask_admin import expose

from mechamap.domain.errors import NotFound, Unavailable
from mechamap.hub.statistics import Overview as Statistics
from mechamap.services import Services

from . import hour
from .gate import LiveView
from .outcomes import GOOD, outcomes
from .permissions import Permission, PermissionMissing
from .snapshot import take

BUSIEST = 8


class Overview(LiveView):
    permission = Permission.VIEW
    fragments = ("problem", "totals", "health", "busiest", "workers", "outcomes")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Overview", endpoint="console", url="/admin")
        self.live_views: dict[str, LiveView] = {}

    def facts(self) -> dict[str, Any]:
        snapshot = take(self.services)
        statistics = self._statistics()
        measured = {each.record.id: each.pulse for each in statistics.workers} if statistics else {}
        return {
            "snapshot": snapshot,
            "statistics": statistics,
            "measured": measured,
            "hour": hour.columns(statistics),
            "busiest": snapshot.channels[:BUSIEST],
            "outcomes": outcomes(statistics.total if statistics else None),
            "good_codes": GOOD,
            "demo": self.services.settings.demo,
        }

    def live(self) -> dict[str, Any]:
        facts = self.facts()
        return {**self.renewed(facts), "hour": facts["hour"]}

    def _statistics(self) -> Statistics | None:
        try:
            return self.services.operations.statistics()
        except Unavailable:
            return None  # the snapshot says why

    @expose("/")
    def index(self) -> Response:
        return self.page("overview", **self.facts())

    @expose("/live.json")
    def live_json(self) -> Response:
        """The parts of the page that ``?page=`` names: one path for all, which the request log leaves out."""
        view = self.live_views.get(request.args.get("page", self.endpoint))
        if view is None:
            raise NotFound("No live page has this name.", code="page_unknown")
        if not self.may(view.permission):
            raise PermissionMissing(view.permission)
        return jsonify(view.live())
