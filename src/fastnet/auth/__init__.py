"""Keys, and proving that one has them.

A key is bytes, at least 16 of them; `generate_key` makes one, `load_key` reads one
from a file that ``fastnet keygen`` made.  ``authkey=`` of fastnet's own protocols
takes it, and with it every byte of a connection is authenticated.

The recipe's two functions, over any connected socket or connection:

    client_authenticate(connection, secret_key)
    if not server_authenticate(connection, secret_key):
        connection.close()

They prove the client to the server, once; `mutual_client_authenticate` and
`mutual_server_authenticate` prove both ends to each other.  Neither protects
what is sent afterwards: for that there is TLS.
"""

from fastnet.auth._challenge import (
    client_authenticate,
    mutual_client_authenticate,
    mutual_server_authenticate,
    server_authenticate,
)
from fastnet.auth._keys import format_key, generate_key, load_key, save_key

__all__ = [
    "client_authenticate",
    "format_key",
    "generate_key",
    "load_key",
    "mutual_client_authenticate",
    "mutual_server_authenticate",
    "save_key",
    "server_authenticate",
]
