"""The reason an operator gives, which the person at the other end reads."""

from collections.abc import Mapping

from mechamap.domain.errors import InvalidField

DEFAULT_REASON = "An operator closed the connection."
MAX_REASON = 200
"""Characters: one sentence in a browser."""


def reason_given(form: Mapping[str, str]) -> str:
    """The sentence in the field ``reason``; the default one when it is empty.

    Raises:
        InvalidField: too long, or characters that cannot be shown.
    """
    reason = form.get("reason", "").strip() or DEFAULT_REASON
    if len(reason) > MAX_REASON:
        raise InvalidField("reason", f"The reason has {len(reason)} characters; the limit is {MAX_REASON}.")
    if not reason.isprintable():
        raise InvalidField("reason", "The reason holds characters that cannot be shown.")
    return reason
