"""NumPy arrays between processes and nodes, each with its dtype, shape and order.

    with fastnet.arrays.listen(("127.0.0.1", 9000)) as listener:
        for stream in listener:
            for array in stream:
                ...

    with fastnet.arrays.connect(("127.0.0.1", 9000)) as stream:
        stream.send(array, name="weights", meta={"step": 7})

The bytes go from the sender's array to the receiver's without a copy in
between; docs/arrays.md tells how, and docs/protocol-fn1.md what is on the wire.
"""

from fastnet.arrays._connect import connect
from fastnet.arrays._incoming import ArrayInfo
from fastnet.arrays._listener import Listener, listen
from fastnet.arrays._outgoing import Item
from fastnet.arrays._stream import Stream

__all__ = ["ArrayInfo", "Item", "Listener", "Stream", "connect", "listen"]
