"""Every dtype that may be sent, in every layout, there and back."""

from __future__ import annotations

import sys

import hypothesis
import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import strategies as st

import fastnet
import fn1wire
import layouts
from fastnet._array import dtypes as _dtypes


def there_and_back(value, pair):
    pair[0].send(value)
    got = pair[1].recv()
    assert got.dtype == value.dtype
    assert got.shape == value.shape
    return got


@pytest.mark.parametrize("dtype", layouts.DTYPES)
def test_plain_dtypes(dtype, pair):
    for shape in ((), (3,), (2, 3), (0, 4)):
        value = layouts.filled(dtype, shape)
        got = there_and_back(value, pair)
        assert layouts.same(got, value)
        assert got.dtype.str == value.dtype.str


@pytest.mark.parametrize("name", layouts.STRUCTURED)
def test_structures(name, pair):
    dtype = layouts.STRUCTURED[name]
    for shape in ((), (3,), (2, 3)):
        value = layouts.filled(dtype, shape)
        got = there_and_back(value, pair)
        assert got.tobytes() == value.tobytes()  # padding included
        assert got.dtype.names == dtype.names
        assert got.dtype.fields == dtype.fields
        assert got.dtype.itemsize == dtype.itemsize
        assert got.dtype.isalignedstruct == dtype.isalignedstruct


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps",
                                  "fs", "as", "25s", "7D", "1000000ns"])  # fmt: skip
@pytest.mark.parametrize("kind", ["M8", "m8"])
@pytest.mark.parametrize("order", "<>")
def test_every_unit_of_time(order, kind, unit, pair):
    value = np.array([0, 1, -5, 12345], f"{order}i8").view(f"{order}{kind}[{unit}]")
    value[1] = "NaT"
    got = there_and_back(value, pair)
    assert got.dtype == value.dtype
    assert np.datetime_data(got.dtype) == np.datetime_data(value.dtype)
    assert got.view("i8").tolist() == value.view("i8").tolist()


@pytest.mark.parametrize("name", layouts.ML_DTYPES)
def test_types_of_ml_dtypes(name, pair):
    if not hasattr(ml_dtypes, name):
        pytest.skip(f"this ml_dtypes has no {name}")
    dtype = layouts.ml_dtype(name)
    value = np.arange(6).astype(dtype).reshape(2, 3)
    got = there_and_back(value, pair)
    assert got.dtype == dtype
    assert got.tobytes() == value.tobytes()


def test_types_of_ml_dtypes_in_structures(pair):
    dtype = np.dtype([("w", layouts.ml_dtype("bfloat16"), (2,)), ("s", "<f4")])
    value = np.zeros(3, dtype)
    value["w"] = 1.5
    got = there_and_back(value, pair)
    assert (got["w"] == value["w"]).all()


@pytest.mark.parametrize("dtype", ["g", "G", ">g", ">G"])
def test_long_double_is_named_by_its_layout(dtype):
    described = _dtypes.describe(np.dtype(dtype))
    if np.dtype(dtype).itemsize > 8 * (1 + (np.dtype(dtype).kind == "c")):
        assert b"longdouble." in described
    assert _dtypes.rebuild(described, np.dtype(dtype).itemsize) == np.dtype(dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("layout", {**layouts.LAYOUTS, **layouts.SHARED, **layouts.EDGES})
def test_layouts(layout, order, pair):
    make = {**layouts.LAYOUTS, **layouts.SHARED, **layouts.EDGES}[layout]
    for dtype in ("<f8", "S3", layouts.STRUCTURED["plain"]):
        value = make(dtype)
        if order == "F":
            value = value.T
        got = there_and_back(value, pair)
        assert layouts.same(got, value)
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            assert got.flags.f_contiguous  # the sender's order is kept


def test_64_dimensions(pair):
    most = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
    value = np.arange(4).reshape((1,) * (most - 2) + (2, 2))
    assert layouts.same(there_and_back(value, pair), value)
    assert layouts.same(there_and_back(value[..., ::-1, :].T, pair), value[..., ::-1, :].T)


# A dtype's metadata is the sender's own business.
def test_metadata_is_left_behind(pair):
    dtype = np.dtype("<f8", metadata={"unit": "m"})
    pair[0].send(np.ones(2, dtype))
    assert pair[1].recv().dtype.metadata is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([None]), "Python objects"),
        (np.zeros(2, [("a", "<i4"), ("b", "O")]), "Python objects"),
        (np.zeros(2, [("a", [("b", "O", (2,))])]), "Python objects"),
        (np.ma.masked_array([1], [True]), "masked"),
    ],
    ids=["object", "field", "nested", "masked"],
)
def test_what_cannot_be_sent(value, words, pair):
    with pytest.raises(TypeError, match=words):
        pair[0].send(value)
    with pytest.raises(TypeError, match=words):
        pair[0].send_items([value])
    assert there_and_back(np.ones(2), pair).tolist() == [1, 1]  # nothing was lost


