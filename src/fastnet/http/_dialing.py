"""From an origin to a connection: through a proxy or not, with TLS or not."""

from __future__ import annotations

import os
import socket
import ssl
import time
from typing import Any

from fastnet import tls
from fastnet._native.httpconn import Connection
from fastnet.http._proxy import Proxy, refused
from fastnet.http._url import URL
from fastnet.http.exceptions import ConnectionError, ConnectTimeout, ProxyError, translated
from fastnet.limits import Limits
from fastnet.sockets import create_connection

__all__ = ["Trust", "dial", "make_context"]

Trust = Any  # what `verify` and `cert` may be, together


def make_context(verify: Any, cert: Any) -> ssl.SSLContext:
    """The TLS context for what a session's `verify` and `cert` say.

    Parameters:
        verify: True for the system's authorities, a path of a PEM file or
            directory for others, False for no check at all, or a context.
        cert: path of this end's certificate and key, or the paths of both.

    Raises what `fastnet.tls.client_context` does.
    """
    if isinstance(verify, ssl.SSLContext):
        if cert is not None:
            raise ValueError("cert= goes into the context that verify= is")
        return verify
    paths: dict[str, Any] = {}
    if isinstance(verify, (str, os.PathLike)):
        paths["capath" if os.path.isdir(verify) else "cafile"] = verify
    if isinstance(cert, (str, os.PathLike)):
        paths["certfile"] = cert
    elif cert is not None:
        paths["certfile"], paths["keyfile"] = cert
    context = tls.client_context(alpn=["http/1.1"], **paths)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def dial(
    target: URL, proxy: Proxy | None, context: ssl.SSLContext | None, timeout: float | None,
    limits: Limits, source: Any = None,
) -> Connection:  # fmt: skip
    """A connection on which requests to a target can be sent.

    Parameters:
        proxy: ask through it: a tunnel where there is TLS, else with whole URLs.
        context: for TLS, or None.
        timeout: seconds for all of it.

    Raises ConnectionError and its kinds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    peer = target if proxy is None else proxy.where
    sock: socket.socket | None = None
    try:
        sock = create_connection((peer.host, peer.port), timeout, source)
    except OSError as error:
        raise _named(error, peer, proxy) from error
    except UnicodeError as error:
        raise _named(OSError(str(error)), peer, proxy) from error
    try:
        if context is not None and proxy is not None:
            sock = _tunnel(sock, target, proxy, _left(deadline), limits)
        if context is not None:
            sock.settimeout(_left(deadline))
            sock = context.wrap_socket(
                sock, server_hostname=target.host.rstrip("."), suppress_ragged_eofs=False
            )
    except (OSError, ValueError) as error:
        sock.close()
        raise translated(error, connecting=True) from error
    except BaseException:
        sock.close()
        raise
    return Connection(sock, context is not None, limits.request_line, limits.header_fields,
                      limits.header_bytes)  # fmt: skip


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise ConnectTimeout("the time for connecting is up")
    return left


def _named(error: OSError, peer: URL, proxy: Proxy | None) -> Exception:
    """The error with the name of who was not reached."""
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"{peer.authority} did not accept a connection in time")
    what: Any = translated(error)
    if proxy is not None:
        return ProxyError(f"the proxy {peer.authority} cannot be reached: {error}")
    if len(what.args) == 2:
        what.args = (what.args[0], f"{what.args[1]} ({peer.host}, port {peer.port})")
        what.strerror = what.args[1]
        found: Exception = what
        return found
    return ConnectionError(f"{error} ({peer.host}, port {peer.port})")


def _tunnel(
    sock: socket.socket, target: URL, proxy: Proxy, timeout: float | None, limits: Limits
) -> socket.socket:
    """Asks a proxy for a tunnel; returns the socket to go on with."""
    # On a descriptor of its own, for the connection object would close it.
    asking = Connection(sock.dup(), False, limits.request_line, limits.header_fields,
                        limits.header_bytes)  # fmt: skip
    try:
        status = asking.exchange(proxy.connect_head(target), timeout, to_connect=True)
        if not 200 <= status < 300:
            raise refused(proxy, status, asking.reason)
        if asking.spare:
            raise ProxyError("the proxy sent bytes into the tunnel before its first use")
        return sock
    finally:
        asking.close()
