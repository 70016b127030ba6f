"""Contexts for both ends, and errors that say which file is wrong and how."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from typing import TypeAlias

Path: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
Password: TypeAlias = "str | bytes | bytearray | Callable[[], str | bytes | bytearray]"

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


def server_context(
    certfile: Path,
    keyfile: Path | None = None,
    *,
    password: Password | None = None,
    client_ca: Path | None = None,
    require_client: bool | None = None,
    alpn: Iterable[str] | None = None,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """A context for a server: TLS 1.2 or newer, no compression, no renegotiation.

    Parameters:
        certfile: the server's certificate as PEM, followed by those between it
            and the root, if any.
        keyfile: its private key as PEM; None where `certfile` holds it as well.
        password: of an encrypted key, or a function that returns it.  Nobody
            is ever asked for one on the terminal.
        client_ca: PEM file (or directory, as ``openssl rehash`` makes it) of
            the authorities whose certificates clients must show.
        require_client: whether a client without a certificate is turned away.
            None: yes where `client_ca` is given.  False: such a client is
            served, and one with a certificate of somebody else is not.
        alpn: protocols to offer, the preferred one first, e.g. ``["http/1.1"]``.
        minimum: the oldest version to speak.

    Raises:
        OSError: a file cannot be read; `filename` says which.
        ValueError: a file holds no certificate or key, the key does not belong
            to the certificate, the password is missing or wrong, or the
            arguments contradict each other.
        TypeError: `alpn` is one text.
    """
    if minimum < ssl.TLSVersion.TLSv1_2:
        raise ValueError(f"{minimum!r}: versions before TLS 1.2 are not safe (RFC 8996)")
    if require_client and client_ca is None:
        raise ValueError("require_client needs client_ca, the authorities to check clients by")
    context = _context(ssl.PROTOCOL_TLS_SERVER, minimum, alpn)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_own(context, certfile, keyfile, password)
    if client_ca is not None:
        _load_authorities(context, client_ca)
        optional = require_client is False
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    return context


def client_context(
    *,
    cafile: Path | None = None,
    capath: Path | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    password: Password | None = None,
    alpn: Iterable[str] | None = None,
) -> ssl.SSLContext:
    """A context for a client that checks the server's certificate and its name.

    TLS 1.2 or newer, no compression, no renegotiation.  ``wrap_socket`` needs
    ``server_hostname=``, the name (or IP address) that the certificate must bear.

    Parameters:
        cafile, capath: PEM file and directory (as ``openssl rehash`` makes it) of
            the authorities to trust.  Neither: the system's own.
        certfile, keyfile: this client's certificate and key as PEM, where the
            server asks for them; both may be in `certfile`.
        password: of an encrypted key, or a function that returns it.
        alpn: protocols to offer, the preferred one first.

    Raises:
        OSError: a file cannot be read; `filename` says which.
        ValueError: a file holds no certificate or key, the key does not belong
            to the certificate, the password is missing or wrong, or there is a
            `keyfile` without a `certfile`.
        TypeError: `alpn` is one text.
    """
    if certfile is None and keyfile is not None:
        raise ValueError("keyfile needs certfile, the certificate that the key belongs to")
    context = _context(ssl.PROTOCOL_TLS_CLIENT, ssl.TLSVersion.TLSv1_2, alpn)
    for given in (cafile, capath):
        if given is not None:
            _load_authorities(context, given)
    if cafile is None and capath is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certfile is not None:
        _load_own(context, certfile, keyfile, password)
    return context


def _context(
    protocol: ssl._SSLMethod, minimum: ssl.TLSVersion, alpn: Iterable[str] | None
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if alpn is not None:
        if isinstance(alpn, (str, bytes)):
            raise TypeError(f"alpn is a list of protocols: write [{alpn!r}]")
        protocols = list(alpn)
        if not all(1 <= len(name.encode("ascii", "replace")) <= 255 for name in protocols):
            raise ValueError(f"{protocols!r}: a protocol's name has 1 to 255 characters")
        context.set_alpn_protocols(protocols)
    return context


def _read(path: Path) -> bytes:
    """The file's bytes; OpenSSL's own errors do not say which file is missing."""
    with open(path, "rb") as file:
        return file.read()


def _shown(path: Path) -> str:
    return os.fsdecode(path)


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
        return
    if _CERTIFICATE not in _read(path):
        raise ValueError(f"{_shown(path)} holds no certificate in PEM form")
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ValueError(f"{_shown(path)}: a certificate is damaged ({_why(error)})") from error


def _load_own(
    context: ssl.SSLContext, certfile: Path, keyfile: Path | None, password: Password | None
) -> None:
    if _CERTIFICATE not in _read(certfile):
        raise ValueError(f"{_shown(certfile)} holds no certificate in PEM form")
    key = certfile if keyfile is None else keyfile
    if _KEY not in _read(key):
        hint = ": give keyfile=" if keyfile is None else ""
        raise ValueError(f"{_shown(key)} holds no private key in PEM form{hint}")
    asked = False

    def answer() -> str | bytes | bytearray:
        # OpenSSL would ask on the terminal, where nobody sits.
        nonlocal asked
        asked = True
        if password is None:
            raise ValueError(f"the key in {_shown(key)} is encrypted: give password=")
        return password() if callable(password) else password

    try:
        context.load_cert_chain(certfile, keyfile, answer)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH" or error.reason == "KEY_TYPE_MISMATCH":
            what = f"the key in {_shown(key)} does not belong to the certificate in"
            raise ValueError(f"{what} {_shown(certfile)}") from error
        if asked:
            raise ValueError(f"the password does not open the key in {_shown(key)}") from error
        files = " and ".join(dict.fromkeys((_shown(certfile), _shown(key))))
        raise ValueError(f"{files}: certificate or key is damaged ({_why(error)})") from error


def _why(error: ssl.SSLError) -> str:
    return error.reason or str(error.args[-1])
