"""An fn1 connection of blocking calls (link.h): both halves, and what needs both."""

from fastnet import errors

from cpython.pythread cimport PyThread_get_thread_ident

from fastnet._native.core cimport (
    FN1_EV_ERROR,
    FN1_EV_KEY,
    FN1_EV_MESSAGE,
    FN1_EV_PREFACE,
    FN_E_CHECK,
    FN_E_MORE,
    FN_E_TIMEOUT,
    FN_LINK_REPLY,
    fn1_view,
    fn_link_key,
    fn_link_may_receive,
    fn_link_step,
    fn_suite_name,
)
from fastnet._native.fn1_recv cimport Receiver
from fastnet._native.fn1_send cimport view_of
from fastnet._native.wait cimport Patience, be_patient


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

    # ----------------------------------------------------------- handshake

    cdef int look_up_key(self) except? -1:
        """The key for a client's key id; what comes of it is an event, or 0."""
        cdef fn1_view view
        key_id = (<const char *> self.link.session.key_id)[:self.link.session.key_id_len]
        cdef bytes key = self.keyring(key_id)
        view.data = NULL
        view.len = 0
        if key is not None:
            view = view_of(key)
        return fn_link_key(&self.link, view)

    cdef int shake(self, int event) except? -1:
        """What an event before the peer is known leads to: PREFACE, or FN_E_MORE."""
        if event == FN1_EV_KEY:
            event = self.look_up_key()
        if event == FN_LINK_REPLY:
            self.send_preface(0.0)
            event = FN_E_MORE
        if event == FN1_EV_PREFACE:
            self.check_application()
        elif event == FN1_EV_ERROR:
            self.raise_peer_error()
        elif event < 0 and event != FN_E_MORE:
            self.raise_status(event)
        return event

    def shake_hands(self, timeout=None):
        """A client's handshake with a key, whole: the peer has it, and knows that we do.

        timeout: seconds, or None.

        Raises AuthenticationError when the peer does not have this key, or
        refuses it; TransferTimeout.
        """
        cdef Patience patience
        patience.ready = False
        be_patient(&patience, timeout, self.stall)
        self.send_preface(timeout)
        self.begin_receive()
        try:
            while self.link.peer_fragment == 0:
                event = fn_link_step(&self.link)
                if event == FN_E_MORE:
                    self.mind_the_clock(&patience)
                    if self.transport is None:
                        event = self.wait_descriptor(timeout, &patience)
                    else:
                        event = self.wait_transport(timeout, &patience)
                if event != FN_E_CHECK:
                    self.shake(event)
        finally:
            self.end_receive()
        self.send_preface(timeout)

    @property
    def suite(self):
        """The name of the suite in use, or None without a key."""
        name = fn_suite_name(self.link.session.suite)
        return None if name is NULL else name.decode()

    @property
    def key_id(self):
        """Of a server, which key the client has named."""
        return (<const char *> self.link.session.key_id)[:self.link.session.key_id_len]

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
                self.shake(event)
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
        """The exception for an ERROR or a preface that the peer left behind, or None.

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
                if event == FN1_EV_MESSAGE:
                    self.undecoded = True  # an array first: it is for whoever receives
                elif event != FN_E_TIMEOUT:
                    self.shake(event)  # its preface alone can be the reason, too
        except (errors.ProtocolError, errors.AuthenticationError) as error:
            return error
        except (OSError, EOFError):
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
