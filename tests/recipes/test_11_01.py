"""Recipe 11.1, HTTP services as a client: examples/http_client.py."""

from __future__ import annotations

import recipe_programs as programs

SAID = """\
GET {'name1': 'value1', 'name2': 'value2'}
POST {'name1': 'value1', 'name2': 'value2'}
headers none/ofyourbusiness Eggs
posted True {'name1': 'value1', 'name2': 'value2'}
HEAD 200 application/json True
basic authentication 200 {'args': {}, 'cookies': None}
cookies flavour=plain
upload {'data.csv': '1,2,3\\n'}
"""


def test_the_program_by_itself():
    assert programs.finished("http_client.py") == SAID


def test_the_client_and_a_server_as_programs():
    with programs.started("http_client.py", "serve", 0) as (_, port):
        for _ in range(2):
            assert programs.finished("http_client.py", f"http://127.0.0.1:{port}") == SAID
