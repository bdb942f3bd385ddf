"""Publishers' keys: make one (its secret is shown once), see what lives, end one."""

import re
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.errors import InvalidField, NotFound, RealtimeError, Unavailable
from mechamap.services import Services

from .gate import ConsoleView
from .permissions import READING, Permission


class Keys(ConsoleView):
    permission = Permission.ADMINISTER

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Keys", endpoint="keys", url="keys")

    @expose("/")
    def index(self) -> Response:
        return self._listed({"name": "", "scopes": ""}, None)

    @expose("/create", methods=("POST",))
    def create(self) -> Response:
        """The answer to the POST shows the secret: a redirect would carry it in a cookie or an address."""
        fields = {name: request.form.get(name, "").strip() for name in ("name", "scopes")}
        scopes = [scope for scope in re.split(r"[\s,]+", fields["scopes"]) if scope]
        try:
            row, secret = self.act(
                "keys.create",
                f"key:{fields['name']}",
                lambda: self.services.api_keys.create(fields["name"], scopes, self.actor),
                lambda made: f"scopes {', '.join(made[0].scopes) or 'every channel'}",
            )
        except RealtimeError as err:
            return self._listed(fields, err, err.http_status)
        return self.page("key_created", 201, row=row, secret=secret, base_url=self.services.settings.base_url)

    @expose("/<int:key_id>/revoke", methods=("GET", "POST"))
    def revoke(self, key_id: int) -> Any:
        """Ask first (GET), then end the key (POST)."""
        row = next((row for row in self.services.api_keys.list() if row.id == key_id), None)
        if row is None:
            raise NotFound("No key has this number.", code="key_not_found")
        if request.method in READING:
            return self.page("revoke_key", row=row)
        self.act(
            "keys.revoke",
            f"key:{row.name}",
            lambda: self.services.api_keys.revoke(key_id),
            lambda ended: ended.prefix,
        )
        return self.done(
            f"The key {row.name} is revoked; requests with it are refused within seconds.", "keys.index"
        )

    def _listed(self, fields: dict[str, str], error: RealtimeError | None, status: int = 200) -> Response:
        problem, rows = None, []
        try:
            rows = self.services.api_keys.list()
        except Unavailable as err:
            problem = err
        return self.page(
            "keys",
            status,
            rows=sorted(rows, key=lambda row: not row.live),
            fields=fields,
            error=error,
            field=error.field if isinstance(error, InvalidField) else None,
            db_problem=problem,
            configured=len(self.services.settings.api_keys),
            base_url=self.services.settings.base_url,
        )
