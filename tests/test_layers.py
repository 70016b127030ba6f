"""The house's order: who may import whom, and the rules every file keeps."""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import re
import sys

import pytest

import fastnet
import links

ROOT = pathlib.Path(__file__).parents[1]
SOURCE, CORE = ROOT / "src" / "fastnet", ROOT / "csrc"
pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")

LEAVES = {"errors", "address", "limits", "tuning", "transfer", "_array", "_bind", "cidr", "tls"}
LEAVES |= {"_dial", "_named", "_peer", "_pickles", "sockets", "auth", "_fork"}
# Above the leaves, below the fronts; and which others of its kind each may use.
LOOP = {"loop": set(), "_serve": {"loop"}}
FRONTS = {
    "arrays": set(),
    "events": set(),
    "fdpass": set(),
    "cli": {"arrays", "http", "rest", "rpc", "services", "wsgi"},
    "connection": set(),
    "green": {"socketserver"},
    "http": {"socketserver"},
    "rest": {"wsgi"},
    "rpc": set(),
    "services": set(),
    "socketserver": set(),
    "wsgi": set(),
    "xmlrpc": {"http", "socketserver", "wsgi"},
}  # and which other fronts each may use
# Third parties, by who may import them; "late" only inside functions.
NUMPY = {
    "rpc": "early",
    "_array": "early",
    "arrays": "early",
    "cidr": "late",
    "cli": "late",
    "transfer": "early",
}
THIRD = {
    "numpy": NUMPY,
    "ml_dtypes": {"_array": "late"},
    "rich": {"cli": "late"},
    "matplotlib": {"cli": "late"},
    "greenlet": {"green": "early"},
    "msgspec": {"rpc": "late"},
    "PIL": {"cli": "late"},
    "multipart": {"rest": "late"},
    "idna": {"http": "late"},
}


def sources(*patterns, under=SOURCE):
    return sorted(path for pattern in patterns for path in under.rglob(pattern))


def part_of(path):
    """Which part of the house a file belongs to: "arrays", "errors", "_native" …"""
    first = path.relative_to(SOURCE).parts[0]
    return "fastnet" if first == "__init__.py" else first.removesuffix(".py")


