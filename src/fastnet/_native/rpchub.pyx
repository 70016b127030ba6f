"""What runs calls, and what a running call can know (fastnet.rpc's server)."""

import contextvars
import logging
import threading
import types

from cpython.object cimport PyObject_Call
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int64_t, uint32_t

from fastnet import errors

from fastnet._native.core cimport FN_MS, fn_now, fn_time
from fastnet._native.core_reactor cimport fn_reactor_wake
from fastnet._native.core_rpc cimport FN_RPC_END, FN_RPC_ERROR, FN_RPC_ITEM, FN_RPC_RESULT
from fastnet._native.core_rpc cimport fn_lead_begin, fn_lead_end, fn_mux_queue_add
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpcconn cimport Conn

cdef enum:
    WINDOW = 4 << 20   # bytes of a stream's items that may be ahead of who takes them
    ITEM_LEAST = 256   # bytes that each item counts for
    ITEMS = 32         # in a row
    WRITE = 1 << 20    # bytes sent at once by a thread that is not the leader

cdef fn_time FLUSH_EVERY = FN_MS // 4
cdef object here = threading.local()
LASTING = (types.GeneratorType, types.AsyncGeneratorType)  # what a plain function may give
CURRENT = contextvars.ContextVar("fastnet.rpc call")
cdef object logger = logging.getLogger("fastnet.rpc")
KINDS = {"plain": PLAIN, "generator": GENERATOR, "coroutine": COROUTINE,
         "async generator": ASYNC_GENERATOR}


def current_call():
    """The call that this thread, or task, is running, or None.

    It has ``peer``, ``name``, ``remaining`` (seconds until its deadline, None for none) and
    ``cancelled``, which a long handler looks at.
    """
    cdef Context context = CURRENT.get(None)
    cdef Worker worker
    if context is not None:
        return context
    worker = getattr(here, "worker", None)
    if worker is None or worker.peer is None:
        return None
    return context_of(worker)


cdef Context context_of(Worker worker):
    if worker.context is None:
        worker.context = make_context(worker.peer, worker.call, worker.method, None,
                                      worker.deadline)
        worker.peer.calls.setdefault(worker.call, worker.context)
    return worker.context


cdef Context make_context(Peer peer, uint32_t call, Method method, Codec codec, fn_time deadline):
    cdef Context context = Context.__new__(Context)
    context.peer = peer
    context.call = call
    context.method = method
    context.codec = codec
    context.until = deadline
    return context


cdef class Method:
    """A name, a function, and how its results come."""

    def __init__(self, str name, function, str kind):
        self.name = name
        self.function = function
        self.kind = KINDS[kind]


cdef class Worker:
    pass


