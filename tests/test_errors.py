"""The exceptions: each is also what the standard library raises for the same thing."""

from __future__ import annotations

import multiprocessing
import pickle

import pytest

import fastnet
from fastnet._native.status import exception

BASES = {
    "ProtocolError": OSError,
    "LimitError": OSError,
    "AuthenticationError": multiprocessing.AuthenticationError,
    "IncompleteTransfer": EOFError,
    "TransferTimeout": TimeoutError,
}


@pytest.mark.parametrize("name", BASES)
def test_bases(name):
    kind = getattr(fastnet, name)
    assert issubclass(kind, fastnet.Error)
    assert issubclass(kind, BASES[name])


def test_a_limit_is_a_matter_of_protocol():
    assert issubclass(fastnet.LimitError, fastnet.ProtocolError)


@pytest.mark.parametrize("kind", [fastnet.IncompleteTransfer, fastnet.TransferTimeout])
@pytest.mark.parametrize("counts", [(), (3,), (3, 7), (0, None)])
def test_counts(kind, counts):
    error = pickle.loads(pickle.dumps(kind("text", *counts)))
    assert type(error) is kind
    assert str(error) == "text"
    assert error.transferred == (counts[0] if counts else 0)
    assert error.expected == (counts[1] if len(counts) > 1 else None)


def test_the_systems_own_errors():
    assert isinstance(exception(-104), ConnectionResetError)
    assert exception(-28).errno == 28
    error = exception(-32, transferred=5, expected=9)
    assert isinstance(error, BrokenPipeError)
    assert (error.transferred, error.expected) == (5, 9)


CLASSES = [(0, 6), (100, 116), (200, 227), (300, 304)]  # as status.h numbers them
STATUSES = [-10_000 - offset for low, high in CLASSES for offset in range(low, high)]


@pytest.mark.parametrize("status", [*STATUSES, -99_999])
def test_every_status_has_words(status):
    error = exception(status)
    assert isinstance(error, (fastnet.Error, OSError))
    assert str(error)
