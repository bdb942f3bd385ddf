"""``flask broadcast``: publish one event, as an operator."""

import sys
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidRequest, PayloadTooLarge
from mechamap.domain.wire import read_broadcast

from .cluster import operations_of
from .command import Command, json_option, pass_services
from .printing import counted, note, print_json
from .trail import audited

if TYPE_CHECKING:
    from mechamap.services import Services

ORIGIN = "cli"


@click.command("broadcast", cls=Command)
@click.argument("channel")
@click.argument("event")
@click.argument("data", metavar="JSON")
@json_option
@pass_services
def command(services: "Services", channel: str, event: str, data: str, as_json: bool) -> None:
    """Publish an event to a channel.

    JSON is the event's data; a dash reads it from standard input.

    \b
    flask broadcast public.announcements notice '{"text": "Back at 5 pm"}'
    flask broadcast private-user.22 notification.sent - < notification.json
    """
    value = read_data(data, services.settings.max_broadcast_bytes)
    body = {"channel": channel, "event": event, "data": value}
    # what is malformed is said here, also while no server runs
    read_broadcast(body, ORIGIN, parse=services.parse_channel)
    with audited(services.audit, Act.EVENT_PUBLISH, f"channel:{channel}", detail=f"event: {event}"):
        receipt = operations_of(services).publish(body, ORIGIN)
    if as_json:
        print_json({"id": receipt.id, "channel": channel, "event": event, "subscribers": receipt.total})
        return
    click.echo(f"Published {event} to {channel}: {counted(receipt.total, 'subscriber')}, id {receipt.id}")
    if not receipt.total:
        note("Nobody is subscribed to this channel at the moment; `flask channels list` shows who is where.")


def read_data(text: str, limit: int) -> object:
    """The JSON value of an argument, or of standard input for a dash.

    Raises:
        PayloadTooLarge: checked before it is parsed, by the size it has as text.
        InvalidRequest: not JSON.
    """
    import msgspec

    body = sys.stdin.buffer.read(limit + 1) if text == "-" else text.encode(errors="surrogateescape")
    if len(body) > limit:
        raise PayloadTooLarge("JSON", len(body), limit)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise InvalidRequest(
            f'JSON cannot be read: {err}. Mind the shell\'s quotes, as in \'{{"text": "hello"}}\'.'
        ) from err
