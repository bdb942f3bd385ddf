"""The HTTP API described for programs: OpenAPI 3.1, served at ``/api/openapi.json``.

Kept by hand beside docs/API.md, which says why and what else; one module describes the paths of one area. A
test holds it against the routes, and the answers of the application against its schemas.
"""

from .document import blueprint, document

__all__ = ["blueprint", "document"]
