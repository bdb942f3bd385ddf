"""A Laravel site without pages: the shipped PHP on the real Illuminate packages, one process per call."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.processes import ROOT, clean_environment, program

SHIPPED = ROOT / "docs" / "laravel"
SITE = Path(__file__).with_name("site.php")
PACKAGES = (
    "php-cli php-curl php-sqlite3 php-illuminate-http php-illuminate-database php-illuminate-config "
    "php-illuminate-log php-guzzlehttp-guzzle php-vlucas-phpdotenv"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call did.

    Attributes:
        returned: the method's own result.
        seconds: how long the visitor would have waited.
        stored: rows in the site's table of notifications afterwards.
        log: everything the site logged.
    """

    returned: bool
    seconds: float
    stored: int
    log: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose `.env` says these two things."""

    url: str
    key: str

    def broadcast(self, channel: str, event: str, data: dict[str, Any]) -> Outcome:
        """`NodeJsBroadcastService::broadcast`; an empty `data` reaches PHP as `[]`."""
        return self._call("broadcast", channel, event, data)

    def broadcast_latin1(self, channel: str, event: str) -> Outcome:
        """The same with text that is not UTF-8, which Python could not hand over."""
        return self._call("broadcast-latin1", channel, event)

    def tinker(self, line: str) -> Outcome:
        """One line of PHP as `php artisan tinker` would run it."""
        return self._call("tinker", line)

    def notify(
        self, user_id: int, type: str, title: str, message: str, data: dict[str, Any], channels: list[str]
    ) -> Outcome:
        """`UnifiedNotificationService::send` to a new user of that id, in an empty database."""
        return self._call("notify", user_id, type, title, message, data, channels)

    def _call(self, method: str, *arguments: Any) -> Outcome:
        ran = subprocess.run(
            [program("php"), "-d", "display_errors=stderr", SITE, method],
            input=json.dumps(arguments),
            env=clean_environment(NODEJS_BROADCAST_URL=self.url, WEBSOCKET_API_KEY=self.key),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if ran.returncode:
            raise RuntimeError(f"PHP failed (it needs the packages {PACKAGES}):\n{ran.stderr}{ran.stdout}")
        return Outcome(**json.loads(ran.stdout), log=ran.stderr)
