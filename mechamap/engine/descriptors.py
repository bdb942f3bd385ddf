"""What can be done to a bare socket descriptor without waiting.

A gevent socket costs two watchers and a Python object, so an open connection keeps only the number. The raw
`_socket.socket` lends its methods for a moment; the type and family given do not matter for these calls, and
giving them saves the system calls that would find them out.
"""

import _socket
import struct

SEND_BUFFER = 65_536  # the kernel doubles it; unbounded, it keeps up to 4 MB for a peer that stopped reading
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


def _borrowed(fd: int) -> _socket.socket:
    return _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, fd)


def shut_down(fd: int) -> None:
    """Tell the peer that nothing more comes; OSError when it is gone."""
    sock = _borrowed(fd)
    try:
        sock.shutdown(_socket.SHUT_WR)
    finally:
        sock.detach()


def close(fd: int, *, reset: bool) -> None:
    """Close; with `reset`, what the peer has not taken is forgotten at once. Never raises."""
    try:
        if reset:
            sock = _borrowed(fd)
            try:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
            finally:
                sock.detach()
    except OSError:
        pass  # reset already
    try:
        # not os.close: gevent 26.9.0 patches it to find watchers still active on the number, with three more
        # system calls; ours are stopped, which is what libev asks for
        _socket.close(fd)
    except OSError:
        pass  # Linux releases the descriptor even when it reports an error of the peer