cdef class Context:
    """A call that a handler is working on."""

    def __cinit__(self):
        self.credit = WINDOW

    @property
    def name(self):
        """The method's name."""
        return self.method.name

    @property
    def address(self):
        """Where the caller is, as `socket.getpeername` says."""
        return self.peer.address

    @property
    def remaining(self):
        """Seconds until the caller waits no longer; None where it waits for ever."""
        if not self.until:
            return None
        return max(0.0, (self.until - fn_now()) / 1e9)

    @property
    def expired(self):
        """Whether the caller has stopped waiting."""
        return self.until != 0 and fn_now() >= self.until

    @property
    def room(self):
        """Whether the caller takes another item now."""
        return self.credit > 0

    def __repr__(self):
        return f"<call of {self.name!r} from {self.address!r}>"

    def hooks(self, on_cancel, on_more=None):
        """What is called, by any thread, when the call is cancelled, and when there is room."""
        self.on_cancel = on_cancel
        self.on_more = on_more
        if self.cancelled:
            on_cancel()

    cdef int give_up(self) except -1:
        """Nobody waits for it any more."""
        if self.cancelled:
            return 0
        self.cancelled = True
        if self.on_cancel is not None:
            self.on_cancel()
        elif self.iterator is not None and not self.running:
            self.close()
        return 0

    cdef int more(self, uint32_t used) except -1:
        """The caller has used items up."""
        self.credit = min(<int64_t> WINDOW, self.credit + <int64_t> used)
        if self.on_more is not None:
            self.on_more()
        elif self.iterator is not None and not (self.running or self.queued or self.done):
            self.queued = True
            self.peer.hub.streams.append(self)
        return 0

    def finish(self, result):
        """The answer.  Any thread."""
        if self.leave() and not self.notify and not self.cancelled:
            self.peer.answer(self.call, FN_RPC_RESULT, self.codec, 0, result)

    def fail(self, error):
        """An exception as the answer.  Any thread."""
        if self.leave():
            if self.notify:
                logger.error("a notified handler failed", exc_info=error)
            elif not (self.cancelled or self.expired):
                self.peer.answer_error(self.call, self.codec, error, self.index)

    def end(self):
        """The end of a stream.  Any thread."""
        if self.leave() and not self.notify and not self.cancelled:
            self.peer.answer(self.call, FN_RPC_END, None, self.index, None)

    def item(self, value):
        """The next item of a stream.  Any thread."""
        if not self.cancelled and not self.notify:
            self.put(value)

    cdef int put(self, object value) except -1:
        cdef int size = self.peer.answer(self.call, FN_RPC_ITEM, self.codec, self.index, value)
        self.index += 1
        self.credit -= max(size, <int> ITEM_LEAST)
        return 0

    def leave(self):
        """False when it was answered before."""
        if self.done:
            return False
        self.done = True
        if self.peer.calls.get(self.call) is self:
            del self.peer.calls[self.call]
        return True

    def close(self):
        """Closes a stream's generator."""
        iterator, self.iterator = self.iterator, None
        self.leave()
        if iterator is not None and hasattr(iterator, "close"):
            try:
                iterator.close()
            except BaseException:
                logger.exception("a cancelled generator failed to close")

    cdef int advance(self) except -1:
        """Goes on with a generator; 1 when the thread is no longer the leader afterwards."""
        cdef Hub hub = self.peer.hub
        cdef Worker worker = hub.here()
        cdef bint leading = hub.leader is worker
        cdef int left = ITEMS
        value = None
        self.queued = False
        if self.running or self.done:
            return 0
        self.running = True
        worker.peer, worker.context = self.peer, self
        try:
            while left:
                left -= 1
                if self.credit <= 0 and not self.notify:
                    break
                if leading:
                    fn_lead_begin(&hub.lead)
                try:
                    if self.cancelled or (self.until and fn_now() >= self.until):
                        raise errors.TransferTimeout("nobody waits for the stream any more")
                    value = next(self.iterator)
                    ended = None
                except StopIteration as stop:
                    ended = stop
                except BaseException as error:
                    ended = error
                if leading and hub.leader is worker:
                    fn_lead_end(&hub.lead)
                else:
                    leading = False
                if ended is None and not self.notify:
                    try:
                        self.put(value)
                    except Exception as error:  # it cannot be encoded
                        ended = error
                if ended is None:
                    continue
                if isinstance(ended, StopIteration):
                    self.end()
                else:
                    self.fail(ended)
                self.close()
                break
        finally:
            self.running = False
            worker.peer = worker.context = None
        if self.cancelled and not self.done:
            self.close()
        if not self.done and self.credit > 0 and not self.queued:
            self.queued = True
            hub.streams.append(self)
            if not leading:
                hub.wake()
        return 0 if leading else 1


