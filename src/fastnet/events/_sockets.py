"""Handlers with a socket: the recipe's servers and connections."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from io import FileIO
from typing import Any

from fastnet.events._handlers import EventHandler

_MOST_ACCEPTED = 64  # of one call, so that a crowd at the door does not stop the rest
_NO_DESCRIPTOR_LEFT = (errno.EMFILE, errno.ENFILE)
# What accept(2) says of a connection that is gone already.
_NOT_THIS_ONE = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR)


def _family(address: Any) -> socket.AddressFamily:
    if not isinstance(address, tuple):
        return socket.AF_UNIX
    if len(address) == 4 or ":" in address[0]:
        return socket.AF_INET6
    return socket.AF_INET


class _Owner(EventHandler):
    """A handler with a socket of its own."""

    sock: socket.socket

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self.sock.fileno()

    def wants_to_receive(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Closes the socket; take the handler out of the loop's list as well."""
        self.sock.close()


class UDPServer(_Owner):
    """A datagram socket bound to an address; subclasses define `handle_receive`.

    Args:
        address: (host, port), "" for every interface; IPv6 and Unix addresses as well.

    Attributes:
        sock: the socket, non-blocking.
        dropped: how many calls ended with an error of the system, such as a reply that could
            not be sent; each concerns one datagram and is forgotten.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, address: Any) -> None:
        self.dropped = 0
        self.sock = socket.socket(_family(address), socket.SOCK_DGRAM)
        try:
            self.sock.bind(address)
            self.sock.setblocking(False)
        except BaseException:
            self.sock.close()
            raise

    def handle_error(self, error: Exception) -> None:
        """Forgets an error of the system, unless the socket is closed."""
        if not isinstance(error, OSError) or self.sock.fileno() < 0:
            raise error
        self.dropped += 1


class TCPServer(_Owner):
    """A listening socket that makes a handler of each connection and appends it to a list.

    Args:
        address: (host, port), "" for every interface; IPv6 and Unix addresses as well.
        client_handler: called with (socket, handler_list), returns the connection's handler.
            Where it raises, the connection is closed; an `OSError`, which a connection that is
            already gone gives, goes no further.
        handler_list: the loop's list.
        backlog: connections that may wait to be accepted.

    Attributes:
        sock: the listening socket, non-blocking; what it accepts is left as the system gives it.
        shed: connections that were closed at once because no descriptor was left.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        address: Any,
        client_handler: Callable[[socket.socket, Any], Any],
        handler_list: Any,
        *,
        backlog: int = 128,
    ) -> None:
        self.client_handler = client_handler
        self.handler_list = handler_list
        self.shed = 0
        self.sock = socket.socket(_family(address), socket.SOCK_STREAM)
        self._spare: FileIO | None = None
        try:
            if self.sock.family != socket.AF_UNIX:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
            self.sock.bind(address)
            self.sock.listen(backlog)
            self.sock.setblocking(False)
            self._spare = FileIO(os.devnull)
        except BaseException:
            self.sock.close()
            raise

    def handle_receive(self) -> None:
        """Accepts what waits, up to 64 connections."""
        for _ in range(_MOST_ACCEPTED):
            try:
                client, _address = self.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTOR_LEFT and self._spare is not None:
                    self._shed_one(self._spare)
                    return
                if error.errno in _NOT_THIS_ONE:
                    continue
                raise
            try:
                handler = self.client_handler(client, self.handler_list)
            except BaseException as error:
                client.close()
                if isinstance(error, OSError):
                    continue
                raise
            self.handler_list.append(handler)

    # Otherwise the connection would stay ready, and the loop find it there for ever.
    def _shed_one(self, spare: FileIO) -> None:
        spare.close()
        self._spare = None
        try:
            self.sock.accept()[0].close()
            self.shed += 1
        except OSError:
            pass
        finally:
            try:
                self._spare = FileIO(os.devnull)
            except OSError:
                pass  # somebody was quicker; until there is one again, accept() raises

    def close(self) -> None:
        """Closes the listening socket, and leaves its connections alone."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        self.sock.close()


class TCPClient(_Owner):
    """One connection; subclasses define `handle_receive`, and put what is to go out into
    `outgoing` or, quicker, through `write`.

    Args:
        sock: the connected socket; made non-blocking.
        handler_list: the list that `close` takes the handler out of.

    Attributes:
        sock, handler_list: as given.
        outgoing: a bytearray of what waits to be sent. It has no bound: a subclass that echoes
            should want to receive only while little waits.

    As in the recipe, `wants_to_receive` is False here, for the subclass to say.
    """

    def __init__(self, sock: socket.socket, handler_list: Any) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.handler_list = handler_list
        self.outgoing = bytearray()

    def wants_to_receive(self) -> bool:
        """False."""
        return False

    def wants_to_send(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self.outgoing)

    def handle_send(self) -> None:
        """Sends what can be sent."""
        try:
            sent = self.sock.send(self.outgoing)
        except BlockingIOError:
            return
        del self.outgoing[:sent]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends at once what can be sent, and leaves the rest in `outgoing`.

        Raises:
            OSError: the connection is broken, or closed.
        """
        sent = 0
        if not self.outgoing:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                pass
        if sent < len(data):
            self.outgoing += memoryview(data)[sent:]
            self.changed()

    def handle_error(self, error: Exception) -> None:
        """Closes this connection for an error of the system; raises any other again."""
        if not isinstance(error, OSError):
            raise error
        if not isinstance(error, (BlockingIOError, InterruptedError)):
            self.close()

    def close(self) -> None:
        """Closes the connection and leaves the list; may be called twice."""
        self.sock.close()
        try:
            self.handler_list.remove(self)
        except ValueError:
            pass
