"""Accept, and data as JSON, XML, CSV and HTML; the OpenAPI document."""

from __future__ import annotations

import csv
import dataclasses
import io
import uuid
from typing import Literal, TypedDict
from xml.etree import ElementTree

import pytest

from app_kit import call
from fastnet.rest import (
    PathDispatcher,
    Request,
    best,
    csv_reply,
    html_reply,
    json_reply,
    negotiated,
    quality,
    xml_reply,
)

J, X, H, C = "application/json", "application/xml", "text/html", "text/csv"
ACCEPT = [
    (None, J), ("", J), ("*/*", J), ("*", J), (X, X), ("text/html, application/json;q=0.9", H),
    ("text/html;q=0.5, application/json;q=0.9", J), ("text/*", C), ("text/*, text/csv;q=0", H),
    ("application/*;q=0.1, text/html;q=0.2", H), ("image/png", None), ("*/*;q=0", None),
    ("application/json;q=0, */*;q=0.1", X), ("APPLICATION/XML", X), ("text/html;q=2", H),
    ("text/html;q=nan, text/csv;q=0.1", C), ("text/html;q=x, text/csv", C), (",;,/", J),
    ("application/xml;q=0.8, application/json;q=0.80", J), ("text/html;level=1, text/csv;q=.1", C),
    ("text/html;q=0.000, */*", J), ("*/html, text/csv", C), ("a/b," * 100_000, None),
]  # fmt: skip


def test_accept():
    for header, expected in ACCEPT:
        assert best(header, [J, X, C, H]) == expected, (header or "")[:60]
    assert quality("text/*;q=0.3, text/html;q=0.7", H) == 0.7
    assert quality("text/html;level=1;q=0.4", "text/html; level=1") == 0.4


DATA = [{"id": 1, "name": "a,<b>", "x": None}, {"id": 2, "name": 'é"', "more": [1]}]


def test_each_form():
    assert csv_reply(DATA).body.decode() == ('id,name,x,more\r\n1,"a,<b>",,\r\n2,"é""",,[1]\r\n')
    rows = csv_reply([[1, True], ["x\ny", 2.5], [None, "é"]])
    assert list(csv.reader(io.StringIO(rows.body.decode(), newline=""))) == [
        ["1", "true"], ["x\ny", "2.5"], ["", "é"],
    ]  # fmt: skip
    assert csv_reply([]).body == b""
    root = ElementTree.fromstring(xml_reply({"a": DATA, "1 b": "\0<&", "xmlns": True}).body)
    assert [one.tag for one in root] == ["a", "item", "item"]
    assert root[0][0].find("name").text == "a,<b>"
    assert (root[1].get("name"), root[1].text, root[2].text) == ("1 b", "\ufffd<&", "true")
    assert xml_reply("<a/>").body == b"<a/>"
    page = html_reply(DATA).body.decode()
    assert "a,&lt;b&gt;" in page
    assert "<b>" not in page
    assert html_reply("<b>").body == b"<b>"
    with pytest.raises(ValueError):
        json_reply(float("nan"))
    with pytest.raises(TypeError):
        json_reply(object())
    loop = []
    loop.append(loop)
    for form in (json_reply, xml_reply, html_reply):
        with pytest.raises(ValueError):
            form(loop)


def test_negotiated():
    api = PathDispatcher()

    @api.get("/data")
    def data(request):
        return negotiated(request.environ, DATA)

    @api.get("/text")
    def text(request):
        return negotiated(request.environ, "<i>")

    for accept, kind in ((J, J), (X, X), (H, H), (C, C), ("*/*", J)):
        reply = call(api, "GET", "/data", HTTP_ACCEPT=accept)
        assert reply["Content-Type"].startswith(kind)
        assert reply["Vary"] == "Accept"
    assert call(api, "GET", "/data", HTTP_ACCEPT="image/png").problem()[0] == 406
    assert call(api, "GET", "/text", HTTP_ACCEPT=H).text == "&lt;i&gt;"
    assert call(api, "GET", "/text", HTTP_ACCEPT=X).text.endswith("<data>&lt;i&gt;</data>")
    assert call(api, "GET", "/text", HTTP_ACCEPT=C).problem()[0] == 406


class Point(TypedDict):
    x: float
    y: float


@dataclasses.dataclass
class Item:
    id: uuid.UUID
    tags: list[str]
    point: Point | None = None


def test_openapi():
    api = PathDispatcher(openapi="/api.json", title="Shop", version="2", description="All of it.")

    @api.get("/items/<int:id>", tags=["items"])
    def item(request: Request, id: int, order: Literal["up", "down"] = "up") -> Item:
        """One item.

        And more about it.
        """

    @api.post("/items")
    def add(request, body: Item) -> None:
        pass

    @api.post("/form")
    def form(request, name: str, age: int = 3) -> str:
        return name

    @api.get("/hidden", hidden=True)
    def hidden(request):
        pass

    def hello(environ, start_response):
        """Says hello."""

    api.register("GET", "/hello/<path:rest>", hello)
    api.register("POST", "/hello/<path:rest>", hello)
    reply = call(api, "GET", "/api.json")
    document = reply.json()
    assert reply["Content-Type"] == J
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Shop", "version": "2", "description": "All of it."}
    assert list(document["paths"]) == ["/items/{id}", "/items", "/form", "/hello/{rest}"]
    get = document["paths"]["/items/{id}"]["get"]
    assert (get["summary"], get["description"]) == ("One item.", "And more about it.")
    assert get["tags"] == ["items"]
    assert get["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "order", "in": "query", "required": False,
         "schema": {"enum": ["up", "down"], "default": "up"}},
    ]  # fmt: skip
    reference = get["responses"]["200"]["content"][J]["schema"]
    assert reference == {"$ref": "#/components/schemas/Item"}
    schemas = document["components"]["schemas"]
    schema = schemas["Item"]
    assert schema["required"] == ["id", "tags"]
    assert schema["properties"]["id"] == {"type": "string", "format": "uuid"}
    point = schema["properties"]["point"]["anyOf"]
    assert point == [{"$ref": "#/components/schemas/Point"}, {"type": "null"}]
    assert schemas["Point"]["required"] == ["x", "y"]
    post = document["paths"]["/items"]["post"]
    assert post["requestBody"]["content"][J]["schema"] == reference
    assert "204" in post["responses"]
    fields = document["paths"]["/form"]["post"]["requestBody"]["content"]
    assert fields["multipart/form-data"]["schema"]["required"] == ["name"]
    names = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(set(names)) == len(names)
    assert api.openapi() == document
