"""The Python programs in the documentation run as they stand.

Each runs by itself in a directory that holds the certificates it speaks of; port 20000 becomes
one that the system chooses. Programs that serve until Ctrl-C are given one once they are bound.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tlsfiles import Files

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ["README.md", "docs/servers.md", "docs/migrating.md", "docs/limits.md", "docs/keys.md"]
PAGES += ["docs/auth.md", "docs/fdpass.md", "docs/connection.md", "docs/rpc.md"]
PAGES += ["docs/rest.md", "docs/http-server.md"]
PAGES += ["docs/http-client.md", "docs/wsgi.md"]
PAGES += ["docs/xmlrpc.md"]
pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documentation is not here"),
]

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
ENDLESS = re.compile(r"^ *(await )?\w+\.serve_forever\(|event_loop\(handlers\)$|^while True:", re.M)
PAIR = ("# receiver.py\n", "# sender.py\n")  # two programs that need one another
FIRST_ALONE = "## From socketserver"  # what is above it on its page is one program


def blocks(page):
    """(name, text, whether it serves until Ctrl-C) of each program of a page."""
    path = ROOT / page
    if not path.exists():
        return []
    text = path.read_text()
    found, start = [], 0
    if page == "docs/migrating.md":
        start = text.index(FIRST_ALONE)
        found.append(f"# from line 1\n{''.join(BLOCK.findall(text[:start]))}")
    programs = []
    for match in BLOCK.finditer(text, start):
        line = text.count("\n", 0, match.start()) + 2
        if not match[1].startswith(PAIR):
            found.append(f"# from line {line}\n{match[1]}")
    for program in found:
        line = program.partition("\n")[0].removeprefix("# from line ")
        serves = ENDLESS.search(program) is not None
        programs.append((f"{page}:{line}", program.replace("20000", "0"), serves))
    return programs


PROGRAMS = [block for page in PAGES for block in blocks(page)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    Files(folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests" / "doc_blocks.py"],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # nobody forks beside its threads
        input=json.dumps(PROGRAMS),
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {name: (error, output) for name, error, output in lines}


def test_there_are_programs():
    assert len(PROGRAMS) > 25
    assert sum(serves for _, _, serves in PROGRAMS) > 10


@pytest.mark.parametrize("name", [name for name, _, _ in PROGRAMS])
def test_a_program_runs(outcomes, name):
    error, output = outcomes[name]
    if error and "No module named 'greenlet'" in output:
        pytest.skip("greenlet is not installed")
    assert error is None, output
