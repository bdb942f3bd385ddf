"""The audit log, newest first, a page at a time, filtered, and as a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, Unavailable
from mechamap.services import Services
from mechamap.store.audit import AuditFilter

from .gate import ConsoleView
from .permissions import Permission

PAGE = 50
LAST = 200
"""Pages one can leaf to: 10,000 rows back. An offset costs what it skips; a filter finds older rows."""
EXPORTED = 100_000
"""Rows of one file; the next begins with the day of the last row."""
MAX_TERM = 191
TERMS = ("actor", "action", "target", "outcome")
DAYS = ("since", "until")


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter as the form has it, and the query string that repeats it."""

    fields: dict[str, str]
    wanted: AuditFilter
    error: InvalidField | None = None

    @property
    def query(self) -> dict[str, str]:
        return {name: value for name, value in self.fields.items() if value}


class Audit(ConsoleView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Audit", endpoint="audit", url="audit")

    @expose("/")
    def index(self) -> Response:
        number = min(max(request.args.get("page", 1, type=int), 1), LAST)
        asked, problem, rows = self._asked(), None, []
        try:
            if asked.error is None:
                rows = self.services.audit.recent(PAGE + 1, (number - 1) * PAGE, wanted=asked.wanted)
        except Unavailable as err:
            problem = err
        return self.page(
            "audit",
            422 if asked.error else 200,
            rows=rows[:PAGE],
            more=len(rows) > PAGE and number < LAST,
            number=number,
            asked=asked,
            acts=Act,
            db_problem=problem,
            zone=self.services.settings.app_timezone,
            days=self.services.settings.audit_days,
        )

    @expose("/export")
    def export(self) -> Response:
        """What the filter finds, as JSON lines. A last line tells if that is not all."""
        asked = self._asked()
        if asked.error is not None:
            raise asked.error
        name = f"audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        return Response(self._lines(asked.wanted), mimetype="application/x-ndjson", headers=headers)

    def _lines(self, wanted: AuditFilter) -> Iterator[str]:
        written = 0
        try:
            for row in self.services.audit.each(wanted, EXPORTED + 1):
                if written == EXPORTED:
                    yield _line({"incomplete": f"The limit is {EXPORTED} rows; ask for the time before."})
                    return
                written += 1
                yield _line(row.public())
        except Unavailable as err:  # the status is on its way already
            yield _line({"incomplete": err.message, "code": err.code})

    def _asked(self) -> Asked:
        fields = {name: request.args.get(name, "").strip()[:MAX_TERM] for name in (*TERMS, *DAYS)}
        terms = {name: fields[name] for name in TERMS}
        zone = ZoneInfo(self.services.settings.app_timezone)
        try:
            since, until = (_day(name, fields[name]) for name in DAYS)
        except InvalidField as err:
            return Asked(fields, AuditFilter(), err)
        wanted = AuditFilter(
            **terms,
            since=None if since is None else _midnight(since, zone),
            until=None if until is None else _midnight(until + timedelta(days=1), zone),
        )
        return Asked(fields, wanted)


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as err:
        raise InvalidField(name, f"{name} must be a day such as 2026-01-31.") from err
    if not 1970 < day.year < 9999:
        raise InvalidField(name, f"{name} is a year without rows.")
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
