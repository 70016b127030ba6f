"""The client's end of a connection: calls go out, answers come in (rpchead.h)."""

import os
import socket
from collections import deque

from libc.stdint cimport int64_t, uint32_t

from fastnet import errors

from fastnet._native.core cimport FN_MS, fn_now
from fastnet._native.core_rpc cimport (
    FN_RPC_CALL,
    FN_RPC_CANCEL,
    FN_RPC_END,
    FN_RPC_ERROR,
    FN_RPC_ITEM,
    FN_RPC_KWARGS,
    FN_RPC_MORE,
    FN_RPC_NOTIFY,
    FN_RPC_RESULT,
    fn_rpc_head,
)
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpcconn cimport Conn

cdef enum:
    GRANT = 2 << 20   # bytes of a stream's items, after which the server learns of it
    ITEM_LEAST = 256  # bytes that each counts for
    OPEN_MOST = 1 << 20  # calls of one connection


cdef class Call:
    """One call that has no answer yet."""

    @property
    def done_now(self):
        """Whether its answer is here."""
        return self.done

    @property
    def answer(self):
        """The result, once it is done."""
        return self.result

    @property
    def failure(self):
        """The exception that is the answer, or None."""
        return self.error

    cdef int complete(self, object result, object error) except -1:
        """The answer has come."""
        if self.done:
            return 0
        self.result, self.error = result, error
        self.done = True
        self.link = None
        return self.settle()

    cdef int settle(self) except -1:
        """Tells who waits."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None
        return 0

    def value(self):
        """The result, or raises what was the answer."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self = None  # the exception's frame would keep it
        return self.result


cdef class Items(Call):
    """Results that come one after another.

    Large items travel on streams of their own, and so out of turn.
    """

    def __cinit__(self):
        self.early = {}
        self.ready = deque()
        self.total = -1

    cdef int arrived(self, uint32_t place, object value, int64_t size) except -1:
        if self.closed:
            return 0
        if place < self.next_place or place in self.early:
            raise errors.ProtocolError("an item of a stream came twice")
        self.early[place] = (value, size)
        while self.next_place in self.early:
            self.ready.append(self.early.pop(self.next_place))
            self.next_place += 1
        return self.look()

    cdef int ended(self, int64_t total, object error) except -1:
        self.total = total
        self.ending = error
        return self.look()

    cpdef int look(self) except -1:
        """Whether there is something to take; then whoever waits is told."""
        if self.total >= 0 and self.next_place >= self.total:
            self.link = None
        if self.ready or self.link is None:
            self.done = True
            self.settle()
        return 0

    cdef int complete(self, object result, object error) except -1:
        """The connection has failed, or nothing but one result came."""
        if self.link is not None:
            self.ended(self.next_place, error)
        return 0

    cdef object take(self):
        """The next item as (value,), or None where it has not come; raises at the end."""
        if self.ready:
            value, size = self.ready.popleft()
            self.used += size
            if self.used >= GRANT and self.total < 0 and self.link is not None:
                self.link.more(self)
            return (value,)
        if self.closed or (self.total >= 0 and self.next_place >= self.total):
            error, self.ending = self.ending, None
            self.closed = True
            if error is not None:
                raise error
            raise StopIteration
        self.done = False
        return None


