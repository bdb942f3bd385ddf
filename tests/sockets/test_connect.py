"""What a connecting browser is answered."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import offset_text
from mechamap.engine import Postponed
from mechamap.sockets.connecting import Connecting
from tests.hub.conftest import World, build, world  # noqa: F401  (fixtures)
from tests.hub.fakes import identity


class Handler:
    """A Socket.IO server in front of a connect handler: holds what is sent until that has returned."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.meanwhile = lambda: None

    def answer_with(self, sid, fields):
        self.meanwhile()

    def send_to(self, sid, event, *args):
        self.sent.append(event)


class Everybody:
    """Lets in who comes, at any rate."""

    def authenticate(self, token):
        return identity(7)

    def check_signins(self, address):
        """Never too many."""


def test_a_return_that_may_lack_something_after_all_is_to_come_again(world: World):  # noqa: F811
    old = world.connect("old")
    world.hub.subscribe("old", "public.a")
    world.transport.close("old", "transport_close")
    world.hub.disconnect("old", "transport_close")
    channels = (parse_channel("public.a"),)
    other = Publication(channels, "n", payload_of(1), epoch="elsewhen", offset=1)
    handler, everybody = Handler(), Everybody()
    connecting = Connecting(handler, world.hub, everybody, world.facts, everybody, world.meter, (), {})
    auth = {"token": "t", "pid": old.pid, "offset": offset_text(world.broker.position("").epoch, 0)}
    handler.meanwhile = lambda: world.hub.hearing.on_publication(other)
    with pytest.raises(Postponed):
        connecting.on_connect("new", {}, auth)
    assert len(world.hub.connections) == 0
    assert ("connection", "return_overrun") in world.meter.counts
    handler.meanwhile, handler.sent = lambda: None, []
    connecting.on_connect("again", {}, auth)
    assert handler.sent == ["connected"]
    assert world.hub.connections.get("again").pid == old.pid