def imports(path):
    """(module, whether inside a function) for each import; type checkers' own left out."""
    found = []

    def visit(node, late):
        for child in ast.iter_child_nodes(node):
            inner = late or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            if isinstance(child, ast.Import):
                found.extend((name.name, late) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: a relative import"
                found.append((child.module, late))
                found.extend((f"{child.module}.{name.name}", late) for name in child.names)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            else:
                visit(child, inner)

    visit(ast.parse(path.read_text()), False)
    return found


def ours(module):
    """The part of fastnet that a module names, or None."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] or "fastnet" if first == "fastnet" else None


@pytest.mark.parametrize("path", sources("*.py"), ids=lambda p: str(p.relative_to(SOURCE)))
def test_python_imports_only_what_is_below(path):
    part = part_of(path)
    known = {*LEAVES, *LOOP, *FRONTS, "_native"}
    allowed = LEAVES | {"_native", part}
    if part in FRONTS:
        allowed |= FRONTS[part] | set(LOOP)
    elif part in LOOP:
        allowed |= LOOP[part]
    elif part == "_native":
        allowed = {"_native", "errors"}
    for module, late in imports(path):
        top = module.partition(".")[0]
        if top == "fastnet":
            target = ours(module)
            if target in known:
                assert target in allowed, f"{part} imports fastnet.{target}"
            else:
                assert part in FRONTS, f"{part} imports {module} of the package itself"
        elif top not in sys.stdlib_module_names:
            assert part in THIRD.get(top, {}), f"{part} imports {top}"
            assert late or THIRD[top][part] == "early", f"{part} imports {top} outside a function"


CIMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+)?cimport\s+(\S+)", re.M)
PLAIN = re.compile(r"^(?:from\s+(\S+)\s+import|import\s+(\S+))", re.M)
EXTERN = re.compile(r"^cdef extern from \"([^\"]+)\"", re.M)


@pytest.mark.parametrize(
    "path", sources("*.pyx", "*.pxd"), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_the_boundary_imports_only_what_is_below(path):
    text = path.read_text()
    for match in CIMPORT.finditer(text):
        module = match[1] or match[2]
        assert module.split(".")[0] in ("libc", "cpython", "cython", "fastnet"), module
        if module.startswith("fastnet"):
            assert module.startswith("fastnet._native"), module
    for match in PLAIN.finditer(text):
        module = match[1] or match[2]
        if module.startswith("fastnet"):
            assert module == "fastnet" or ours(module) in ("_native", "errors"), module
        else:
            assert module.split(".")[0] in sys.stdlib_module_names, module
    for match in EXTERN.finditer(text):
        name = match[1]
        if not re.fullmatch(r"core(_\w+)?\.pxd", path.name):
            assert name == "Python.h", f"{path.name} declares {name}: that is for core*.pxd"
        assert name == "Python.h" or name.startswith(("fastnet/", "<")), name
    assert "numpy" not in re.sub(r'""".*?"""|#.*', "", text, flags=re.S).lower().replace(
        "numpy.ndarray", ""
    )


# --------------------------------------------------------------------------- the core

INCLUDE = re.compile(r'^#\s*include\s+["<]([^">]+)[">]', re.M)
BELOW = {"base": {"base"}, "wire": {"base", "crypto", "wire"}, "net": {"base", "net"},
         "crypto": {"base", "crypto"}, "reactor": {"base", "net", "reactor"}}  # fmt: skip
# A few files join the transport and a protocol; they are the top of the core here.
JOINED = ("link", "mpio", "mux", "muxwait", "muxout", "muxio", "tend")
JOINS = {name: {"base", "net", "wire"} for name in JOINED}
JOINS["muxturn"] = {"base", "net", "wire", "reactor"}
HEADER_ONLY = {"bytes": "base", "http1": "wire"}
# Several files behind one header.
SHARED = {"http1_fields": "http1_head"}
SHARED |= dict.fromkeys(("http1_request", "http1_response", "http1_chunks"), "http1")


def layer_of(stem):
    if stem in HEADER_ONLY:
        return HEADER_ONLY[stem]
    found = [path.parent.name for path in CORE.glob(f"*/{stem}.c")]
    found = [name for name in found if name in BELOW]
    assert len(found) == 1, f"{stem}.h has no .c of its own, or several: {found}"
    return found[0]


def core_files():
    wanted = [*BELOW, "include/fastnet"]
    return sorted(path for name in wanted for path in (CORE / name).glob("*.[ch]"))


@pytest.mark.parametrize("path", core_files(), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_includes_only_what_is_below(path):
    layer = layer_of(path.stem)
    allowed = JOINS.get(path.stem, BELOW[layer])
    for name in INCLUDE.findall(path.read_text()):
        assert "Python" not in name, f"{path.name} knows Python"
        assert not name.startswith("numpy"), name
        if name.startswith("fastnet/"):
            stem = pathlib.Path(name).stem
            assert layer_of(stem) in allowed, f"{path.name} ({layer}) includes {name}"
            assert stem not in JOINS or path.stem in JOINS, f"{path.name} includes {name}"


def test_every_piece_of_the_core_has_its_header():
    for path in CORE.glob("*/*.c"):
        if path.parent.name in BELOW:
            stem = SHARED.get(path.stem, path.stem)
            assert (CORE / "include" / "fastnet" / f"{stem}.h").exists(), path


def test_every_header_opens_with_its_theory():
    for path in (CORE / "include" / "fastnet").glob("*.h"):
        assert path.read_text().startswith(f"/* {path.name}: "), path


# ------------------------------------------------------------------------ what is loaded


def loaded(statement):
    text = links.run(f"import sys\n{statement}\nprint(' '.join(sys.modules))")
    return set(text.split())


def test_importing_fastnet_is_light():
    modules = loaded("import fastnet")
    assert not {name for name in modules if name.startswith("fastnet.")}
    assert not modules & {"numpy", "multiprocessing", "ssl", "socket", "asyncio", "dataclasses"}


def test_numpy_waits_for_arrays():
    used = "fastnet.Limits(), fastnet.Tuning(), fastnet.Error, fastnet.address.parse('/x')"
    modules = loaded(f"import fastnet\n{used}")
    assert "numpy" not in modules
    assert "fastnet.tuning" in modules


def test_arrays_load_nothing_they_do_not_need():
    modules = loaded("import fastnet\nfastnet.arrays.listen")
    assert "numpy" in modules
    assert not modules & {"rich", "matplotlib", "ml_dtypes", "torch", "asyncio", "fastnet.cli"}


def test_names_load_on_first_use():
    assert set(fastnet.__all__) <= set(dir(fastnet))
    for name in fastnet.__all__:
        assert getattr(fastnet, name) is getattr(fastnet, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fastnet.nothing


# ------------------------------------------------------------------------ house rules


def modules():
    for path in sources("*.py", "*.pyx"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", list(modules()))
def test_everything_public_is_documented(name):
    module = importlib.import_module(name)
    internal = "._native" in name and name != "fastnet._native"
    assert module.__doc__ or internal, name
    for key in getattr(module, "__all__", ()):
        thing = getattr(module, key)
        if not (inspect.isclass(thing) or inspect.isroutine(thing)):
            continue
        assert thing.__doc__, f"{name}.{key}"
        if inspect.isclass(thing) and thing.__module__.startswith("fastnet"):
            for attribute, value in vars(thing).items():
                if not attribute.startswith("_") and (
                    inspect.isroutine(value) or isinstance(value, property)
                ):
                    owner = issubclass(thing, tuple)  # a NamedTuple's own methods are not ours
                    assert owner or value.__doc__, f"{name}.{key}.{attribute}"


def written():
    files = sources("*.py", "*.pyx", "*.pxd", "*.pyi")
    files += sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "examples").rglob("*.py"))
    files += [path for path in sorted(CORE.rglob("*.[ch]")) if "corpus" not in path.parts]
    return files


@pytest.mark.parametrize("path", written(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_long_or_unfinished(path):
    text = path.read_text()
    assert text.count("\n") <= 400, "longer than 400 lines"
    if path != pathlib.Path(__file__):
        assert not re.search(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError", text)
    if path.suffix not in (".c", ".h"):  # clang-format sees to those
        assert max((len(line) for line in text.splitlines()), default=0) <= 100


@pytest.mark.parametrize("path", sources("*.pyx"), ids=lambda p: p.name)
def test_every_extension_has_a_stub(path):
    assert path.with_suffix(".pyi").exists()
    spec = importlib.util.find_spec(f"fastnet._native.{path.stem}")
    assert spec is not None, "not built"


def test_the_package_is_typed():
    assert (SOURCE / "py.typed").exists()
