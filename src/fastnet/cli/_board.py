"""What ``fastnet serve --stats`` shows: counters, rates, and who is connected."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Self

from fastnet.cli import _address, _report

PLAIN_PEERS = 10  # lines of peers on a terminal without rich
SHOWN = ("open", "accepted", "refused", "denied", "shed", "failed")


def figures(stats: dict[str, Any]) -> dict[str, Any]:
    """The counters that are shown, by the names that JSON has them under."""
    found: dict[str, Any] = {name: int(stats.get(name, 0)) for name in SHOWN}
    found["messages"] = messages(stats)
    found["bytes_in"] = int(stats.get("bytes_in", 0))
    found["bytes_out"] = int(stats.get("bytes_out", 0))
    found["lost"] = int(stats.get("datagrams_lost", 0))
    found["seconds"] = round(float(stats.get("seconds", 0.0)), 3)
    return found


def messages(stats: dict[str, Any]) -> int:
    """Datagrams that came, or reads that brought something: what one read brings is one message."""
    return int(stats.get("datagrams_in", 0) or stats.get("reads", 0))


def turned_away(found: dict[str, Any]) -> int:
    """Connections that were not served: by a limit, by their network, for want of descriptors."""
    return int(found["refused"] + found["denied"] + found["shed"])


def summary(stats: dict[str, Any], udp: bool) -> str:
    """The line at the end."""
    found = figures(stats)
    moved = f"{_report.size(found['bytes_in'])} in, {_report.size(found['bytes_out'])} out"
    if udp:
        sent, lost = int(stats.get("datagrams_out", 0)), found["lost"]
        gone = f", {lost} lost" if lost else ""
        return f"{found['messages']} datagrams in, {sent} out{gone}, {found['seconds']:.1f} s"
    away = turned_away(found)
    refused = f", {away} refused" if away else ""
    return f"{found['accepted']} connections{refused}, {moved}, {found['seconds']:.1f} s"


def host(peer: dict[str, Any]) -> str:
    """A peer's address."""
    return "unix socket" if peer["host"] is None else _address.show((peer["host"], peer["port"]))


class Look:
    """The counters at one moment, and rates since the moment before."""

    def __init__(self, server: Any, before: Look | None, peers: bool) -> None:
        self.when = time.monotonic()
        self.found = figures(server.stats())
        self.peers: list[dict[str, Any]] = server.peers() if peers else []
        self.span = self.when - before.when if before else self.found["seconds"]
        old = before.found if before else {}
        self.rates = {
            name: (self.found[name] - old.get(name, 0)) / max(self.span, 1e-6)
            for name in ("messages", "bytes_in", "bytes_out")
        }

    def busiest(self) -> list[dict[str, Any]]:
        """The peers, those with the most traffic first."""
        return sorted(self.peers, key=lambda p: p["bytes_in"] + p["bytes_out"], reverse=True)

    def line(self) -> str:
        """The counters as one line."""
        found, rates = self.found, self.rates
        return (
            f"{found['open']} open, {found['accepted']} accepted, {turned_away(found)} refused, "
            f"{rates['messages']:.0f} messages/s, in {_report.size(int(rates['bytes_in']))}/s, "
            f"out {_report.size(int(rates['bytes_out']))}/s"
        )


class Board:
    """Lines: one each time, and on a terminal the busiest peers below it."""

    def __init__(self, args: argparse.Namespace, most: int = 0) -> None:
        self._most = most
        self._with_peers = args.workers == 1 and not args.udp
        self._last: Look | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def show(self, server: Any) -> None:
        """Shows the server's figures of this moment."""
        self._last = look = Look(server, self._last, self._with_peers and self._wants_peers())
        self._draw(look)

    def close(self) -> None:
        """Takes what is on the screen away; may be called twice."""

    def _wants_peers(self) -> bool:
        return self._most > 0

    def _draw(self, look: Look) -> None:
        _report.line(look.line())
        for peer in look.busiest()[: self._most]:
            moved = f"in {_report.size(peer['bytes_in'])}, out {_report.size(peer['bytes_out'])}"
            _report.line(f"    {host(peer):<28} {moved}")


class JsonBoard(Board):
    """One object each time."""

    def _wants_peers(self) -> bool:
        return True

    def _draw(self, look: Look) -> None:
        rates = {f"{name}_per_s": round(rate, 1) for name, rate in look.rates.items()}
        _report.record(event="stats", **look.found, **rates, peers=look.busiest())


class Silent(Board):
    """Without ``--stats``."""

    def show(self, server: Any) -> None:
        """Shows nothing."""


class RichBoard(Board):
    """A table that is drawn over, by rich."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Raises ImportError where rich is not installed."""
        from rich import console, live

        super().__init__(args, most=1)
        self._console = console.Console()
        # Drawn by `show` alone: a thread of its own would outlive a fork of workers.
        self._live: Any = live.Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._started = False

    def _draw(self, look: Look) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        try:
            self._live.update(self._table(look), refresh=True)
        except BrokenPipeError:
            _report.silence()
            raise _report.OutputClosed from None

    def _table(self, look: Look) -> Any:
        from rich import table

        made = table.Table(caption=look.line(), caption_justify="left")
        made.add_column("peer", no_wrap=True)
        made.add_column("in", justify="right")
        made.add_column("out", justify="right")
        room = max(self._console.height - 8, 1)
        peers = look.busiest()
        for peer in peers[:room]:
            sizes = _report.size(peer["bytes_in"]), _report.size(peer["bytes_out"])
            made.add_row(_report.clean(host(peer)), *sizes)
        if len(peers) > room:
            made.add_row(f"and {len(peers) - room} more", "", "")
        return made

    def close(self) -> None:
        """Takes the table off the screen."""
        if self._started:
            self._started = False
            self._live.stop()


def board(args: argparse.Namespace) -> Board:
    """The one that fits: a table on a terminal, lines elsewhere, objects with ``--json``."""
    if not args.stats:
        return Silent(args)
    if args.json:
        return JsonBoard(args)
    if sys.stdout is None or not sys.stdout.isatty():
        return Board(args)
    try:
        return RichBoard(args)
    except ImportError:
        return Board(args, most=PLAIN_PEERS)