def test_string_dtype_is_refused_by_name(pair):
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    with pytest.raises(TypeError, match="StringDType"):
        pair[0].send(np.array(["a"], np.dtypes.StringDType()))


@pytest.mark.parametrize("value", [[1, 2], "text", None, 5, object()])
def test_what_is_no_array(value, pair):
    with pytest.raises(TypeError):
        pair[0].send(value)
    assert there_and_back(np.ones(1), pair).tolist() == [1]


def test_numpy_scalars_are_arrays_without_dimensions(pair):
    assert there_and_back(np.float32(1.5), pair) == np.float32(1.5)
    assert there_and_back(np.datetime64("2026-01-01"), pair) == np.datetime64("2026-01-01")


def test_an_unknown_type_is_told_and_can_be_taken_as_it_is(raw_pair, monkeypatch):
    """Without ml_dtypes, bfloat16 arrives for whoever has a place of that type."""
    stream, wire = raw_pair()
    head = fn1wire.header(fn1wire.named("bfloat16", 2), (2,))
    wire.sock.sendall(fn1wire.message(head, b"\x80\x3f\x00\x40") + fn1wire.array([7]))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    info = stream.peek()
    assert info.dtype is None
    assert (info.shape, info.nbytes) == ((2,), 4)
    for _ in range(2):
        with pytest.raises(TypeError, match="ml_dtypes"):
            stream.recv()
    out = np.zeros(2, layouts.ml_dtype("bfloat16"))
    assert stream.recv(out=out) is out
    assert out.astype("f4").tolist() == [1, 2]
    assert stream.recv().tolist() == [7]


@pytest.mark.parametrize("name", ["float99", "longdouble.7", "bfloat16.x", "object"])
def test_an_unknown_name_is_a_type_error_and_not_lost(name, raw_pair):
    stream, wire = raw_pair()
    head = fn1wire.header(fn1wire.named(name, 4), (2,))
    wire.sock.sendall(fn1wire.message(head, bytes(8)))
    for _ in range(2):
        with pytest.raises(TypeError, match=name):
            stream.recv()


# --------------------------------------------------------------- any array at all


def _dtypes_of_any_kind():
    plain = st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
        hnp.datetime64_dtypes(endianness="?"),
        hnp.timedelta64_dtypes(endianness="?"),
        hnp.byte_string_dtypes(endianness="?", max_len=9),
        hnp.unicode_string_dtypes(endianness="?", max_len=9),
    )
    return st.one_of(plain, hnp.array_dtypes(plain, allow_subarrays=True, max_size=4),
                     hnp.nested_dtypes(plain, max_leaves=6))  # fmt: skip


@hypothesis.given(
    value=hnp.arrays(
        _dtypes_of_any_kind(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    ),
    data=st.data(),
)
@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
def test_any_array_in_any_slice(value, data, pair):
    if value.ndim:
        value = value[data.draw(hnp.basic_indices(value.shape, allow_ellipsis=True))]
        value = np.asarray(value)
        value = value.transpose(data.draw(st.permutations(range(value.ndim))))
    got = there_and_back(value, pair)
    assert got.tobytes() == value.tobytes()
    out = np.zeros(value.shape, value.dtype, order=data.draw(st.sampled_from("CF")))
    pair[0].send(value)
    assert pair[1].recv(out=out) is out
    assert out.tobytes() == value.tobytes()


@hypothesis.given(_dtypes_of_any_kind())
def test_descriptions_agree_with_the_headers_text(dtype):
    described = _dtypes.describe(dtype)
    assert described == fn1wire.describe(dtype)
    again = _dtypes.rebuild(described, dtype.itemsize)
    assert again == dtype
    assert _dtypes.describe(again) == described


def test_too_many_fields_are_the_senders_value_error(pair):
    dtype = np.dtype([(f"a field with a very long name {i:06}", "u1") for i in range(1500)])
    with pytest.raises((ValueError, fastnet.LimitError)):
        pair[0].send(np.zeros(1, dtype))
