"""Publishers' keys: made (a secret is shown once), listed, given other scopes or secrets, revoked."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.auth.keyring import names_in_settings
from mechamap.auth.scopes import Reach, reach
from mechamap.domain.acts import Act
from mechamap.domain.errors import Conflict, InvalidField, NotFound, RealtimeError, Unavailable
from mechamap.domain.scopes import checked_scopes
from mechamap.services import Services
from mechamap.store.keys import KeyRecord

from .gate import ConsoleView
from .permissions import READING, Permission, needs

KEEP = {"0": "not at all", "3600": "1 hour", "86400": "1 day", "604800": "7 days", "2592000": "30 days"}
"""Seconds that the secret before a rotation may go on, as the form offers them."""


class Keys(ConsoleView):
    permission = Permission.ADMINISTER

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Keys", endpoint="keys", url="keys")

    @expose("/")
    def index(self) -> Response:
        return self._listed({"name": "", "scopes": ""}, None)

    @expose("/create", methods=("POST",))
    @needs(Permission.ADMINISTER, Act.KEY_CREATE)
    def create(self) -> Response:
        """The answer to the POST shows the secret: a redirect would carry it in a cookie or an address."""
        fields = {name: request.form.get(name, "").strip() for name in ("name", "scopes")}
        scopes = _scopes(fields["scopes"])
        try:
            if request.form.get("step") == "preview":
                return self._listed(fields, None, preview=self._reach(checked_scopes(scopes)))
            row, secret = self.act(
                f"key:{fields['name']}",
                lambda: self.services.api_keys.create(fields["name"], scopes, self.actor),
                lambda made: f"scopes {_named(made[0].scopes)}",
            )
        except RealtimeError as err:
            return self._listed(fields, err, err.http_status)
        return self._shown(row, secret, 201)

    @expose("/<int:key_id>/scopes", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.KEY_SCOPES)
    def scopes(self, key_id: int) -> Any:
        """Write them (GET), see what they reach (POST ``step=preview``), keep them (POST ``step=save``)."""
        row = self._current(key_id)
        if request.method in READING:
            return self.page(
                "key_scopes", row=row, text="\n".join(row.scopes), before=self._reach(row.scopes)
            )
        text, error = request.form.get("scopes", "").strip(), None
        try:
            wanted = checked_scopes(_scopes(text))
        except InvalidField as err:
            error, wanted = err, []
        if error is not None or request.form.get("step") != "save":
            return self.page(
                "key_scopes",
                422 if error else 200,
                row=row,
                text=text,
                error=error,
                before=self._reach(row.scopes),
                after=None if error else self._reach(wanted),
            )
        self.act(
            f"key:{row.name}",
            lambda: self.services.api_keys.rescope(key_id, wanted),
            lambda kept: f"{_named(row.scopes)} → {_named(kept.scopes)}",
        )
        return self.done(f"The key {row.name} has new scopes; they count within seconds.", "keys.index")

    @expose("/<int:key_id>/rotate", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.KEY_ROTATE)
    def rotate(self, key_id: int) -> Any:
        """Ask how long the present secret goes on (GET), then make and show the new one (POST)."""
        row = self._current(key_id)
        if request.method in READING:
            return self._rotating(row, None)
        chosen = request.form.get("keep", "")
        try:
            if chosen not in KEEP:
                raise InvalidField("keep", "keep must be one of the lengths of time that are offered.")
            new, secret, before = self.act(
                f"key:{row.name}",
                lambda: self.services.api_keys.rotate(key_id, timedelta(seconds=int(chosen)), self.actor),
                lambda made: f"{made[2].prefix} goes on: {KEEP[chosen]}; now {made[0].prefix}",
            )
        except (InvalidField, Conflict) as err:
            return self._rotating(row, err)
        return self._shown(new, secret, 200, before)

    @expose("/<int:key_id>/revoke", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.KEY_REVOKE)
    def revoke(self, key_id: int) -> Any:
        """Ask first (GET), then end the key, or one secret it had before (POST)."""
        row = self._found(key_id, lambda row: True)
        if request.method in READING:
            return self.page("revoke_key", row=row, rate=self._rate(row), reach=self._reach(row.scopes))
        self.act(
            f"key:{row.name}",
            lambda: self.services.api_keys.revoke(key_id),
            lambda ended: ended.prefix,
        )
        what = "key" if row.current else "old secret of the key"
        return self.done(
            f"The {what} {row.name} is revoked; requests with it are refused within seconds.", "keys.index"
        )

    def _current(self, key_id: int) -> KeyRecord:
        return self._found(key_id, lambda row: row.live and row.current)

    def _found(self, key_id: int, fits: Callable[[KeyRecord], bool]) -> KeyRecord:
        row = next((row for row in self.services.api_keys.list() if row.id == key_id and fits(row)), None)
        if row is None:
            raise NotFound("No key has this number.", code="key_not_found")
        return row

    def _rotating(self, row: KeyRecord, error: RealtimeError | None) -> Response:
        status = error.http_status if error is not None else 200
        return self.page("rotate_key", status, row=row, keep=KEEP, rate=self._rate(row), error=error)

    def _shown(self, row: KeyRecord, secret: str, status: int, before: KeyRecord | None = None) -> Response:
        base_url = self.services.settings.base_url
        return self.page("key_created", status, row=row, secret=secret, before=before, base_url=base_url)

    def _listed(
        self,
        fields: dict[str, str],
        error: RealtimeError | None,
        status: int = 200,
        preview: Reach | None = None,
    ) -> Response:
        problem, rows = None, []
        try:
            rows = self.services.api_keys.list()
        except Unavailable as err:
            problem = err
        return self.page(
            "keys",
            status,
            live=sorted((row for row in rows if row.live), key=lambda row: (row.name, not row.current)),
            past=[row for row in rows if not row.live],
            rates=self._rates(),
            fields=fields,
            error=error,
            field=error.field if isinstance(error, InvalidField) else None,
            preview=preview,
            db_problem=problem,
            configured=names_in_settings(self.services.settings),
            base_url=self.services.settings.base_url,
        )

    def _rates(self) -> Mapping[str, int] | None:
        """Events of the last minute by key; None when the cluster cannot be asked."""
        try:
            return self.services.rates.last_minute()
        except Unavailable:
            return None

    def _rate(self, row: KeyRecord) -> int | None:
        rates = self._rates()
        return None if rates is None else rates.get(f"key:{row.name}", 0)

    def _reach(self, scopes: tuple[str, ...] | list[str]) -> Reach:
        """What they reach; of channels with subscribers none are named while the cluster cannot be asked."""
        try:
            live = [row.name for row in self.services.operations.channels()]
        except Unavailable:
            live = []
        return reach(scopes, live)


def _scopes(text: str) -> list[str]:
    return [scope for scope in re.split(r"[\s,]+", text) if scope]


def _named(scopes: tuple[str, ...]) -> str:
    return ", ".join(scopes) or "every channel"
