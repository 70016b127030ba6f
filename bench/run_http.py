"""Measures what HTTP promises and prints one table: wanted, measured, verdict.

Run it as ``python bench/run_http.py`` with the interpreter that has fastnet installed; the README
beside this file says how to read the result.
"""

from __future__ import annotations

import sys

import http_bad_rows
import http_client_rows
import http_rest_rows
import http_rows
import http_xmlrpc_rows
import process
from http_proof import Proof
from proof import Sections, arguments, prove, say

SECTIONS: Sections = {
    "hello": http_rows.hello,
    "calls": http_rows.calls,
    "pipelined": http_rows.pipelined,
    "10k": http_rows.ten_kib,
    "post": http_rows.posts,
    "thousand": http_rows.thousand,
    "file": http_rows.files,
    "bad": http_bad_rows.bad,
    "rest": http_rest_rows.rest,
    "xmlrpc": http_xmlrpc_rows.many,
    "xmlrpc-one": http_xmlrpc_rows.one,
    "client": http_client_rows.small,
    "download": http_client_rows.download,
}


def main() -> int:
    parser = arguments(__doc__, SECTIONS, "fewer and shorter turns")
    parser.add_argument("--rounds", type=int, metavar="N", help="of turns that count")
    options = parser.parse_args()
    process.SERVER_CPU, process.CLIENT_CPU = 0, 1
    proof = Proof(quick=options.quick, wanted_rounds=options.rounds, say=say)
    return prove(proof, SECTIONS, options)


if __name__ == "__main__":
    sys.exit(main())
