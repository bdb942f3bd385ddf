"""The names of ``subscribe`` and ``unsubscribe``, of which the application's pages use several.

They differ in name, and in how they name the channel, and in nothing else: what they ask for is done,
answered and counted as the event that they stand for.
"""

from collections.abc import Callable

Read = Callable[[tuple[object, ...]], tuple[object, ...]]
"""Makes an event's arguments into those of the event that it stands for. Never raises."""

LONGEST_ID = 200
"""Characters, and more than any id has: what is longer is no id, and is not carried on."""


def as_it_is(args: tuple[object, ...]) -> tuple[object, ...]:
    return args


def of_group(args: tuple[object, ...]) -> tuple[object, ...]:
    """``{group_id}``, or the bare id, as ``{channel: "group.5"}``; all else of the payload stays."""
    payload = args[0] if args else None
    fields = payload if isinstance(payload, dict) else {"group_id": payload}
    rest = {name: value for name, value in fields.items() if name != "group_id"}
    return ({**rest, "channel": group_name(fields.get("group_id"))}, *args[1:])


def group_name(group_id: object) -> str | None:
    """The name of a group's channel, to be parsed like any other; None of what cannot be an id."""
    if isinstance(group_id, int) and not isinstance(group_id, bool) and abs(group_id) < 10**20:
        group_id = str(group_id)
    if not isinstance(group_id, str) or not 0 < len(group_id) <= LONGEST_ID:
        return None
    return f"group.{group_id}"


SUBSCRIBE: dict[str, Read] = {
    "subscribe": as_it_is,
    "subscribe_request": as_it_is,
    "join_channel": as_it_is,
    "join_group": of_group,
}
UNSUBSCRIBE: dict[str, Read] = {"unsubscribe": as_it_is, "leave_channel": as_it_is, "leave_group": of_group}
