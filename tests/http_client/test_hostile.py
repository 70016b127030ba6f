"""Header values that were made to cost time: it grows with their length, not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from client_kit import Scripted, reply
from fastnet import Limits, http
from fastnet.http import _auth
from fastnet.http._answer import Answer
from fastnet.http._auth import challenges

LONG = 60_000
BAD = [
    "a", "<", "<a>", "<a>;", "<a>;x ", '"', 'a="', 'a="\\', ", ", " ", "a ", "a =", '="a', 'a=\\"',
    ";", ";a", ";a=", ';a="', "; ", "a,", "\\",
]  # fmt: skip


def quick(work: Callable[[], Any]) -> None:
    """Some hundredths of a second; what is quadratic takes tens of seconds."""
    began = time.process_time()
    work()
    assert time.process_time() - began < 5


def links_of(value: str) -> Any:
    class Head:
        status, reason, minor, marks = 200, "OK", 1, 0
        fields = (("Link", value),)

    request: Any = type("Request", (), {"url": "http://a/"})
    return Answer(request, Head, 0.0).links


@pytest.mark.parametrize("bad", BAD)
def test_in_linear_time(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_auth, "_LONGEST", 10 * LONG)
    for start in ("", "Digest a=b, ", "<a>;x", '<a>;x="', "<a>; rel=b"):
        value = start + bad * (LONG // len(bad))
        quick(lambda value=value: challenges(value))  # type: ignore[misc]
        quick(lambda value=value: links_of(value))  # type: ignore[misc]


def test_challenges() -> None:
    value = r'Basic realm="x", Digest realm="a \"r\"", nonce = "n", qop="auth", algorithm=MD5'
    assert challenges(value) == [
        ("Basic", {"realm": "x"}),
        ("Digest", {"realm": 'a "r"', "nonce": "n", "qop": "auth", "algorithm": "MD5"}),
    ]
    assert challenges('Negotiate, NTLM ,Digest Realm="", nonce=n, ') == [
        ("Negotiate", {}),
        ("NTLM", {}),
        ("Digest", {"realm": "", "nonce": "n"}),
    ]
    assert challenges("Negotiate YII==, Digest nonce=n")[-1] == ("Digest", {"nonce": "n"})
    assert challenges("") == challenges('a="b"') == challenges(", =,") == []
    assert challenges("Digest nonce=" + "n" * 20_000) == []


def test_links() -> None:
    value = '<b>; rel="next"; title="a;b,c", </c> ; rel=prev,<d>, <e>;rel'
    found = links_of(value)
    assert found["next"] == {"url": "http://a/b", "rel": "next", "title": "a;b,c"}
    assert found["prev"]["url"] == "http://a/c"
    assert set(found) == {"next", "prev", "http://a/d", "http://a/e"}


def test_a_hostile_server() -> None:
    challenge = "Digest a=b, " + "a" * 50_000
    script = reply(b"", f"WWW-Authenticate: {challenge}", f"Link: {'<' * 50_000}", status="401 No")
    limits = Limits(header_bytes=200_000)
    with Scripted(script) as server, http.Session(trust_env=False, limits=limits) as session:

        def work() -> None:
            response = session.get(server.url, auth=http.DigestAuth("ann", "secret"))
            assert response.status_code == 401
            assert response.links == {}

        quick(work)
