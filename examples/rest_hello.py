"""Recipe 11.5: a simple REST-based interface.

    python rest_hello.py 8080             on fastnet's WSGI server
    python rest_hello.py 8080 wsgiref     on any other: here the standard library's
    python rest_hello.py 8080 richer      the same in the richer form, and more
    python rest_hello.py 8080 tls FOLDER  over https; tls_echo.py makes FOLDER's certificates

Port 0 lets the system choose.  Try http://127.0.0.1:8080/hello?name=Guido and
http://127.0.0.1:8080/localtime
"""

import ssl
import sys
import time

from fastnet.rest import NotFound, PathDispatcher, html_reply, negotiated

_hello_resp = """\
<html>
  <head>
     <title>Hello {name}</title>
   </head>
   <body>
     <h1>Hello {name}!</h1>
   </body>
</html>"""


def hello_world(environ, start_response):
    start_response("200 OK", [("Content-type", "text/html")])
    params = environ["params"]
    resp = _hello_resp.format(name=html_text(params.get("name")))
    yield resp.encode("utf-8")


def html_text(text):
    # The recipe puts what the client sent into the page as it is, which lets anybody
    # put a script there.
    import html

    return html.escape(str(text))


_localtime_resp = """\
<?xml version="1.0"?>
<time>
  <year>{t.tm_year}</year>
  <month>{t.tm_mon}</month>
  <day>{t.tm_mday}</day>
  <hour>{t.tm_hour}</hour>
  <minute>{t.tm_min}</minute>
  <second>{t.tm_sec}</second>
</time>"""


def localtime(environ, start_response):
    start_response("200 OK", [("Content-type", "application/xml")])
    resp = _localtime_resp.format(t=time.localtime())
    yield resp.encode("utf-8")


# ------------------------------------------------------- the same in the richer form

api = PathDispatcher(openapi="/openapi.json", title="Hello")
ZONES = {"utc": time.gmtime, "here": time.localtime}
NAMES = ("year", "month", "day", "hour", "minute", "second")


@api.get("/hello")
def hello(request, name: str = "world"):
    """A greeting, as a page."""
    return html_reply(_hello_resp.format(name=html_text(name)))


@api.get("/time/<zone>")
def time_in(request, zone: str):
    """The time there, as JSON, XML, CSV or a page: whichever the client wants."""
    if zone not in ZONES:
        raise NotFound(f"there is only the time in {', '.join(ZONES)}")
    return negotiated(request.environ, dict(zip(NAMES, ZONES[zone]())))


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 8080
    variant = sys.argv[2] if sys.argv[2:] else "recipe"
    options = {}
    if variant == "wsgiref":
        from wsgiref.simple_server import make_server
    else:
        from fastnet.wsgi import make_server
    if variant == "tls":
        folder = sys.argv[3]
        options["ssl_context"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        options["ssl_context"].load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")

    # Create the dispatcher and register functions
    dispatcher = PathDispatcher()
    dispatcher.register("GET", "/hello", hello_world)
    dispatcher.register("GET", "/localtime", localtime)

    # Launch a basic server
    httpd = make_server("127.0.0.1", port, api if variant == "richer" else dispatcher, **options)
    print("listening on port", httpd.server_address[1], flush=True)
    httpd.serve_forever()
