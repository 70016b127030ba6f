"""Socket tuning: what is asked for, and what holds afterwards (tune.h)."""

from libc.string cimport memset, strncpy

from fastnet._native.core cimport (
    FN_CC_NAME,
    FN_REFUSED_CONGESTION,
    FN_REFUSED_NODELAY,
    FN_REFUSED_RECEIVE_BUFFER,
    FN_REFUSED_SEND_BUFFER,
    fn_tune_apply,
    fn_tune_spin,
    fn_tuned,
    fn_tuning,
)


def tune(int fd, bytes congestion, int send_buffer, int receive_buffer, bint nodelay):
    """Applies a tuning to a socket; returns a dict of what holds now.

    Buffers in bytes, 0 for the kernel's choice.  Never raises: what the
    system refuses is listed under "refused".
    """
    cdef fn_tuning t
    cdef fn_tuned now
    memset(&t, 0, sizeof(t))
    strncpy(t.congestion, congestion, FN_CC_NAME - 1)
    t.send_buffer = send_buffer
    t.receive_buffer = receive_buffer
    t.nodelay = nodelay
    with nogil:
        fn_tune_apply(fd, &t, &now)
    refused = []
    if now.refused & FN_REFUSED_CONGESTION:
        refused.append("congestion")
    if now.refused & FN_REFUSED_SEND_BUFFER:
        refused.append("send_buffer")
    if now.refused & FN_REFUSED_RECEIVE_BUFFER:
        refused.append("receive_buffer")
    if now.refused & FN_REFUSED_NODELAY:
        refused.append("nodelay")
    return {
        "congestion": now.congestion.decode() or None,
        "congestion_default": now.congestion_default.decode() or None,
        "send_buffer": now.send_buffer,
        "receive_buffer": now.receive_buffer,
        "nodelay": bool(now.nodelay),
        "refused": refused,
    }


def default_spin():
    """Seconds a receiver spins before it sleeps: 0 where spinning cannot pay."""
    return fn_tune_spin() / 1e9
