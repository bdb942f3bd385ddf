"""The apps that may sign: the one of the settings and those of our table."""

import time
from collections.abc import Callable

from mechamap.domain.apps import App
from mechamap.domain.errors import Forbidden, NotFound, Unavailable
from mechamap.domain.pusher_signature import AppKey
from mechamap.settings import Settings
from mechamap.store.apps import Apps
from mechamap.store.refreshed import Refreshed

from .keyring import AGAIN_SECONDS, PATIENCE, REFRESH_SECONDS


class AppRegistry:
    """Implements ``auth.protocol.AppDirectory``.

    While our database is away the apps last seen stay known. The app of the settings never touches it, and
    goes before one of the table with its id.
    """

    def __init__(self, settings: Settings, apps: Apps, clock: Callable[[], float] = time.monotonic) -> None:
        self._fixed = {app.id: app for app in settings.apps}
        self._clock = clock
        self._table: Refreshed[dict[str, App]] = Refreshed(apps.all, REFRESH_SECONDS, PATIENCE)
        self._looked_again = float("-inf")

    def find(self, app_id: str) -> App:
        if (fixed := self._fixed.get(app_id)) is not None:
            return fixed
        app = self._in_table().get(app_id)
        if app is None and self._clock() - self._looked_again >= AGAIN_SECONDS:
            # it may have been made a moment ago; unknown ones must not become a query each
            self._looked_again = self._clock()
            self._table.expire()
            app = self._in_table().get(app_id)
        if app is None:
            raise NotFound("There is no app with this id.", code="app_unknown")
        if not app.keys:
            raise Unavailable(
                "The secrets of this app were encrypted under another SECRET_KEY.",
                code="app_secret_unreadable",
            )
        return app

    def signing_keys(self, app_id: str) -> tuple[AppKey, ...]:
        """The keys by which we may sign for an app, newest first.

        Raises:
            NotFound: there is no such app.
            Forbidden: it is disabled.
            Unavailable: its secret cannot be read now.
        """
        app = self.find(app_id)
        if not app.enabled:
            raise Forbidden("The app is disabled.", code="app_disabled")
        return app.keys

    def by_key(self, key: str) -> App:
        for app in self.all():
            if any(each.key == key for each in app.keys):
                return app
        raise NotFound("There is no app with this key.", code="app_unknown")

    def all(self) -> tuple[App, ...]:
        return (*self._fixed.values(), *(a for i, a in self._in_table().items() if i not in self._fixed))

    def _in_table(self) -> dict[str, App]:
        reading = self._table.read()
        if reading.value is None:
            raise Unavailable("The apps cannot be looked up now.", code="apps_unavailable")
        return reading.value
