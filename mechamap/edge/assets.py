"""The two files that pages of other sites load from here: browsers keep them, and any site may use them."""

from flask import Flask, Response, request

SHARED = frozenset({"js/mechamap.js", "vendor/socket.io.min.js"})
"""Below ``/static/``. Everything else there is for our own pages and asked for anew at each."""
KEPT_SECONDS = 3600
"""A page that is opened within it asks nothing. After an update pages may have the old files this long; both
sides of the contract with browsers are kept, so that does no harm."""


def init_app(app: Flask) -> None:
    """Install the hook."""

    @app.after_request
    def keep(response: Response) -> Response:
        if request.endpoint == "static" and (request.view_args or {}).get("filename") in SHARED:
            response.cache_control.no_cache = None
            response.cache_control.public = True
            response.cache_control.max_age = KEPT_SECONDS
            # sites that isolate themselves (Cross-Origin-Embedder-Policy) load nothing without it
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response
