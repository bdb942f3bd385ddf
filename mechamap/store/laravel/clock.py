"""The time zone rule of Laravel's TIMESTAMP columns.

Laravel writes the wall clock of ``config('app.timezone')`` as text, through a session whose ``time_zone`` it
never sets. MySQL converts that text by the session's zone on the way in and back on the way out, so the same
text comes back to every session with the same zone, whatever that zone is. Hence: we write the same wall
clock as a literal parameter, leave ``time_zone`` alone, and never use NOW().
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

FORMAT = "%Y-%m-%d %H:%M:%S"


def wall_clock(moment: datetime, zone: str) -> str:
    """What Laravel would write at this moment."""
    return moment.astimezone(ZoneInfo(zone)).strftime(FORMAT)


def instant(written: object, zone: str) -> datetime | None:
    """The moment that a column of Laravel's means, or None when it holds no time (NULL, or MySQL's
    0000-00-00).

    Drivers give a datetime (PyMySQL) or text (SQLite, and PyMySQL for what no calendar has).
    """
    if isinstance(written, str):
        try:
            written = datetime.fromisoformat(written)
        except ValueError:
            return None
    if not isinstance(written, datetime):
        return None
    if written.tzinfo is None:
        written = written.replace(tzinfo=ZoneInfo(zone))
    return written.astimezone(UTC)
