"""The OpenAPI document leaves nothing out, says nothing that is untrue, and stays small."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Iterator
from typing import Any, Literal

from app_kit import call
from fastnet.rest import PathDispatcher, Request

JSON = "application/json"


@dataclasses.dataclass
class Tree:
    a: Tree | None
    b: Tree | None
    c: Tree | None
    d: list[Tree]
    e: dict[str, Tree]


@dataclasses.dataclass
class Problem:
    word: str


class Level(enum.Enum):
    LOW = 1
    HIGH = math.inf
    ODD = b"x"


def named(name: str, member: Any) -> type:
    """A dataclass of a name that others have, too."""
    return dataclasses.make_dataclass(name, [("member", member)])


def only(api: PathDispatcher, path: str, method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = call(api, "GET", "/o").json()["paths"][path][method]
    return found


def test_classes_are_described_once() -> None:
    api = PathDispatcher(openapi="/o")

    @api.get("/tree")
    def tree(request: Request) -> Tree:
        return Tree(None, None, None, [], {})

    @api.post("/tree")
    def plant(request: Request, body: Tree) -> list[Tree]:
        return [body]

    document = call(api, "GET", "/o").json()
    assert len(json.dumps(document)) < 4000
    reference = {"$ref": "#/components/schemas/Tree"}
    described = document["components"]["schemas"]["Tree"]
    assert described["properties"]["a"] == {"anyOf": [reference, {"type": "null"}]}
    assert described["properties"]["d"] == {"type": "array", "items": reference}
    assert described["properties"]["e"]["additionalProperties"] == reference
    post = document["paths"]["/tree"]["post"]
    assert post["requestBody"]["content"][JSON]["schema"] == reference
    assert post["responses"]["200"]["content"][JSON]["schema"]["items"] == reference


def test_classes_of_one_name() -> None:
    api = PathDispatcher(openapi="/o")
    kinds = [named("Item", int), named("Item", str), Problem, named("Ünlike", int)]
    for number, kind in enumerate(kinds):

        def handler(request: Request) -> Any:
            return None

        handler.__annotations__["return"] = kind
        api.get(f"/{number}")(handler)
    schemas = call(api, "GET", "/o").json()["components"]["schemas"]
    assert list(schemas) == ["Problem", "Item", "Item_2", "Problem_2", "_nlike"]
    assert schemas["Item_2"]["properties"]["member"] == {"type": "string"}
    assert schemas["Problem"]["description"] == "RFC 9457"
    assert schemas["Problem_2"]["required"] == ["word"]


def test_paths_that_differ_in_their_parameters_only() -> None:
    api = PathDispatcher(openapi="/o")

    @api.get("/users/<int:id>", tags=["numbers"])
    def by_number(request: Request, id: int, full: bool, page: int = 1) -> dict[str, int]:
        """A user by number."""
        return {}

    @api.get("/users/<name>")
    def by_name(request: Request, name: str, full: str) -> str:
        """A user by name.

        Or by what they once were called.
        """
        return ""

    @api.put("/users/<other>")
    def change(request: Request, other: str, body: int) -> None:
        pass

    @api.put("/users/<int:other>")
    def change_too(request: Request, other: int, body: str | int) -> None:
        pass

    assert list(api.openapi()["paths"]) == ["/users/{id}"]
    get = only(api, "/users/{id}")
    assert (get["summary"], get["tags"]) == ("A user by number.", ["numbers"])
    assert get["operationId"] == "get_by_number"
    assert get["description"] == "A user by name.\n\nOr by what they once were called."
    whole, text, truth = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
    assert get["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"anyOf": [whole, text]}},
        {"name": "full", "in": "query", "required": True, "schema": {"anyOf": [truth, text]}},
        {"name": "page", "in": "query", "required": False, "schema": {**whole, "default": 1}},
    ]
    assert set(get["responses"]["200"]["content"]) == {JSON, "text/plain"}
    put = only(api, "/users/{id}", "put")
    assert [one["name"] for one in put["parameters"]] == ["id"]
    assert put["requestBody"] == {
        "required": True,
        "content": {JSON: {"schema": {"anyOf": [whole, text]}}},
    }
    assert put["responses"]["204"] == {"description": "No Content"}


def test_a_form_or_a_json_body_at_one_path() -> None:
    api = PathDispatcher(openapi="/o")

    @api.post("/x/<int:n>")
    def form(request: Request, n: int, name: str) -> None:
        pass

    @api.post("/x/<uuid:n>")
    def data(request: Request, n: Any, body: dict[str, Any] | None = None) -> None:
        pass

    body = only(api, "/x/{n}", "post")["requestBody"]
    assert body["required"] is False
    assert len(body["content"]) == 3


def test_what_comes_beside_a_body_is_in_the_query() -> None:
    api = PathDispatcher(openapi="/o")

    @api.post("/x")
    def handler(request: Request, dry: bool, body: list[int], tag: str = "a") -> None:
        pass

    post = only(api, "/x", "post")
    assert [(one["name"], one["in"], one["required"]) for one in post["parameters"]] == [
        ("dry", "query", True),
        ("tag", "query", False),
    ]
    assert post["requestBody"]["required"] is True


def test_what_json_has_no_word_for() -> None:
    api = PathDispatcher(openapi="/o")

    @api.get("/x")
    def handler(
        request: Request,
        most: float = math.inf,
        least: float = 1.5,
        level: Level = Level.LOW,
        word: Literal["a", b"b", True] = True,
    ) -> tuple[()]:
        return ()

    get = only(api, "/x")
    assert [one["schema"] for one in get["parameters"]] == [
        {"type": "number"},
        {"type": "number", "default": 1.5},
        {"enum": [1, "inf", "b'x'"], "default": 1},
        {"enum": ["a", "b'b'", True], "default": True},
    ]
    empty = {"type": "array", "minItems": 0, "maxItems": 0}
    assert get["responses"]["200"]["content"][JSON]["schema"] == empty


def test_what_is_returned() -> None:
    api = PathDispatcher(openapi="/o")

    @api.get("/pieces")
    def pieces(request: Request) -> Iterator[bytes]:
        yield b""

    @api.get("/pair")
    def pair(request: Request) -> tuple[int, str]:
        return 1, ""

    @api.get("/many")
    def many(request: Request) -> tuple[int, ...]:
        return ()

    assert list(only(api, "/pieces")["responses"]["200"]["content"]) == ["application/octet-stream"]
    schema = only(api, "/pair")["responses"]["200"]["content"][JSON]["schema"]
    assert schema["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    schema = only(api, "/many")["responses"]["200"]["content"][JSON]["schema"]
    assert schema == {"type": "array", "items": {"type": "integer"}}
