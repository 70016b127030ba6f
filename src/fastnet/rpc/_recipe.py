"""Remote calls over any connection with `send` and `recv`, in a few lines.

The connection is one of `multiprocessing.connection`, of `fastnet.connection`, or anything that
sends objects whole and raises EOFError at the end.  Pickles run code: only between programs that
trust each other.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

__all__ = ["JSONHandler", "JSONProxy", "RPCHandler", "RPCProxy"]


class RPCHandler:
    """Serves functions over connections, by pickle."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}

    def register_function(self, func: Callable[..., Any], name: str | None = None) -> None:
        """Serves a function under a name, by default its own."""
        self._functions[name or func.__name__] = func

    def _loads(self, message: Any) -> tuple[str, Any, Any]:
        name, args, kwargs = pickle.loads(message)
        return name, args, kwargs

    def _result(self, value: Any) -> Any:
        return pickle.dumps(value)

    def _error(self, error: Exception) -> Any:
        try:
            return pickle.dumps(error)
        except Exception:  # one that cannot be pickled
            return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))

    def handle_connection(self, connection: Any) -> None:
        """Answers the calls of one connection until its end."""
        try:
            while True:
                message = connection.recv()
                try:
                    name, args, kwargs = self._loads(message)
                    if name not in self._functions:
                        raise AttributeError(f"there is no function {name!r}")
                    answer = self._result(self._functions[name](*args, **kwargs))
                except Exception as error:
                    answer = self._error(error)
                connection.send(answer)
        except EOFError:
            pass


class RPCProxy:
    """Calls the functions of an `RPCHandler`: ``proxy.add(2, 3)``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def _request(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return pickle.dumps((name, args, kwargs))

    def _answer(self, message: Any) -> Any:
        result = pickle.loads(message)
        if isinstance(result, Exception):
            raise result
        return result

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def do_rpc(*args: Any, **kwargs: Any) -> Any:
            self._connection.send(self._request(name, args, kwargs))
            return self._answer(self._connection.recv())

        return do_rpc


class JSONHandler(RPCHandler):
    """The same by JSON, which is safe for peers that are not trusted."""

    def _loads(self, message: Any) -> tuple[str, Any, Any]:
        name, args, kwargs = json.loads(message)
        return name, args, kwargs

    def _result(self, value: Any) -> Any:
        return json.dumps({"result": value})

    def _error(self, error: Exception) -> Any:
        return json.dumps({"error": [type(error).__name__, str(error)]})


class JSONProxy(RPCProxy):
    """Calls the functions of a `JSONHandler`; what they raise comes as a RuntimeError."""

    def _request(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return json.dumps([name, args, kwargs])

    def _answer(self, message: Any) -> Any:
        answer = json.loads(message)
        if "error" in answer:
            kind, text = answer["error"]
            raise RuntimeError(f"{kind}: {text}")
        return answer["result"]
