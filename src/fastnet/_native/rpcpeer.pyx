"""The server's end of a connection: calls come in (rpchead.h)."""

import types

from libc.stdint cimport uint32_t

from fastnet import errors

from fastnet._native.core cimport FN_MS, fn_now, fn_time
from fastnet._native.core_rpc cimport (
    FN_RPC_CALL,
    FN_RPC_CANCEL,
    FN_RPC_KWARGS,
    FN_RPC_MORE,
    FN_RPC_NOTIFY,
    fn_mux_close,
    fn_rpc_head,
)
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpchub cimport (
    GENERATOR,
    PLAIN,
    Context,
    Hub,
    Method,
    Peer,
)


cdef object two_of(object value):
    """(args, kwargs) of a call that has both."""
    if type(value) not in (list, tuple) or len(value) != 2 or type(value[1]) is not dict:
        raise errors.ProtocolError("arguments that are not a list and a map")
    return value


cdef class ServerPeer(Peer):
    """Made by a Server for each connection that it accepts."""

    def __init__(self, int fd, *, Hub hub not None, address, bint local, **options):
        Peer.__init__(self, fd, server=True, **options)
        self.hub = hub
        self.calls = {}
        self.address = address
        self.local = local

    cdef int on_preface(self) except -1:
        return self.hub.acquainted(self)

    cdef int on_close(self) except -1:
        if not self.calls:
            fn_mux_close(self.mux)
            self.closing = True
            self.wrote()
        return 0

    cdef int on_message(self, fn_rpc_head *h, list blocks) except -1:
        cdef Context context
        if h.kind == FN_RPC_CALL or h.kind == FN_RPC_NOTIFY:
            return self.on_call(h, blocks)
        context = self.calls.get(h.call)
        if h.kind == FN_RPC_CANCEL:
            if context is not None:
                self.hub.cancelled += 1
                context.give_up()
        elif h.kind == FN_RPC_MORE:
            if context is not None:
                context.more(h.value)
        else:
            raise errors.ProtocolError("an answer came to a server")
        return 0

    cdef int on_call(self, fn_rpc_head *h, list blocks) except -1:
        cdef Hub hub = self.hub
        cdef Method method
        cdef uint32_t call = h.call
        cdef bint notify = h.kind == FN_RPC_NOTIFY
        cdef Codec codec = hub.codecs[h.codec]
        cdef fn_time deadline = fn_now() + h.value * FN_MS if h.value else 0
        cdef dict kwargs = None
        cdef tuple args
        hub.calls += 1
        name = (<const char *> h.name.data)[:h.name.len]
        method = hub.methods.get(name)
        try:
            if codec is None:
                raise errors.Error("this server does not take that codec")
            if method is None:
                raise AttributeError(f"there is no method {name.decode('utf-8', 'replace')!r}")
            if hub.draining or self.closing:
                raise errors.Error("the server is shutting down")
            if call in self.calls:
                raise errors.ProtocolError("two open calls have the same number")
            if <uint32_t> len(self.calls) >= hub.calls_max:
                hub.refused += 1
                raise errors.LimitError(f"{hub.calls_max} calls of this connection are open "
                                        "already (Limits.calls)")
            try:
                value = codec.decode(h.payload.data, h.payload.len, self.outside, blocks)
            except errors.Error:
                raise
            except Exception as error:
                raise errors.ProtocolError(f"arguments that cannot be decoded: {error}") from None
            if h.flags & FN_RPC_KWARGS:
                value, kwargs = two_of(value)
            if type(value) is not list and type(value) is not tuple:
                raise errors.ProtocolError("arguments that are no list")
            args = tuple(value)
        except Exception as error:
            if not notify:
                self.answer_error(call, codec, error, 0)
            return 0
        if hub.crowded:
            context = self.begin(method, call, notify, codec, deadline)
            hub.backlog.append((context, args, kwargs))
            return 0
        return self.start(method, call, notify, codec, args, kwargs, deadline)

    cdef int start(self, Method method, uint32_t call, bint notify, Codec codec, tuple args,
                   dict kwargs, fn_time deadline) except -1:
        """Runs a handler, as its kind wants it; 1 when this thread no longer leads afterwards."""
        cdef Context context
        if method.kind == PLAIN:
            return self.job(method, call, notify, codec, args, kwargs, deadline)
        context = self.begin(method, call, notify, codec, deadline)
        return self.go(context, args, kwargs)

    cdef int go(self, Context context, tuple args, dict kwargs) except -1:
        """Begins what does not end at once."""
        cdef Method method = context.method
        try:
            thing = method.function(*args, **(kwargs or {}))
        except BaseException as error:
            context.fail(error)
            return 0
        if method.kind == GENERATOR:
            context.iterator = iter(thing)
            return context.advance()
        self.hub.tasks.run(context, thing)
        return 0

    def go_on(self, Context context not None, thing):
        """A plain function has given what takes longer: a generator, or what is awaited."""
        if not isinstance(thing, types.GeneratorType):
            self.hub.tasks.run(context, thing)
            return
        context.iterator = thing
        context.queued = True
        self.hub.streams.append(context)
        self.hub.wake()

    cdef int resume(self, Context context, tuple args, dict kwargs) except -1:
        """A call that had to wait for a thread."""
        if context.done or context.cancelled:
            context.leave()
            return 0
        if context.until and fn_now() >= context.until:
            context.leave()
            return 0
        if context.method.kind != PLAIN:
            return self.go(context, args, kwargs)
        context.leave()
        return self.job(context.method, context.call, context.notify, context.codec, args, kwargs,
                        context.until)
