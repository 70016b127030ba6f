"""multiprocessing.connection at C speed: the same names, the same bytes on the wire.

    from fastnet.connection import Client, Listener

Either end may be the standard library's, of Python 3.8 or later, and either
end notices nothing.  What is new is said where it is: deadlines and handshakes
side by side in `Listener.accept`, `ssl_context=`, `min_digest=` and `allowed=`
in `Listener` and `Client`, and arrays that are sent and received in place.

docs/connection.md says what the handshake protects against, and what not.
"""

from __future__ import annotations

from multiprocessing import AuthenticationError as AuthenticationError
from multiprocessing import BufferTooShort as BufferTooShort

from fastnet.connection._addresses import (
    BUFSIZE,
    CONNECTION_TIMEOUT,
    address_type,
    arbitrary_address,
    default_family,
    families,
)
from fastnet.connection._addresses import (
    _validate_family as _validate_family,
)
from fastnet.connection._allowed import NUMPY
from fastnet.connection._challenge import (
    _ALLOWED_DIGESTS as _ALLOWED_DIGESTS,
)
from fastnet.connection._challenge import (
    _CHALLENGE as _CHALLENGE,
)
from fastnet.connection._challenge import (
    _FAILURE as _FAILURE,
)
from fastnet.connection._challenge import (
    _LEGACY_LENGTHS as _LEGACY_LENGTHS,
)
from fastnet.connection._challenge import (
    _MD5_DIGEST_LEN as _MD5_DIGEST_LEN,
)
from fastnet.connection._challenge import (
    _MD5ONLY_MESSAGE_LENGTH as _MD5ONLY_MESSAGE_LENGTH,
)
from fastnet.connection._challenge import (
    _WELCOME as _WELCOME,
)
from fastnet.connection._challenge import (
    CHALLENGE,
    FAILURE,
    MESSAGE_LENGTH,
    WELCOME,
    answer_challenge,
    deliver_challenge,
)
from fastnet.connection._challenge import (
    _create_response as _create_response,
)
from fastnet.connection._challenge import (
    _get_digest_name_and_payload as _get_digest_name_and_payload,
)
from fastnet.connection._challenge import (
    _verify_challenge as _verify_challenge,
)
from fastnet.connection._client import Client, SocketClient
from fastnet.connection._connection import (
    Connection,
    Pipe,
    rebuild_connection,
    reduce_connection,
)
from fastnet.connection._connection import (
    _ConnectionBase as _ConnectionBase,
)
from fastnet.connection._listener import Listener, SocketListener
from fastnet.connection._tls import TLSConnection
from fastnet.connection._wait import wait
from fastnet.connection._xml import ConnectionWrapper, XmlClient, XmlListener

__all__ = [
    "Client",
    "Listener",
    "Pipe",
    "wait",
    "Connection",
    "TLSConnection",
    "NUMPY",
    "SocketClient",
    "SocketListener",
    "answer_challenge",
    "deliver_challenge",
    "ConnectionWrapper",
    "XmlClient",
    "XmlListener",
    "address_type",
    "arbitrary_address",
    "default_family",
    "families",
    "rebuild_connection",
    "reduce_connection",
    "BUFSIZE",
    "CONNECTION_TIMEOUT",
    "CHALLENGE",
    "FAILURE",
    "MESSAGE_LENGTH",
    "WELCOME",
]
