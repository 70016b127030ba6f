"""``fastnet send``: sends ``.npy`` and ``.npz`` files."""

from __future__ import annotations

import argparse
import time
from typing import Any

from fastnet.cli import _address, _keygen, _meter, _report
from fastnet.cli._report import Failure
from fastnet.cli._sources import Source, collect


class Sender:
    """One connection over which the files go."""

    def __init__(self, args: argparse.Namespace, stream: Any, meter: Any) -> None:
        self.stream = stream
        self.meter = meter
        self.json: bool = args.json
        self.timeout: float | None = args.timeout
        self.where = _address.show(_address.parse(args.address))
        self.arrays = 0
        self.nbytes = 0

    def send(self, sources: list[Source]) -> None:
        """Sends every array. Raises Failure, in the receiver's words where it has said why."""
        for source in sources:
            with source.opened() as array:
                began = time.perf_counter()
                with self.meter.track(source.name, array.nbytes, self._moved()):
                    self._send(source, array)
                self._report(source, array, time.perf_counter() - began)
            del array  # one member of an archive in memory at a time

    def _send(self, source: Source, array: Any) -> None:
        import fastnet

        try:
            self.stream.send(array, name=source.name)
        except (TypeError, ValueError) as error:  # what cannot be sent, such as a name too long
            raise Failure(f"{source.label} cannot be sent: {_report.reason(error)}") from None
        except (ConnectionError, EOFError, TimeoutError, fastnet.Error) as error:
            raise self._lost(f"while {source.label} was being sent", error) from error

    def _moved(self) -> Any:
        start = self.stream.stats()["bytes_sent"]
        return lambda: self.stream.stats()["bytes_sent"] - start

    def _lost(self, when: str, error: Exception) -> Failure:
        return Failure(f"{self.where}, {when}: {_report.reason(error)}")

    def finish(self) -> None:
        """Waits until the receiver has taken, and `fastnet recv` stored, everything."""
        import fastnet

        began = time.monotonic()
        try:
            self.stream.close()
        except (OSError, EOFError, fastnet.Error) as error:
            raise self._lost("before everything was received", error) from error
        if self.timeout is not None and time.monotonic() - began >= self.timeout:
            raise Failure(f"{self.where} has not taken everything after {self.timeout:g} s")

    def _report(self, source: Source, array: Any, seconds: float) -> None:
        self.arrays += 1
        self.nbytes += array.nbytes
        if self.json:
            _report.record(
                event="sent",
                name=source.name,
                source=source.label,
                dtype=str(array.dtype),
                shape=[int(n) for n in array.shape],
                nbytes=int(array.nbytes),
                seconds=round(seconds, 6),
            )
            return
        rate = _report.rate(array.nbytes, seconds)
        self.meter.line(f"{source.name:<24} {_report.described(array)} {rate:>12}")


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet send``."""
    address = _address.parse(args.address)
    sources = collect(args.files)
    if not sources:
        raise Failure("the files hold no arrays")
    began = time.perf_counter()
    stream = _connect(address, args)
    try:
        with _meter.meter(args.json) as meter:
            sender = Sender(args, stream, meter)
            sender.send(sources)
            sender.finish()
    except BaseException as error:
        stream.abort(str(error) or type(error).__name__)  # for the receiver to tell its user
        raise
    if args.json:
        _report.record(
            event="done",
            arrays=sender.arrays,
            nbytes=sender.nbytes,
            seconds=round(time.perf_counter() - began, 6),
        )
    return 0


def _connect(address: Any, args: argparse.Namespace) -> Any:
    import fastnet
    from fastnet import arrays

    key = _keygen.load(args.key)
    if key is None and args.key_id:
        raise Failure("--key-id is for --key", 2)
    if isinstance(address, tuple):
        _address.resolve(address)  # a name that does not exist is told as such, and at once
    # The receiver closes when it has stored what came: however long that takes, unless told.
    limits = fastnet.Limits(stall_timeout=args.timeout, close_timeout=args.timeout)
    try:
        return arrays.connect(
            address,
            authkey=key,
            key_id=args.key_id,
            timeout=args.timeout,
            retry_for=args.retry_for,
            limits=limits,
        )
    except (OSError, fastnet.Error) as error:
        why = _report.system(error)
        raise Failure(f"cannot connect to {_address.show(address)}: {why}") from None