cdef class ClientLink(Conn):
    """Parameters beyond Conn's: the codec of calls, those of answers, and what makes an
    exception of an error's value."""

    def __dealloc__(self):
        if self.owned != -1:
            os.close(self.owned)

    def __cinit__(self, *args, **kwargs):
        self.owned = -1

    def __init__(self, int fd, *, Codec codec not None, list codecs, revive, make_items,
                 **options):
        Conn.__init__(self, fd, server=False, **options)
        self.codec, self.codecs, self.revive = codec, codecs, revive
        self.make_items = make_items
        self.calls = {}
        self.pings = {}
        self.owned = fd

    cdef Call begin(self, Call call):
        """A number for a call."""
        while True:
            self.next_number += 1
            if self.next_number not in self.calls:
                break
        call.number = self.next_number
        call.link = self
        return call

    cdef int request(self, Call call, bint notify, bytes name, tuple args, dict kwargs) except -1:
        """Stages a call."""
        cdef list segments = None
        cdef bytes payload
        cdef uint32_t limit = 0
        cdef int64_t left
        if len(self.calls) >= OPEN_MOST:
            raise errors.LimitError(f"{OPEN_MOST} calls of this connection are open already")
        found = self.codec.encode_call(args, kwargs)
        if type(found) is tuple:
            payload, segments = found
        else:
            payload = found
        if call.deadline:
            left = (call.deadline - fn_now() + FN_MS - 1) // FN_MS
            limit = <uint32_t> min(max(left, <int64_t> 1), <int64_t> 0xFFFFFFFF)
        if not notify:
            self.calls[call.number] = call
        try:
            self.send(FN_RPC_NOTIFY if notify else FN_RPC_CALL, self.codec.number,
                      FN_RPC_KWARGS if kwargs else 0, call.number, limit, name, payload, segments)
        except BaseException:
            self.calls.pop(call.number, None)
            raise
        return 0

    cdef int abandon(self, Call call) except -1:
        """Nobody waits for a call any more; the server is told."""
        if self.calls.pop(call.number, None) is None:
            return 0
        call.abandoned = True
        if self.failure is None:
            self.cancel_sends(call.number)
            self.send(FN_RPC_CANCEL, 0, 0, call.number, 0, None, None, None)
        return 0

    cdef int more(self, Items items) except -1:
        """So many bytes of a stream were taken."""
        if self.failure is None:
            self.send(FN_RPC_MORE, 0, 0, items.number, <uint32_t> items.used, None, None, None)
            self.waits_more = True
        items.used = 0
        return 0

    cdef int on_pong(self) except -1:
        cdef Call call = self.pings.pop(self.mux.rx.head.offset, None)
        return 0 if call is None else call.complete(None, None)

    def send_ping(self, Call call not None):
        """Stages a PING; its PONG completes the call."""
        self.next_ping += 1
        self.pings[self.next_ping] = call
        call.link = self
        self.ping(self.next_ping)

    cdef list take_calls(self):
        """Every call that is open, for whom the connection has failed."""
        cdef list found = [*self.calls.values(), *self.pings.values()]
        self.calls.clear()
        self.pings.clear()
        return found

    def shut(self):
        """Wakes whoever waits on the connection; the descriptor is closed with this object."""
        try:
            with socket.socket(fileno=os.dup(self.owned)) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    cdef int on_close(self) except -1:
        self.ended = True
        return 0

    cdef int on_message(self, fn_rpc_head *h, list blocks) except -1:
        cdef Call call = self.calls.get(h.call)
        cdef Items items
        cdef int kind = h.kind
        cdef int64_t size
        if kind < FN_RPC_RESULT:
            raise errors.ProtocolError("a call came to a client")
        if call is None:
            return 0  # nobody waits for it any more
        if kind == FN_RPC_END:
            return self.end_of(self.items_of(call), h.value, None)
        value, failure = self.open(h, blocks)
        if kind == FN_RPC_ERROR and isinstance(call, Items):
            return self.end_of(<Items> call, h.value, failure)
        if kind == FN_RPC_ITEM and failure is None:
            size = h.payload.len if self.outside is None else len(self.outside)
            if blocks:
                for block in blocks:
                    size += len(block)
            items = self.items_of(call)
            items.arrived(h.value, value, max(size, <int64_t> ITEM_LEAST))
            if items.link is None:
                self.calls.pop(h.call, None)
            return 0
        if kind == FN_RPC_ITEM:  # which cannot be decoded: the stream ends with that
            call = self.items_of(call)
            self.abandon(call)
        else:
            del self.calls[h.call]
        call.complete(value, failure)
        return 0

    cdef tuple open(self, fn_rpc_head *h, list blocks):
        """(value, error) of an answer; one of them is None."""
        cdef Codec codec = self.codecs[h.codec]
        if codec is None:
            return None, errors.ProtocolError("an answer in a codec that was not asked for")
        try:
            value = codec.decode(h.payload.data, h.payload.len, self.outside, blocks)
            if h.kind == FN_RPC_ERROR:
                return None, self.revive(value)
            return value, None
        except errors.Error as error:
            return None, error
        except Exception as error:
            return None, errors.ProtocolError(f"an answer that cannot be decoded: {error}")

    cdef int end_of(self, Items items, int64_t total, object error) except -1:
        """A stream has ended; the last of its items may still be under way."""
        if items.next_place + len(items.early) > total:
            raise errors.ProtocolError("a stream with more items than it says")
        items.ended(total, error)
        if items.link is None:
            self.calls.pop(items.number, None)
        return 0

    cdef Items items_of(self, Call call):
        """The stream that a call has turned out to be."""
        cdef Items items
        if isinstance(call, Items):
            return <Items> call
        items = self.make_items()
        items.number, items.link, items.deadline = call.number, self, call.deadline
        if self.calls.get(call.number) is call:
            self.calls[call.number] = items
        call.complete(items, None)
        return items
