"""XML-RPC: `xmlrpc.client` and `xmlrpc.server` at C speed; change the import, keep the program.

    from fastnet.xmlrpc.client import ServerProxy
    from fastnet.xmlrpc.server import SimpleXMLRPCServer

Messages in the form that programs write are read and written in C; anything
else goes through the standard library's own code, so that values, bytes and
exceptions are the same in every case but one: a document type declaration is
refused before anything in it is expanded (`client.DocumentRefused`).
"""

from __future__ import annotations
