"""A page of the application, served by Laravel: its bell, list and toast, and its functions that write HTML.

The layout is in its own words; names of elements and functions are the application's, because the script for
pages looks for them.
"""

import socket
import threading
import time

import jwt

from tests.services.laravel_api import Asked, Behaviour, LaravelApi, says

LAYOUT = """<!doctype html>
<html><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<meta name="user-id" content="{user}">
<script src="{server}/static/vendor/socket.io.min.js"></script>
<script src="{server}/static/js/mechamap.js"></script>
<script src="/before.js"></script>
<script src="{server}/static/js/mechamap.js?again"></script>
</head><body>
<a id="notificationDropdown" href="#">Bell {badge}</a>
<div class="notification-list"></div>
<strong class="notification-toast-title"></strong><p class="notification-toast-message"></p>
<script src="/page.js"></script>
</body></html>"""

BEFORE = "window.MechaMapWebSocket = { initialize() { throw new Error('the script before'); } };"
"""The script that this one takes the place of, still loaded by a forgotten layout."""

PAGE = """
var errors = [], told = [], asked = [];
function updateNotificationBadge() {  // counts the rows of its list, as the application's does
  var badge = document.getElementById('notificationBadge');
  var rows = document.querySelectorAll('.notification-item.unread').length;
  if (badge && rows) badge.textContent = rows; else if (badge) badge.remove();
}
function handleNewNotification(one) {
  updateNotificationBadge();
  document.querySelector('.notification-toast-title').textContent = one.title;
  document.querySelector('.notification-toast-message').textContent = one.message;
  document.querySelector('.notification-list').insertAdjacentHTML('afterbegin',
    '<div class="notification-item unread" data-notification-id="' + one.id +
    '" title="' + (one.data || {}).image_url + '"><i class="fa-' + one.icon +
    ' text-' + one.color + '"></i><h6>' + one.title + '</h6><p>' + one.message.substring(0, 100) + '</p>' +
    (one.action_url ? '<a href="' + one.action_url + '">View</a>' : '') + '</div>');
}
function updateNotificationUI(id) {
  document.querySelector('[data-notification-id="' + id + '"]').classList.remove('unread');
}
MechaMapWebSocket.addCallback('onError', function (error) { errors.push(error.data.code); });
MechaMapWebSocket.onNotification(function (one) { told.push(one.title); });
document.addEventListener('DOMContentLoaded', function () {
  MechaMapWebSocket.initialize();
  MechaMapWebSocket.initialize().then(function (socket) {
    document.body.dataset.socket = socket ? socket.id : 'none';
  });
});
"""


class LaravelPage:
    """A Laravel with that page for whoever is signed in. ``server``: address of the real-time server."""

    def __init__(self, secret: str) -> None:
        self.laravel = LaravelApi()
        self.server = ""
        self.badge = ""
        self.user = 2
        self.websocket = True
        """Whether the policy of the page allows one."""
        self.tokens: list[str] = []
        """What the next connections get; when it is used up, good ones."""
        self._secret = secret
        self._lock = threading.Lock()
        self.laravel.route("GET", "/before.js", _script(BEFORE))
        self.laravel.route("GET", "/page.js", _script(PAGE))
        self.laravel.route("GET", "/thread", self._page)
        self.laravel.route("GET", "/api/user/websocket-token", self._token)

    @property
    def url(self) -> str:
        return f"{self.laravel.url}/thread"

    @property
    def asked(self) -> int:
        """How many tokens pages asked for."""
        return sum(asked.path.endswith("websocket-token") for asked in self.laravel.asked)

    def token(self, seconds: float = 3600) -> str:
        now = int(time.time())
        claims = {"userId": self.user, "iat": now - 60, "exp": int(now + seconds)}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def _page(self, connection: socket.socket, asked: Asked) -> None:
        page = LAYOUT.format(server=self.server, user=self.user, badge=self.badge)
        policy = (
            f"default-src 'none'; script-src 'self' {self.server}; img-src data:; "
            f"connect-src 'self' {self.server}"
            + (f" {self.server.replace('http', 'ws', 1)}" if self.websocket else "")
        )
        html = says(page.encode(), content_type="text/html; charset=utf-8", Content_Security_Policy=policy)
        html(connection, asked)

    def _token(self, connection: socket.socket, asked: Asked) -> None:
        with self._lock:
            token = self.tokens.pop(0) if self.tokens else self.token()
        if token:
            answer = says({"success": True, "data": {"token": token, "user_id": self.user}})
        else:
            answer = says({"message": "Unauthenticated."}, 401)
        answer(connection, asked)


def _script(text: str) -> Behaviour:
    return says(text.encode(), content_type="text/javascript")
