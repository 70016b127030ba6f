"""Messages of calls, in and out of a mux (mux.h, rpchead.h)."""

from collections import deque

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastnet import errors

from fastnet._native.core cimport (
    FN1_ERR_AUTHENTICATION,
    FN1_ERR_LIMIT,
    FN1_EV_CLOSE,
    FN1_EV_ERROR,
    FN1_EV_KEY,
    FN1_EV_PONG,
    FN1_EV_PREFACE,
    FN_E_EOF,
    FN_E_MORE,
    fn1_view,
)
from fastnet._native.core_rpc cimport (
    FN1_KIND_RPC,
    FN_MUX_BODY,
    FN_MUX_GONE,
    FN_MUX_MESSAGE,
    FN_MUX_OPEN,
    FN_MUX_SMALL,
    FN_RPC_HEAD,
    FN_RPC_OUTSIDE,
    fn1_envelope_segment,
    fn_mux_cancel,
    fn_mux_fail,
    fn_mux_message,
    fn_mux_next,
    fn_mux_out,
    fn_mux_place,
    fn_mux_read,
    fn_mux_send,
    fn_mux_take_spent,
    fn_mux_write,
    fn_rpc_decode,
    fn_rpc_encode,
    fn_rpc_head,
)
from fastnet._native.memory cimport take
from fastnet._native.rpcbody cimport Incoming, Outgoing
from fastnet._native.rpcmux cimport Mux
from fastnet._native.status import exception
from fastnet._native.status cimport check

cdef enum:
    PAYLOAD_MAX = 32 * 1024  # of encoded data beside the head; more of it is a segment


KINDS = {FN1_ERR_LIMIT: errors.LimitError, FN1_ERR_AUTHENTICATION: errors.AuthenticationError}


