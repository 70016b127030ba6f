"""The boundary: Cython extensions over the C core, one per concern.

Private.  Nothing here is a protocol or an interface of its own: each module
pins Python's memory, calls the core without the GIL, and turns a status into
an exception.
"""
