"""The audit log, newest first, a page at a time."""

from flask import Response, request
from flask_admin import expose

from mechamap.domain.errors import Unavailable
from mechamap.services import Services

from .gate import ConsoleView
from .permissions import Permission

PAGE = 50
LAST = 200
"""Pages one can leaf to: 10,000 rows back. An offset costs what it skips; older rows are in ``rt_audit_log``.
"""


class Audit(ConsoleView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Audit", endpoint="audit", url="audit")

    @expose("/")
    def index(self) -> Response:
        number = min(max(request.args.get("page", 1, type=int), 1), LAST)
        problem, rows = None, []
        try:
            rows = self.services.audit.recent(limit=PAGE + 1, offset=(number - 1) * PAGE)
        except Unavailable as err:
            problem = err
        return self.page(
            "audit",
            rows=rows[:PAGE],
            more=len(rows) > PAGE and number < LAST,
            number=number,
            db_problem=problem,
            zone=self.services.settings.app_timezone,
        )
