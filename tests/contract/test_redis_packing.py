"""The packer writes what redis-py's own writes."""

import pytest
from redis.connection import Connection
from redis.exceptions import DataError

from mechamap.broker.packing import Packer


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("CLUSTER SLOTS",),
        (b"SUBSCRIBE", b"a", "b"),
        ("EVALSHA", "sha", 1, "key", "", b"\r\n$1\r\n", 0, -7, 2**53, 1.5, "đai ốc 🔩"),
        ("SET", "key", b"x" * 100_000, "EX", 5),
        ("SET", "key", bytearray(b"x"), memoryview(b"y")),
    ],
)
def test_a_command_is_packed_as_redis_py_packs_it(command):
    assert b"".join(Packer().pack(*command)) == b"".join(Connection().pack_command(*command))


@pytest.mark.parametrize("value", [None, True, object()])
def test_what_redis_py_refuses_is_refused(value):
    with pytest.raises(DataError):
        Packer().pack("SET", "key", value)
