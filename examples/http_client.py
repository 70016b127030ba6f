"""Recipe 11.1: interacting with HTTP services as a client.

    python http_client.py                       asks a small server that it starts itself
    python http_client.py serve 8000            that server alone
    python http_client.py http://127.0.0.1:8000 asks a server that is there

The recipe asks httpbin.org, and imports urllib.request as `request` and then requests under the
same name; here the first is `urlopen` and `Request`, the second `http`.  In the upload, a set
stands where a tuple must, and `fiels` is `files`.
"""

import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib import parse

from fastnet import http
from fastnet.http import Request, urlopen

parms = {
    "name1": "value1",
    "name2": "value2",
}


def simple(url):
    # GET, with the parameters in the query
    querystring = parse.urlencode(parms)
    u = urlopen(url + "/get?" + querystring)
    resp = u.read()
    print("GET", json.loads(resp)["args"])

    # POST, with the parameters in the body
    u = urlopen(url + "/post", querystring.encode("ascii"))
    resp = u.read()
    print("POST", json.loads(resp)["form"])

    # headers of one's own
    headers = {
        "User-agent": "none/ofyourbusiness",
        "Spam": "Eggs",
    }
    req = Request(url + "/post", querystring.encode("ascii"), headers=headers)
    u = urlopen(req)
    resp = u.read()
    said = json.loads(resp)["headers"]
    print("headers", said["user-agent"], said["spam"])


def more(url):
    headers = {
        "User-agent": "none/ofyourbusiness",
        "Spam": "Eggs",
    }
    resp = http.post(url + "/post", data=parms, headers=headers)
    text = resp.text  # as text; content has the bytes, json() the values
    print("posted", len(text) == len(resp.content), resp.json()["form"])

    resp = http.head(url + "/get")
    status = resp.status_code
    content_type = resp.headers["content-type"]
    content_length = resp.headers["content-length"]
    print("HEAD", status, content_type, int(content_length) > 0)

    resp = http.get(url + "/basic-auth", auth=("user", "password"))
    print("basic authentication", resp.status_code, resp.json())

    resp1 = http.get(url + "/cookies/set")
    resp2 = http.get(url + "/cookies", cookies=resp1.cookies)
    print("cookies", resp2.json()["cookies"])

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.csv")
        with open(path, "w") as f:
            f.write("1,2,3\n")
        with open(path, "rb") as f:
            files = {"file": ("data.csv", f)}
            r = http.post(url + "/post", files=files)
    print("upload", r.json()["files"])


class Handler(BaseHTTPRequestHandler):
    """As much of httpbin.org as the recipe asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        said = {"args": dict(parse.parse_qsl(query)), "cookies": self.headers.get("Cookie")}
        allowed = self.headers.get("Authorization") == "Basic dXNlcjpwYXNzd29yZA=="
        if path == "/basic-auth" and not allowed:
            self.answer({}, 401, {"WWW-Authenticate": 'Basic realm="example"'})
        elif path == "/cookies/set":
            self.answer({}, 200, {"Set-Cookie": "flavour=plain; Path=/"})
        else:
            self.answer(said)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = {"headers": {name.lower(): self.headers[name] for name in self.headers}}
        kind = self.headers.get_content_type()
        if kind == "multipart/form-data":
            part = body.split(b"\r\n\r\n")[1].partition(b"\r\n--")[0]
            name = body.partition(b'filename="')[2].partition(b'"')[0]
            said["files"] = {name.decode(): part.decode()}
        else:
            said["form"] = dict(parse.parse_qsl(body.decode()))
        self.answer(said)

    def answer(self, said, status=200, fields=None):
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        server = ThreadingHTTPServer(("127.0.0.1", int(words[1])), Handler)
        print("listening on", server.server_port, flush=True)
        server.serve_forever()
    elif words:
        simple(words[0])
        more(words[0])
    else:
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            simple(url)
            more(url)
            server.shutdown()