cdef class Conn(Mux):
    """What both ends of a connection do: see Mux."""

    def __init__(self, int fd, **options):
        Mux.__init__(self, fd, **options)
        self.waiting = deque()
        self.filling = {}
        self.leaving = set()

    # ------------------------------------------------------------------ for subclasses

    cdef int on_message(self, fn_rpc_head *h, list blocks) except -1:
        """A whole message; 1 stops pump() there.  h's views hold for the call."""
        return 0

    cdef int on_preface(self) except -1:
        return 0

    cdef int on_pong(self) except -1:
        return 0

    cdef int on_close(self) except -1:
        """The peer will send no more."""
        return 0

    # ---------------------------------------------------------------------- receiving

    cdef int receive(self, size_t budget) except -1:
        """Reads what is there: 1 when pump() has work, 0 when not.  Raises at the end."""
        cdef int st
        if self.tls is not None:
            return self.tls.receive(self)
        with nogil:
            st = fn_mux_read(self.mux, self.fd, budget)
        if st < 0:
            raise exception(st)
        return st

    cdef int pump(self) except -1:
        """Handles every event that is there; 1 when on_message() stopped it."""
        cdef int event, st = 0
        while True:
            event = fn_mux_next(self.mux)
            if event == FN1_EV_KEY:
                event = self.look_up_key()
                if event == 0:
                    continue
            if event == FN_MUX_MESSAGE:
                st = self.deliver(self.mux.rx.envelope.meta.data, self.mux.rx.envelope.meta.len,
                                  self.empty(self.mux.rx.envelope.segments))
            elif event == FN_E_MORE:
                if self.plain is None or not self.feed():
                    return 0
            elif event == FN_MUX_OPEN:
                st = self.opened()
            elif event == FN_MUX_BODY:
                st = self.body_here()
            elif event == FN_MUX_GONE:
                st = self.body_gone()
            elif event == FN1_EV_PREFACE:
                st = self.on_preface()
            elif event == FN1_EV_PONG:
                st = self.on_pong()
            elif event == FN1_EV_CLOSE:
                st = self.on_close()
            elif event == FN1_EV_ERROR:
                raise self.said()
            elif event < 0:
                raise exception(event)
            if st:
                return 1

    cdef list empty(self, int segments):
        """The blocks of so many segments without a byte; None for none."""
        cdef list blocks = None
        while segments:
            blocks = [] if blocks is None else blocks
            blocks.append(take(self.pool, 0))
            segments -= 1
        return blocks

    cdef int deliver(self, const unsigned char *meta, size_t length, list blocks) except -1:
        """A message is complete."""
        cdef fn_rpc_head h
        check(fn_rpc_decode(meta, length, &h))
        if h.flags & FN_RPC_OUTSIDE:
            if not blocks or h.payload.len:
                raise errors.ProtocolError("a message without the payload that it speaks of")
            self.outside = blocks[0]
            del blocks[0]
            try:
                return self.on_message(&h, blocks)
            finally:
                self.outside = None
        return self.on_message(&h, blocks)

    def said(self):
        """The peer's ERROR as an exception."""
        text = (<const char *> self.mux.rx.error_text.data)[:self.mux.rx.error_text.len]
        words = text.decode("utf-8", "replace")
        words = "".join([c if c.isprintable() else "?" for c in words])
        kind = KINDS.get(self.mux.rx.error_code, errors.ProtocolError)
        return kind(f"the peer ended the connection: {words}")

    cdef int opened(self) except -1:
        """A body is announced: it gets a place now, or when others have gone."""
        cdef Incoming inc = Incoming.__new__(Incoming)
        inc.at = self.mux.at
        inc.meta = (<const char *> self.mux.rx.envelope.meta.data)[:self.mux.rx.envelope.meta.len]
        inc.sizes = []
        while len(inc.sizes) < self.mux.rx.envelope.segments:
            inc.sizes.append(fn1_envelope_segment(&self.mux.rx.envelope, len(inc.sizes)))
        inc.total = self.mux.rx.envelope.body
        self.filling[inc.at] = inc
        if inc.at and self.in_flight and self.in_flight + inc.total > self.in_flight_max:
            self.waiting.append(inc)
            return 0
        self.in_flight += inc.total
        inc.place(self.pool)
        check(fn_mux_place(self.mux, inc.at, &inc.body, <void *> inc))
        return 0

    cdef int place_waiting(self) except -1:
        cdef Incoming inc
        while self.waiting:
            inc = self.waiting[0]
            if self.in_flight and self.in_flight + inc.total > self.in_flight_max:
                return 0
            self.waiting.popleft()
            self.in_flight += inc.total
            inc.place(self.pool)
            check(fn_mux_place(self.mux, inc.at, &inc.body, <void *> inc))
        return 0

    cdef int give_back(self, uint64_t total) except -1:
        """So many bytes of body are no longer on their way."""
        self.in_flight -= total
        if self.waiting:
            self.place_waiting()
        return 0

    cdef int body_here(self) except -1:
        cdef Incoming inc = <Incoming> self.mux.token
        self.filling.pop(inc.at)
        self.give_back(inc.total)
        return self.deliver(<const unsigned char *> PyBytes_AS_STRING(inc.meta),
                            PyBytes_GET_SIZE(inc.meta), inc.blocks)

    cdef int body_gone(self) except -1:
        cdef Incoming inc = self.filling.pop(self.mux.at, None)
        if inc is None:
            return 0
        if inc.blocks is None:
            self.waiting.remove(inc)
        else:
            self.give_back(inc.total)
        return 0

    # ------------------------------------------------------------------------ sending

    cdef int send(self, int kind, int codec, int flags, uint32_t call, uint32_t value,
                  bytes name, bytes payload, list segments) except -1:
        """Stages a message; transmit() sends it.  name and payload may be None."""
        cdef fn_rpc_head h
        cdef uint8_t head[16]
        cdef fn1_view views[3]
        cdef Outgoing o
        cdef int st
        cdef uint64_t size
        h.kind = <uint8_t> kind
        h.codec = <uint8_t> codec
        h.flags = <uint16_t> flags
        h.call = call
        h.value = value
        h.name.len = 0
        views[0].data = head
        views[0].len = FN_RPC_HEAD
        views[1].len = views[2].len = 0
        views[1].data = views[2].data = NULL
        if name is not None:
            h.name.len = views[1].len = PyBytes_GET_SIZE(name)
            views[1].data = <const uint8_t *> PyBytes_AS_STRING(name)
        if payload is not None:
            views[2].len = PyBytes_GET_SIZE(payload)
            views[2].data = <const uint8_t *> PyBytes_AS_STRING(payload)
        if segments is None and views[2].len <= PAYLOAD_MAX:
            fn_rpc_encode(head, &h)
            st = fn_mux_message(self.mux, FN1_KIND_RPC, views, 3, NULL, 0, NULL)
            if st < 0:
                raise exception(st)
            return 0
        if segments is None:
            segments = []
        if views[2].len > PAYLOAD_MAX:
            h.flags |= FN_RPC_OUTSIDE
            segments = [(payload, False), *segments]
            views[2].len = 0
        fn_rpc_encode(head, &h)
        o = Outgoing.__new__(Outgoing)
        o.call = call
        o.gather(segments)
        size = o.body.left + views[0].len + views[1].len + views[2].len + 8 * (o.count + 1)
        if size <= FN_MUX_SMALL:
            check(fn_mux_message(self.mux, FN1_KIND_RPC, views, 3, o.sizes, <uint16_t> o.count,
                                 &o.body))
            return 0
        o.meta = (<const char *> head)[:FN_RPC_HEAD] + (name or b"") + (
            (payload or b"") if views[2].len else b"")
        o.out.kind = FN1_KIND_RPC
        o.out.segments = <uint16_t> o.count
        o.out.sizes = o.sizes
        o.out.meta.data = <const uint8_t *> PyBytes_AS_STRING(o.meta)
        o.out.meta.len = PyBytes_GET_SIZE(o.meta)
        o.out.body = &o.body
        o.out.token = <void *> o
        check(fn_mux_send(self.mux, &o.out))
        self.leaving.add(o)
        return 0

    cdef int transmit(self, size_t budget, bint large) except -1:
        """Sends what can be sent: 0 all, 1 the socket is full, 2 the budget is spent."""
        cdef int st
        if self.tls is not None:
            st = self.tls.transmit(self)
        elif large:
            with nogil:
                st = fn_mux_write(self.mux, self.fd, budget)
        else:
            st = fn_mux_write(self.mux, self.fd, budget)
        if self.leaving:
            self.collect()
        if st < 0:
            raise exception(st)
        return st

    cdef int collect(self) except -1:
        """Lets go of the memory of what has been sent."""
        cdef fn_mux_out *out = fn_mux_take_spent(self.mux)
        cdef fn_mux_out *next_out
        while out is not NULL:
            next_out = out.next
            self.leaving.discard(<Outgoing> out.token)
            out = next_out
        return 0

    cdef int cancel_sends(self, uint32_t call) except -1:
        """What is still being sent of a call is not wanted any more."""
        cdef Outgoing o
        for o in self.leaving:
            if o.call == call:
                fn_mux_cancel(self.mux, &o.out)
        return 0

    def fail(self, reason):
        """Nothing is sent or received any more."""
        if self.failure is None:
            self.failure = reason
        fn_mux_fail(self.mux, FN_E_EOF)
        self.collect()
        self.waiting.clear()
