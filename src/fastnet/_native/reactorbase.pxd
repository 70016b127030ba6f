from fastnet._native.core_reactor cimport fn_reactor


# A reactor by the name of its poller (None for the best there is) and a spin in
# seconds (negative for what pays here); ValueError for another name.
cdef fn_reactor *new_reactor(kind, double spin) except NULL

# Its counters by name; for any thread.
cdef dict counters_of(fn_reactor *r)

# Up to `most` connections: (id, descriptor, address or None, port, bytes in, bytes
# out) of each; for any thread.  IPv4 addresses come as themselves, not as mapped ones.
cdef list peers_of(fn_reactor *r, size_t most)
