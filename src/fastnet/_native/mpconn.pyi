from typing_extensions import Buffer

from fastnet._native.mpend import End

class Channel(End):
    def recv_bytes(self, maxlength: int | None = None) -> bytes: ...
    def recv_bytes_into(self, buf: Buffer, offset: int = 0) -> int: ...
