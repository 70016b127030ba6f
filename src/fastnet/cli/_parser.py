"""The command line: every subcommand's arguments, and the module that runs it."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from typing import Any

from fastnet.cli._report import Failure

DESCRIPTION = "Servers at C speed, and NumPy arrays at the speed of the wire."
EXAMPLES = """\
examples:
  fastnet demo                                    see it work, and how fast
  fastnet recv --out received                     receive into a folder, on this machine only
  fastnet send a.npy b.npz 127.0.0.1:9000         send files to it
  fastnet keygen k                                a key, for both ends
  fastnet recv --bind 0.0.0.0:9000 --key k        let other machines send that have it
  fastnet send a.npy node7:9000 --key k           and send from there
  fastnet bench arrays --sizes 1M,64M             measure
  fastnet serve echo                              an echo server at 127.0.0.1:20000
  fastnet serve time --udp --stats 1              the time by datagrams, with live figures
  fastnet talk 127.0.0.1:20000                    talk to a server by hand
  printf 'x\\n' | fastnet talk 127.0.0.1:20000    or from a pipe
"""
RECV = """\
Listens, and writes each array that arrives as NAME.npy into DIR: first under a temporary name
(.NAME.npy.XXXXXXXX.part), then renamed, so that a file is either whole or not there. A file that
has the name already is replaced. The members of an archive x.npz arrive as x/MEMBER.npy; arrays
without a name are counted: array-1.npy and so on. A name that could lead out of DIR, or a dtype
that .npy files cannot hold, is refused with one line: that sender is sent away, the others are
served on. A full disk ends it.
"""
SEND = """\
Sends the arrays in .npy and .npz files. A .npy file is mapped into memory, not read; the members
of a .npz file are read, and sent, one after another. Ends well when `fastnet recv` has stored
all of it; a program of one's own at the other end is only known to have been sent it.
"""
DEMO = """\
Moves the arrays that matplotlib comes with (or those in FILES), then 256 MiB of float64, between
two processes, compares every byte, and measures this beside the plain socket loop and
multiprocessing.connection. Takes less than 15 seconds and 1 GiB of memory.
"""
BENCH = """\
Measures arrays between two processes: the plain socket loop, multiprocessing.connection and
fastnet in turn, medians of several rounds, bytes compared first. Across machines, run it with
--serve on the one and with --connect on the other; the ports PORT and PORT+1 must be open.
"""
SERVE = """\
Runs a service that is all in C until Ctrl-C or SIGTERM, then answers what has come, closes and
prints a line with totals. echo sends back what comes, discard takes it, time tells the time:
over streams to whoever connects, over datagrams to whoever asks. rpc serves the methods of a Python
object to fastnet.rpc.RPCClient and `fastnet call`. files serves a directory over HTTP, rest and
wsgi a fastnet.rest.PathDispatcher or any WSGI application, at 127.0.0.1:8000.
"""
CALL = """\
Calls a method of an RPC server and prints the result as JSON, one line for each item of a stream.
Arguments are JSON; what is not JSON is taken as text. NAME=JSON is an argument by name.
"""
KEYGEN = """\
Makes a key: 32 random bytes, as one line of text. With PATH it is written to a new file that only
you can read; a file that exists is left alone. Both ends of a connection need the same key. Bring
it to the other machine by a safe way, and with its mode: scp -p PATH node7:
"""
TALK = """\
Connects to a server, sends it what comes from stdin as it comes, and prints what the server says
as it comes, every byte of both unchanged. At the end of stdin the server is told that no more
comes; the command ends when the server does. With --udp each line of stdin is a datagram (without
its line end), and each datagram that comes is printed as a line.
"""

PORT = 9000
SERVE_PORT = 20000
SERVICES = ("echo", "discard", "time", "rpc", "files", "rest", "wsgi")
BENCH_PORT = 9010
SIZES = "1K,4K,16K,64K,256K,1M,4M,16M,64M,256M,1G"
SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def count(text: str) -> int:
    """A number of things: at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def seconds(text: str) -> float:
    """A time: more than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def nbytes(text: str) -> int:
    """A size such as ``64K``, ``16M`` or ``1G`` (KiB, MiB, GiB): a multiple of 8 bytes."""
    digits = text.upper().removesuffix("IB").removesuffix("B")
    suffix = digits[-1:] if digits[-1:] in SUFFIXES else ""
    digits = digits.removesuffix(suffix)
    number = int(digits) * SUFFIXES[suffix] if digits.isdecimal() else 0
    if number < 8 or number % 8 or number > 1 << 30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a multiple of 8 from 8 to 1G")
    return number


def sizes(text: str) -> list[int]:
    """Sizes with commas between."""
    return [nbytes(part) for part in text.split(",")]


class Parser(ArgumentParser):
    """An ArgumentParser whose complaint is one line, like every other of this command."""

    def error(self, message: str) -> Any:
        raise Failure(f"{message} (try {self.prog} --help)", 2)


class Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: ArgumentParser, *args: object, **kwargs: object) -> None:
        import fastnet

        print(f"fastnet {fastnet.__version__}")
        parser.exit()


def build() -> ArgumentParser:
    """The parser of the whole command."""
    parser = Parser(
        prog="fastnet",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _recv(commands)
    _send(commands)
    _demo(commands)
    _serve(commands)
    _call(commands)
    _talk(commands)
    _keygen(commands)
    bench = commands.add_parser("bench", help="measure", allow_abbrev=False)
    _bench_arrays(bench.add_subparsers(metavar="WHAT", required=True))
    return parser


def _command(
    commands: Any, name: str, module: str, brief: str, text: str, json: bool = True
) -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(
        name, help=brief, description=text, allow_abbrev=False
    )
    parser.set_defaults(module=f"fastnet.cli.{module}")
    if json:
        parser.add_argument(
            "--json", action="store_true", help="one JSON object per line on stdout"
        )
    return parser


def _recv(commands: Any) -> None:
    parser = _command(commands, "recv", "_recv", "receive arrays, write them as files", RECV)
    parser.add_argument(
        "--bind",
        metavar="HOST:PORT",
        default=f"127.0.0.1:{PORT}",
        help="where to listen (default %(default)s; port 0: any that is free)",
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write into; without it: count only")
    parser.add_argument("--count", metavar="N", type=count, help="end after N arrays")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="end when nothing has arrived for S seconds"
    )
    parser.add_argument(
        "--sync", action="store_true", help="a file is on the disk before it gets its name (slower)"
    )
    _key_option(parser, "senders")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="allow listening where other machines can connect, without a key: anyone can then "
        "write into DIR",
    )


def _send(commands: Any) -> None:
    parser = _command(commands, "send", "_send", "send .npy and .npz files", SEND)
    parser.add_argument("files", metavar="FILE", nargs="+", help=".npy or .npz")
    parser.add_argument("address", metavar="HOST:PORT", help="where `fastnet recv` listens")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="give up when nothing moves for S seconds"
    )
    parser.add_argument(
        "--retry-for",
        metavar="S",
        type=seconds,
        default=0.0,
        help="go on trying to connect for S seconds while nobody listens",
    )
    _key_option(parser, "the receiver")
    parser.add_argument(
        "--key-id", metavar="ID", default="", help="which key it is, for a receiver with several"
    )


def _key_option(parser: ArgumentParser, whose: str) -> None:
    parser.add_argument(
        "--key",
        metavar="FILE",
        help=f"a key that `fastnet keygen` made; {whose} must have it too, and every byte is "
        "authenticated with it (not encrypted)",
    )


def _keygen(commands: Any) -> None:
    parser = _command(commands, "keygen", "_keygen", "make a key", KEYGEN, json=False)
    parser.add_argument("path", metavar="PATH", nargs="?", help="a new file; default: print it")


def _demo(commands: Any) -> None:
    parser = _command(commands, "demo", "_demo", "see it work, and how fast", DEMO)
    parser.add_argument("files", metavar="FILES", nargs="*", help="your own .npy files")
    parser.add_argument(
        "--size",
        metavar="SIZE",
        type=nbytes,
        default=256 << 20,
        help="how much float64 instead of 256M; at most 1G",
    )


def _serve(commands: Any) -> None:
    parser = _command(commands, "serve", "_serve", "serve echo, time, calls, files …", SERVE)
    parser.add_argument("service", metavar="SERVICE", choices=SERVICES, help=", ".join(SERVICES))
    parser.add_argument(
        "object",
        metavar="MODULE:OBJECT",
        nargs="?",
        help="for rpc: an object whose public methods are served, or a function; for rest, wsgi: "
        "the application; for files: the directory (default: this one)",
    )
    _key_option(parser, "for rpc: callers")
    parser.set_defaults(default=f"127.0.0.1:{SERVE_PORT}")
    where = parser.add_argument_group("where")
    where.add_argument(
        "--bind",
        metavar="HOST:PORT",
        action="append",
        help=f"where to listen (default 127.0.0.1:{SERVE_PORT}; port 0: any that is free); "
        "may be given several times",
    )
    where.add_argument(
        "--unix",
        metavar="PATH",
        action="append",
        help="a Unix socket, @NAME for an abstract name; may be given several times",
    )
    where.add_argument("--udp", action="store_true", help="datagrams instead of streams")
    where.add_argument(
        "--insecure",
        action="store_true",
        help="allow listening where other machines can connect: anyone can then use the service",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--threads", metavar="N", type=count, help="threads (default 1; for rest and wsgi: none)"
    )
    how.add_argument(
        "--workers", metavar="N", type=count, default=1, help="processes (default %(default)s)"
    )
    how.add_argument(
        "--stats",
        metavar="S",
        type=seconds,
        help="show counters and, with one process, who is connected, every S seconds",
    )
    _serve_limits(parser.add_argument_group("limits"))
    http = parser.add_argument_group("HTTP (files, rest, wsgi)")
    http.add_argument("--access-log", metavar="FILE", help="a line per request; - for stdout")
    http.add_argument("--cert", metavar="FILE", help="serve TLS with this certificate")
    http.add_argument("--key-file", metavar="FILE", help="its key, if --cert does not hold it")
    http.add_argument("--no-listing", action="store_true", help="files: show no directories")


def _serve_limits(parser: Any) -> None:
    parser.add_argument("--max-connections", metavar="N", type=count, help="at a time")
    parser.add_argument("--max-per-address", metavar="N", type=count, help="from one IP address")
    parser.add_argument(
        "--idle", metavar="S", type=seconds, help="close who moves no byte for S seconds"
    )
    for name, what in (("allow", "serve only"), ("deny", "do not serve")):
        parser.add_argument(
            f"--{name}",
            metavar="NETWORK",
            action="append",
            help=f"{what} peers from there, such as 10.0.0.0/8; may be given several times",
        )


def _call(commands: Any) -> None:
    parser = _command(commands, "call", "_call", "call a method of an RPC server", CALL, json=False)
    parser.add_argument("address", metavar="HOST:PORT", help="where the server listens")
    parser.add_argument(
        "method", metavar="METHOD", nargs="?", help="which method; without it, they are listed"
    )
    parser.add_argument("arguments", metavar="JSON", nargs="*", help="its arguments")
    _key_option(parser, "the server")
    parser.add_argument(
        "--key-id", metavar="ID", default="", help="which key it is, for a server with several"
    )
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="give up when no answer comes for S seconds"
    )


def _talk(commands: Any) -> None:
    parser = _command(commands, "talk", "_talk", "talk to a server", TALK, json=False)
    parser.add_argument(
        "address", metavar="HOST:PORT", help="or [IPV6]:PORT, unix:/PATH, @NAME (abstract)"
    )
    parser.add_argument("--udp", action="store_true", help="datagrams instead of a stream")
    parser.add_argument(
        "--crlf", action="store_true", help="send CR LF for the end of a line, as in HTTP"
    )
    parser.add_argument(
        "--keep-open",
        action="store_true",
        help="do not tell the server that stdin has ended (it could leave at once)",
    )
    parser.add_argument(
        "--wait",
        metavar="S",
        type=seconds,
        help="end S seconds after stdin (default: 1 with --udp, else when the server ends)",
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        help="give up when connecting takes longer, or nothing moves for S seconds while data "
        "waits to be sent or stdin has ended",
    )
    safe = parser.add_argument_group("TLS")
    safe.add_argument("--tls", action="store_true", help="TLS 1.2 or newer")
    safe.add_argument("--cafile", metavar="FILE", help="authorities to trust, not the system's")
    safe.add_argument("--cert", metavar="FILE", help="this end's certificate, if asked for one")
    safe.add_argument("--key", metavar="FILE", help="its key, where --cert does not hold it")
    safe.add_argument(
        "--name", metavar="NAME", help="name in the server's certificate (default: HOST)"
    )
    safe.add_argument(
        "--insecure", action="store_true", help="do not check who the server is: anyone can answer"
    )


def _bench_arrays(commands: Any) -> None:
    parser = _command(commands, "arrays", "_bench", "arrays of float64", BENCH)
    parser.add_argument(
        "--sizes",
        metavar="SIZES",
        type=sizes,
        default=SIZES,
        help="bytes per array, such as 64K,16M (default %(default)s)",
    )
    parser.add_argument(
        "--rounds", metavar="N", type=count, default=5, help="rounds per size (default %(default)s)"
    )
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument(
        "--serve",
        metavar="HOST:PORT",
        nargs="?",
        const=f"127.0.0.1:{BENCH_PORT}",
        help="be the receiving end for other machines' --connect (default %(const)s)",
    )
    ends.add_argument("--connect", metavar="HOST:PORT", help="measure against a --serve there")
    parser.add_argument(
        "--insecure", action="store_true", help="allow --serve where other machines can connect"
    )
    parser.add_argument(
        "--once", action="store_true", help="with --serve: end after the first measurement"
    )
    parser.add_argument("--cpu", metavar="N", type=int, help="run on this CPU only")
