"""An fn1 connection of blocking calls (link.h): both halves, and what needs both."""

from fastnet import errors

from cpython.pythread cimport PyThread_get_thread_ident

from fastnet._native.core cimport (
    FN1_EV_ERROR,
    FN1_EV_MESSAGE,
    FN1_EV_PREFACE,
    FN_E_CHECK,
    FN_E_MORE,
    FN_E_TIMEOUT,
    fn_link_may_receive,
    fn_link_step,
)
from fastnet._native.fn1_recv cimport Receiver
from fastnet._native.wait cimport Patience


cdef class Link(Receiver):
    """Both ends of what an fn1 connection does; made as `Sender` is.

    One thread may send while another receives.
    """

    def retire(self):
        """Ends receiving for good; False, with nothing changed, while a call is inside."""
        if self.receiving or self.glancing:
            return False
        self.poison_receive("the stream is closed")
        return True

    # ------------------------------------------------------------ glancing
    #
    # Looking at what has arrived, without waiting, from a thread that sends:
    # it gives way to a thread that receives, and such a thread waits for it.

    cdef bint begin_glance(self) noexcept:
        if self.receiving or self.glancing or self.dropping:
            return False
        if fn_link_may_receive(&self.link) < 0:
            return False
        self.glancing = True
        return True

    cdef void end_glance(self) noexcept:
        self.glancing = False
        self.leave()

    def poll_preface(self):
        """Takes what has arrived of the peer's preface, without waiting.

        True when it is complete.  Raises as receiving does, IncompleteTransfer
        at the end of the connection.
        """
        cdef Patience patience
        cdef int event
        patience.ready = False
        if not self.begin_glance():
            return self.link.peer_fragment != 0
        try:
            while self.link.peer_fragment == 0:
                event = self.glance(&patience)
                if event == FN_E_TIMEOUT:
                    return False
                if event == FN1_EV_PREFACE:
                    self.check_application()
                elif event == FN1_EV_ERROR:
                    self.raise_peer_error()
                elif event < 0:
                    self.raise_status(event)
            return True
        finally:
            self.end_glance()

    cdef int glance(self, Patience *patience) except? -1:
        """The next event of what is here already; FN_E_TIMEOUT when there is none."""
        cdef int event
        while True:
            event = fn_link_step(&self.link)
            if event == FN_E_MORE:
                event = self.poll_once(patience)
            if event != FN_E_CHECK:
                return event

    cdef int poll_once(self, Patience *patience) except? -1:
        if self.transport is None:
            return self.wait_descriptor(0.0, patience)
        try:
            return self.wait_transport(0.0, patience)
        except TimeoutError:
            return FN_E_TIMEOUT

    @property
    def peer_known(self):
        """Whether the peer's preface has come."""
        return self.link.peer_fragment != 0

    @property
    def peer_closed(self):
        """Whether the peer has said that it sends no more."""
        return bool(self.link.peer_closed)

    def last_words(self):
        """The exception for an ERROR that the peer left behind, or None.

        For after a failed send: the reason has arrived by then, if there is one.
        """
        cdef Patience patience
        cdef int event = 0
        patience.ready = False
        if not self.begin_glance():
            return None
        try:
            while event >= 0 and not self.link.assembly.open:
                event = self.glance(&patience)
                if event == FN1_EV_ERROR:
                    self.raise_peer_error()
                if event == FN1_EV_MESSAGE:
                    self.undecoded = True  # an array first: it is for whoever receives
        except errors.ProtocolError as error:
            return error
        except OSError:
            return None
        finally:
            self.end_glance()
        return None

    # --------------------------------------------------------------- state

    def read_elsewhere(self):
        """Whether another thread receives, or iterates over what comes."""
        cdef unsigned long me = <unsigned long> PyThread_get_thread_ident()
        if self.receiving:
            return self.receiver != me
        return self.reader != 0 and self.reader != me

    @property
    def receiving_now(self):
        """Whether a thread is in a receiving call."""
        return bool(self.receiving)

    @property
    def has_transport(self):
        """Whether something other than the core moves the bytes."""
        return self.transport is not None

    @property
    def receive_poisoned(self):
        return bool(self.link.receive_poisoned)

    @property
    def send_poisoned(self):
        return bool(self.link.send_poisoned)

    def counters(self):
        """bytes and messages, sent and received, so far; may be asked at any time."""
        return {
            "bytes_sent": self.link.stream.bytes_out,
            "bytes_received": self.link.stream.bytes_in,
            "messages_sent": self.link.messages_out,
            "messages_received": self.link.messages_in,
        }

    @property
    def spin(self):
        """Seconds this end spins before it sleeps."""
        return self.link.stream.spin / 1e9
