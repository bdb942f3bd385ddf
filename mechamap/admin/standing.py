"""Who stands behind a session of the console, by whichever door it began."""

from dataclasses import dataclass

from mechamap.auth.signin import Operator
from mechamap.domain.acts import Act
from mechamap.services import Services
from mechamap.store.console_sessions import Ended, SessionRecord


@dataclass(frozen=True, slots=True)
class Present:
    """An operator who still is one, and the session."""

    operator: Operator
    session: SessionRecord


def present(
    services: Services, secret: str, *, polling: bool, address: str | None, request_id: str | None = None
) -> Present | Ended:
    """Who has this session, judged anew, or why it goes on no longer; then it has ended for everybody.

    Raises:
        Unavailable: session or person cannot be asked about now.
    """
    found = services.console_sessions.resume(secret, polling=polling)
    if isinstance(found, Ended):
        return found
    judged = services.sign_in.still(found.user_id, found.password_digest)
    if isinstance(judged, Operator):
        return Present(judged, found)
    if services.console_sessions.end(judged, session_id=found.id):  # by the first of several requests at once
        who, whom = f"admin:{found.user_id}", f"user:{found.user_id}"
        services.audit.record(
            who, Act.SESSION_LOST, whom, outcome=judged.value, address=address, request_id=request_id
        )
    return judged
