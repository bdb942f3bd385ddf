"""Apps that sign as to Pusher: made (a secret is shown once), given other keys, switched off, deleted."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, RealtimeError, Unavailable
from mechamap.services import Services
from mechamap.store.apps import AppRecord

from .gate import ConsoleView
from .permissions import READING, Permission, needs

FIELDS = ("name", "id", "key")


class Apps(ConsoleView):
    permission = Permission.ADMINISTER

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Apps", endpoint="apps", url="apps")

    @expose("/")
    def index(self) -> Response:
        return self._listed(dict.fromkeys(FIELDS, ""), None)

    @expose("/create", methods=("POST",))
    @needs(Permission.ADMINISTER, Act.APP_CREATE)
    def create(self) -> Response:
        """The answer to the POST shows the secret; one that was brought along is not shown again."""
        fields = {name: request.form.get(name, "").strip() for name in FIELDS}
        given, legacy = request.form.get("secret", "").strip() or None, "legacy" in request.form
        try:
            record, pair = self.act(
                f"app:{fields['name']}",
                lambda: self.services.apps.create(
                    fields["name"],
                    self.actor,
                    app_id=fields["id"] or None,
                    key=fields["key"] or None,
                    secret=given,
                    legacy=legacy,
                ),
                lambda made: f"id {made[0].app_id}{', legacy' if legacy else ''}",
            )
        except RealtimeError as err:
            return self._listed(fields, err, err.http_status)
        return self.page("app_key", 201, row=record, pair=pair, brought=given is not None, made=True)

    @expose("/<app_id>/rotate", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.APP_ROTATE)
    def rotate(self, app_id: str) -> Any:
        """Ask first (GET), then make and show a key beside those there are (POST)."""
        row = self.services.apps.find(app_id)
        if request.method in READING:
            return self._asked("rotate", row)
        same_key = "same_key" in request.form
        record, pair = self.act(
            f"app:{row.name}",
            lambda: self.services.apps.rotate(row.app_id, same_key=same_key),
            lambda made: f"{'a new secret under' if same_key else 'now'} {made[1].key}",
        )
        return self.page("app_key", row=record, pair=pair, brought=False, made=False)

    @expose("/<app_id>/finish", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.APP_FINISH)
    def finish(self, app_id: str) -> Any:
        """Ask first (GET), then drop all keys but the newest (POST)."""
        row = self.services.apps.find(app_id)
        if request.method in READING:
            return self._asked("finish", row)
        self.act(
            f"app:{row.name}",
            lambda: self.services.apps.finish(row.app_id),
            lambda kept: f"{kept.keys[0]} only",
        )
        return self._done(row, "has its newest key only")

    @expose("/<app_id>/disable", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.APP_DISABLE)
    def disable(self, app_id: str) -> Any:
        """Ask first (GET), then refuse its calls (POST)."""
        return self._switched(app_id, enabled=False)

    @expose("/<app_id>/enable", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.APP_ENABLE)
    def enable(self, app_id: str) -> Any:
        """Ask first (GET), then take its calls again (POST)."""
        return self._switched(app_id, enabled=True)

    @expose("/<app_id>/delete", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.APP_DELETE)
    def delete(self, app_id: str) -> Any:
        """Ask first (GET), then remove it with its secrets (POST)."""
        row = self.services.apps.find(app_id)
        if request.method in READING:
            return self._asked("delete", row)
        self.act(
            f"app:{row.name}",
            lambda: self.services.apps.delete(row.app_id),
            lambda gone: f"id {gone.app_id}",
        )
        return self._done(row, "is deleted")

    def _switched(self, app_id: str, *, enabled: bool) -> Any:
        row = self.services.apps.find(app_id)
        act = "enable" if enabled else "disable"
        if request.method in READING:
            return self._asked(act, row)
        self.act(
            f"app:{row.name}",
            lambda: self.services.apps.switch(row.app_id, enabled=enabled),
            lambda changed: f"id {changed.app_id}",
        )
        return self._done(row, f"is {act}d")

    def _asked(self, act: str, row: AppRecord) -> Response:
        rates = self._rates()
        rate = None if rates is None else rates.get(f"app:{row.app_id}", 0)
        return self.page("app_act", act=act, row=row, rate=rate)

    def _done(self, row: AppRecord, what: str) -> Any:
        return self.done(f"The app {row.name} {what}; servers follow within seconds.", "apps.index")

    def _listed(self, fields: dict[str, str], error: RealtimeError | None, status: int = 200) -> Response:
        problem, rows, unreadable = None, [], frozenset()
        try:
            rows = self.services.apps.list()
            unreadable = frozenset(app.id for app in self.services.apps.all().values() if not app.keys)
        except Unavailable as err:
            problem = err
        settings = self.services.settings
        return self.page(
            "apps",
            status,
            rows=rows,
            unreadable=unreadable,
            configured=settings.apps,
            rates=self._rates(),
            fields=fields,
            error=error,
            field=error.field if isinstance(error, InvalidField) else None,
            db_problem=problem,
            api_url=f"{settings.base_url}{settings.pusher_path}",
        )

    def _rates(self) -> Mapping[str, int] | None:
        """Events of the last minute by publisher; None when the cluster cannot be asked."""
        try:
            return self.services.rates.last_minute()
        except Unavailable:
            return None
