"""A network between the workers and Redis that can be cut, or carry nothing for a while."""

import random
import socket
from contextlib import suppress

import gevent
import gevent.event
from gevent.server import StreamServer


class Proxy:
    """Forwards TCP connections to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._cut = False
        self._flowing = gevent.event.Event()
        self._flowing.set()
        self._stranded = self._flowing
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def cut(self) -> None:
        """End every connection and take no new one."""
        self._cut = True
        self._break(list(self._pairs))

    def cut_some(self, dice: random.Random) -> None:
        """End every connection with a chance of one half; new ones are taken."""
        self._break([pair for pair in list(self._pairs) if dice.random() < 0.5])

    def stall(self) -> None:
        """Carry nothing, and lose nothing."""
        self._flowing.clear()

    def strand(self) -> None:
        """Carry nothing on the connections that are there now, and lose nothing; new ones are carried."""
        self._stranded, self._flowing = self._flowing, gevent.event.Event()
        self._stranded.clear()
        self._flowing.set()

    def heal(self) -> None:
        self._cut = False
        self._stranded.set()
        self._flowing.set()

    def stop(self) -> None:
        self._server.stop()
        self.heal()
        self.cut()
        while self._pairs:  # until each has closed its sockets
            gevent.sleep(0.001)

    def _serve(self, near: socket.socket, address: object) -> None:
        if self._cut:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=2)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (near, far)
        self._pairs.add(pair)
        flowing = self._flowing
        back = gevent.spawn(self._carry, far, near, flowing)
        self._carry(near, far, flowing)
        back.join()
        self._pairs.discard(pair)
        near.close()
        far.close()

    def _carry(self, source: socket.socket, sink: socket.socket, flowing: gevent.event.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                flowing.wait()
                sink.sendall(data)
        self._break([(source, sink)])

    @staticmethod
    def _break(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
        for pair in pairs:
            for sock in pair:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