cdef class Peer(Conn):
    """A connection, as far as answers go to it."""
    cdef int answer(self, uint32_t call, int kind, Codec codec, uint32_t value,
                    object result) except -1:
        """Encodes and sends; an error in its place where that fails.  The payload's size."""
        cdef list segments = None
        cdef bytes payload = None
        cdef Py_ssize_t size = 0
        if self.fd == -1:
            return 0
        if codec is not None:
            try:
                found = codec.encode(result)
                if type(found) is tuple:
                    payload, segments = found
                else:
                    payload = found
            except Exception as error:
                if kind == FN_RPC_ITEM:
                    raise
                if kind != FN_RPC_ERROR:
                    self.answer_error(call, codec, error, 0)
                return 0
            size = len(payload)
        try:
            self.send(kind, 0 if codec is None else codec.number, 0, call, value, None, payload,
                      segments)
            self.wrote()
        except (errors.Error, OSError, MemoryError) as error:
            self.doomed = error
            self.hub.later.append(self)
            self.hub.wake()
        except (ValueError, TypeError, BufferError) as error:
            if kind == FN_RPC_ITEM:
                raise
            if kind != FN_RPC_ERROR:
                self.answer_error(call, codec, error, 0)
            return 0
        if segments is not None:
            for memory, _ in segments:
                size += memory.nbytes if hasattr(memory, "nbytes") else len(memory)
        return <int> min(size, <Py_ssize_t> 1 << 30)

    cdef int answer_error(self, uint32_t call, Codec codec, object error,
                          uint32_t value) except -1:
        if codec is None:
            codec = self.hub.codecs[2]
        self.hub.errors_sent += 1
        self.answer(call, FN_RPC_ERROR, codec, value, self.hub.describe(error, codec))
        return 0

    cdef int wrote(self) except -1:
        """What was staged goes out: with the turn's end, or now where that is not at hand."""
        cdef Hub hub = self.hub
        cdef fn_time now
        if hub.leader is not None and hub.leader is hub.here():
            if self.tls is not None:
                if not self.node.queued:
                    self.node.queued = True
                    hub.later.append(self)
                return 0
            now = fn_now()
            if now - hub.flushed < FLUSH_EVERY or self.node.stuck:
                fn_mux_queue_add(&hub.queue, &self.node)
                return 0
            hub.flushed = now
            if self.transmit(WRITE, False):
                fn_mux_queue_add(&hub.queue, &self.node)
            return 0
        if self.transmit(WRITE, False):
            hub.later.append(self)
            hub.wake()
        return 0

    cdef int job(self, Method method, uint32_t call, bint notify, Codec codec, tuple args,
                 dict kwargs, fn_time deadline) except -1:
        """Runs a handler in this thread; 1 when it is no longer the leader afterwards."""
        cdef Hub hub = self.hub
        cdef Worker worker = hub.here()
        cdef bint leading = hub.leader is worker
        cdef Context context
        failure = None
        result = None
        worker.peer = self
        worker.call = call
        worker.deadline = deadline
        worker.method = method
        if leading:
            fn_lead_begin(&hub.lead)
        try:
            result = PyObject_Call(method.function, args, {} if kwargs is None else kwargs)
        except BaseException as error:
            failure = error
        if leading:
            if hub.leader is worker:
                fn_lead_end(&hub.lead)
            else:
                leading = False
        context = worker.context
        worker.peer = worker.method = None
        if context is not None:
            worker.context = None
            context.leave()
            if context.cancelled:
                return 0 if leading else 1
        if notify:
            if failure is not None:
                hub.errors_sent += 1
                logger.error("the notified handler %r failed", method.name, exc_info=failure)
        elif failure is not None:
            self.answer_error(call, codec, failure, 0)
        elif deadline and fn_now() >= deadline:
            pass  # nobody waits any more
        elif isinstance(result, LASTING) or hasattr(result, "__await__"):
            self.go_on(self.begin(method, call, notify, codec, deadline), result)
        else:
            self.answer(call, FN_RPC_RESULT, codec, 0, result)
        return 0 if leading else 1

    def begin(self, Method method, uint32_t call, bint notify, Codec codec, fn_time deadline):
        """The Context of a call that goes on."""
        cdef Context context = make_context(self, call, method, codec, deadline)
        context.notify = notify
        self.calls[call] = context
        return context


cdef class Hub:
    """What peers need of their server."""
    cdef Worker here(self):
        """This thread's Worker."""
        cdef unsigned long ident = PyThread_get_thread_ident()
        cdef Worker worker
        if self.leader is not None and self.leader.ident == ident:
            return self.leader
        worker = getattr(here, "worker", None)
        if worker is None:
            worker = here.worker = Worker.__new__(Worker)
            worker.ident = ident
        return worker

    cdef int acquainted(self, Peer peer) except -1:  # it has introduced itself
        return 0

    cdef int wake(self) except -1:
        if self.r is not NULL:
            fn_reactor_wake(self.r)
        return 0
