"""fastnet.http in the shape of requests, against a standard server."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import client_kit as kit
from fastnet import http


@pytest.fixture
def server():
    with kit.serving() as server:
        yield server


@pytest.fixture
def session():
    with http.Session(trust_env=False) as session:
        yield session


def test_every_method(server, session):
    for method in ("get", "options", "post", "put", "patch", "delete"):
        said = getattr(session, method)(f"{server.url}/x").json()
        assert said["method"] == method.upper()
    head = session.head(f"{server.url}/x")
    assert head.ok
    assert head.content == b""
    assert int(head.headers["content-length"]) > 0
    assert http.request("get", f"{server.url}/y").json()["method"] == "GET"
    for function in (http.get, http.options, http.post, http.put, http.patch, http.delete):
        assert function(server.url).json()["path"] == "/"
    assert http.head(server.url).status_code == 200


def test_a_response(server, session):
    response = session.get(f"{server.url}/a/b?c=d#e")
    assert response
    assert (response.status_code, response.reason, response.version) == (200, "OK", 11)
    assert response.url == f"{server.url}/a/b?c=d#e"
    assert response.headers["CONTENT-TYPE"] == "application/json"
    assert response.request.method == "GET"
    assert response.json()["path"] == "/a/b?c=d"
    assert json.loads(response.text) == json.loads(response.content)
    assert response.elapsed.total_seconds() > 0
    assert response.raise_for_status() is response
    assert repr(response) == "<Response [200]>"
    assert next(iter(response.iter_content(7))) == response.content[:7]


def test_queries(server, session):
    def path(params, url="/x"):
        return session.get(server.url + url, params=params).json()["path"]

    assert path({"a": 1, "b": None, "c": ["x", "y z"]}) == "/x?a=1&c=x&c=y+z"
    assert path([("k", "ä&"), ("k", "2")]) == "/x?k=%C3%A4%26&k=2"
    assert path("raw=1") == "/x?raw=1"
    assert path({"q": 1}, "/x?p=0") == "/x?p=0&q=1"
    assert path(None, "/ä/%7e") == "/%C3%A4/~"
    session.params = {"always": "1"}
    assert path({"q": 2}) == "/x?always=1&q=2"
    assert path(None) == "/x?always=1"


def test_bodies(server, session, tmp_path):
    def post(**options):
        return session.post(server.url, **options).json()

    form = post(data={"a": ["1", "2"], "b": "x y"})
    assert form["body"] == "a=1&a=2&b=x+y"
    assert form["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert post(data=[("a", "1"), ("a", "2")])["body"] == "a=1&a=2"
    assert post(data="text ä")["body"].encode("latin-1") == "text ä".encode()
    assert post(data=b"\0\1")["body"] == "\0\1"
    assert post(data=bytearray(b"ab"))["body"] == "ab"
    sent = post(json={"k": [1, None]})
    assert json.loads(sent["body"]) == {"k": [1, None]}
    assert sent["headers"]["content-type"] == "application/json"
    array = np.arange(6, dtype="<u2").reshape(2, 3)
    assert post(data=array)["body"].encode("latin-1") == array.tobytes()
    assert post(data=np.array(["2020-01-01"], "M8[D]"))["headers"]["content-length"] == "8"
    with pytest.raises(TypeError, match="contiguous"):
        post(data=array.T)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file:
        file.seek(4)
        said = post(data=file)
        assert said["body"] == "456789"
        assert said["headers"]["content-length"] == "6"
    pieces = post(data=iter([b"a", b"", "b", b"c" * 100000]))
    assert pieces["body"] == "ab" + "c" * 100000
    assert pieces["headers"]["transfer-encoding"] == "chunked"
    assert "content-length" not in pieces["headers"]
    counted = post(data=iter([b"abc"]), headers={"Content-Length": "3"})
    assert counted["headers"]["content-length"] == "3"
    assert post()["headers"]["content-length"] == "0"
    assert "content-length" not in session.get(server.url).json()["headers"]
    with open(path) as text, pytest.raises(TypeError, match="rb"):
        post(data=text)
    with pytest.raises(TypeError):
        post(data=5)
    with pytest.raises(ValueError):
        post(json=float("nan"))


def test_a_source_that_fails(server, session):
    def pieces():
        yield b"one"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        session.post(server.url, data=pieces())
    for body in ([b"too much"], [b"a"]):
        with pytest.raises(ValueError, match="Content-Length"):
            session.post(server.url, data=iter(body), headers={"Content-Length": "3"})
    assert session.post(server.url, data=b"x").json()["body"] == "x"


def test_files(server, session, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"1,2\n")
    with open(path, "rb") as file:
        said = session.post(
            server.url,
            data={"field": "value", "list": ["1", "2"]},
            files={
                "file": file,
                'na"me\r\n': ('ü".txt', b"bytes"),
                "typed": ("t", io.BytesIO(b"stream"), "image/png", {"X-Extra": "1"}),
            },
        ).json()
    kind, _, boundary = said["headers"]["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    body = said["body"].encode("latin-1")
    parts = body.split(b"--" + boundary.encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    assert parts[1] == b'\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    assert parts[4] == (b'\r\nContent-Disposition: form-data; name="file"; filename="data.csv"\r\n'
                        b"Content-Type: text/csv\r\n\r\n1,2\n\r\n")  # fmt: skip
    assert 'name="na%22me%0D%0A"; filename="ü%22.txt"'.encode() in parts[5]
    assert b"Content-Type: image/png\r\nX-Extra: 1\r\n\r\nstream\r\n" in parts[6]
    assert int(said["headers"]["content-length"]) == len(body)


def test_headers(server, session):
    session.headers["X-Session"] = "s"
    said = session.get(server.url, headers={"x-one": "1", "Accept": None}).json()["headers"]
    assert said["x-session"] == "s"
    assert said["x-one"] == "1"
    assert "accept" not in said
    assert said["user-agent"].startswith("fastnet/")
    assert said["accept-encoding"] == "gzip, deflate"
    assert session.get(server.url, headers={"Host": "other"}).json()["headers"]["host"] == "other"
    session.get(server.url)
    session.headers["X-Session"] = "t"  # a request kept ready must not hide it
    assert session.get(server.url).json()["headers"]["x-session"] == "t"
    bad = [{"a b": "c"}, {"": "c"}, {"a": "b\r\nc: d"}, {"a": "b\n"}, {"a": "\0"}, {"a:": "b"},
           {"a": "\u2028"}, {"a": 5}, {"Transfer-Encoding": "gzip"}, {"Content-Length": "5"},
           {"Content-Length": "+0"}]  # fmt: skip
    for headers in bad:
        with pytest.raises(http.InvalidHeader):
            session.get(server.url, headers=headers)
    with pytest.raises(http.InvalidHeader):
        session.post(server.url, data=b"abc", headers={"Content-Length": "2"})
    for method in ("GE T", "GET\r\nX: y", "", "G\0"):
        with pytest.raises(http.InvalidHeader):
            session.request(method, server.url)


def test_the_session_as_a_whole(server):
    with http.Session(headers={"X-A": "1"}, auth=("ann", "pä:ss"), trust_env=False) as session:
        assert session.get(f"{server.url}/basic").text == "welcome"
        assert session.get(server.url).json()["headers"]["x-a"] == "1"


def test_authentication(server, session):
    url = f"{server.url}/basic"
    denied = session.get(url)
    assert denied.status_code == 401
    with pytest.raises(http.HTTPError, match="401 Client Error: Unauthorized for url") as caught:
        denied.raise_for_status()
    assert caught.value.response is denied
    assert session.get(url, auth=("ann", "pä:ss")).text == "welcome"
    assert session.get(url, auth=http.BasicAuth("ann", "pä:ss")).text == "welcome"
    quoted = url.replace("//", "//ann:p%C3%A4%3Ass@")
    assert session.get(quoted).text == "welcome"
    assert "ann" not in session.get(quoted).url

    def own(request):
        request.headers["X-Own"] = request.method
        return request

    assert session.get(server.url, auth=own).json()["headers"]["x-own"] == "GET"
    said = session.get(server.url, auth=http.BearerAuth("tok")).json()
    assert said["headers"]["authorization"] == "Bearer tok"
    with pytest.raises(TypeError):
        session.get(url, auth="ann")
    with pytest.raises(ValueError, match="colon"):
        http.BasicAuth("a:b", "c")


def test_digest(server, session):
    for algorithm in ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess"):
        auth = http.DigestAuth("ann", "secret")
        url = f"{server.url}/digest?algorithm={algorithm}"
        first = session.post(url, data=b"body", auth=auth)
        assert (first.text, len(first.history)) == ("welcome body", 1)
        again = session.get(url, auth=auth)
        assert (again.text, len(again.history)) == ("welcome ", 0)
    url = f"{server.url}/digest?plain=1"
    assert session.get(url, auth=http.DigestAuth("ann", "secret")).ok
    wrong = session.get(url, auth=http.DigestAuth("ann", "wrong"))
    assert (wrong.status_code, len(wrong.history)) == (401, 1)
    unknown = session.get(f"{server.url}/digest?algorithm=X", auth=http.DigestAuth("a", "b"))
    assert (unknown.status_code, len(unknown.history)) == (401, 0)


def test_streams(server, session):
    url = f"{server.url}/count?times=1000"
    whole = bytes(range(256)) * 1000
    assert session.get(url).content == whole
    with session.get(url, stream=True) as response:
        assert response.read(10) == whole[:10]
        buffer = bytearray(1000)
        assert response.readinto(buffer) == 1000
        assert buffer == whole[10:1010]
        assert b"".join(response.iter_content(777)) == whole[1010:]
        assert response.read() == b""
        with pytest.raises(http.RequestException, match="read in part"):
            _ = response.content
    with session.get(url, stream=True) as response:
        assert response.content == whole
        assert response.read(5) == whole[:5]
    array = np.zeros((500, 256), "u2")
    assert session.get(url, stream=True).recv_into(array) == 256000
    assert array.tobytes() == whole
    turned = np.zeros((256, 500), "u2", order="F")
    session.get(url, stream=True).recv_into(turned)
    assert turned.tobytes() == whole
    assert session.get(url).recv_into(array) == 256000
    for size, error in ((255_999, ValueError), (256_001, http.IncompleteTransfer)):
        with session.get(url, stream=True) as response, pytest.raises(error):
            response.recv_into(np.zeros(size, "u1"))
    assert session.get(url).ok


def test_codings(server, session):
    for name in ("gzip", "deflate"):
        url = f"{server.url}/{name}"
        assert session.get(url).content == b"packed " * 1000
        with session.get(url, stream=True) as response:
            assert response.read(9) == b"packed pa"
            assert response.read() == (b"packed " * 1000)[9:]
        for size, error in ((7000, None), (6999, ValueError), (7001, http.IncompleteTransfer)):
            array = np.zeros(size, "u1")
            with session.get(url, stream=True) as response:
                if error is None:
                    assert response.recv_into(array) == size
                    assert array.tobytes() == b"packed " * 1000
                else:
                    with pytest.raises(error):
                        response.recv_into(array)
    assert session.get(f"{server.url}/gzip", stream=True).text.startswith("packed packed")


def test_cookies(server, session):
    url = f"{server.url}/cookies"
    first = session.get(url, params={"set": ["a=1; Path=/", "b=2; Path=/cookies; HttpOnly"]})
    assert first.cookies.get_dict() == {"a": "1", "b": "2"}
    assert sorted(session.get(url).text.split("; ")) == ["a=1", "b=2"]
    assert session.get(f"{server.url}/other").json()["headers"]["cookie"] == "a=1"
    session.get(url, params={"set": ["a=; Max-Age=0; Path=/", "c=3; Domain=.example.com"]})
    assert session.get(url).text == "b=2"
    assert session.get(url, cookies={"mine": "x"}).text in ("b=2; mine=x", "mine=x; b=2")
    assert "mine" not in session.cookies
    session.cookies.clear()
    assert session.get(url).text == ""
    session.cookies["set"] = "by hand"
    assert session.get(url).text == 'set="by hand"' or session.get(url).text == "set=by hand"
    del session.cookies["set"]
    given = http.get(url, params={"set": "z=9"}).cookies
    assert http.get(url, cookies=given).text == "z=9"  # the recipe's
    assert session.get(url, params={"set": "s=1; Secure; Path=/"}).ok
    assert session.get(url).text == ""  # not over plain http
    with pytest.raises(TypeError):
        session.get(url, cookies="a=b")


def test_the_jar():
    jar = http.Cookies()
    jar.update({"a": "1", "b": "2"})
    assert jar["a"] == "1"
    assert jar.get("x", "none") == "none"
    assert (sorted(jar.keys()), sorted(jar.values())) == (["a", "b"], ["1", "2"])
    assert "a" in jar
    jar.set("a", None)
    assert "a" not in jar
    with pytest.raises(KeyError):
        jar["a"]
    with pytest.raises(KeyError):
        del jar["a"]


def test_statuses(server, session):
    for code, what in ((404, "Client"), (503, "Server")):
        response = session.get(f"{server.url}/status?code={code}")
        assert not response
        with pytest.raises(http.HTTPError, match=f"{code} {what} Error"):
            response.raise_for_status()
    with pytest.raises(http.JSONDecodeError):
        session.get(f"{server.url}/status?code=200").json()
