import io
import os
import pickle
import pickletools
from pathlib import PurePosixPath

import numpy as np
import pytest

from napari_centermask.io.array_pickle import load_arrays, plain


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_arrays_numbers_and_containers_come_back(protocol):
    arrays = [
        np.arange(12, dtype=np.uint16).reshape(3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
    ]
    value = {
        "a": arrays,
        "n": np.float32(1.5),
        "t": (1, None, True, "ü", 2**40),
        "p": PurePosixPath("a/b"),
        "l": [[], {}],
    }
    after = load_arrays(pickle.dumps(value, protocol=protocol))
    for got, expected in zip(after["a"], arrays, strict=True):
        np.testing.assert_array_equal(plain(got), expected)
        assert plain(got).dtype == expected.dtype
    assert (after["n"], after["t"], after["l"]) == (1.5, (1, None, True, "ü", 2**40), [[], {}])
    assert after["p"].replace("//", "/") == "a/b"


def test_the_array_around_cellposes_dictionary_comes_as_a_list():
    stream = io.BytesIO()
    np.save(stream, np.array({"masks": np.eye(3, dtype=np.uint8)}, dtype=object), allow_pickle=True)
    (content,) = load_arrays(stream.getvalue()[128:])
    np.testing.assert_array_equal(plain(content["masks"]), np.eye(3))


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "value",
    [
        Runs(os.system, "true"),
        Runs(eval, "1"),
        {"masks": Runs(exec, "pass")},
        np.random.default_rng(1),
        object(),
        {1, 2},
        np.array([object()]),
        np.zeros(2, dtype="M8[s]"),
        np.zeros(2, dtype=[("a", "u1"), ("b", "O")]),
    ],
    ids=["system", "eval", "exec", "generator", "object", "set", "objects", "dates", "records"],
)
def test_all_else_is_refused(value):
    with pytest.raises(pickle.UnpicklingError):
        load_arrays(pickle.dumps(value))


def hostile(text):
    """A pickle in words: the instructions of the protocol as bytes."""
    return text + pickle.STOP


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x05",
        hostile(b"cnumpy\nndarray\n(K\x05tR"),  # the class itself, called with a size
        hostile(b"cnumpy\ndtype\n(U\x02M8tR"),
        hostile(
            b"cnumpy._core.multiarray\n_reconstruct\n(tR(K\x01(K\xfftcnumpy\ndtype\n(U\x02u1tR(K\x03U\x01|tb\x89U\x01atb"
        ),
        hostile(b"]2"),  # DUP: nests that grow by doubling
        hostile(b"}((K\x01tK\x02s"),
        hostile(b"}(K\x01K\x02K\x03u"),
        hostile(b"K\x01r\xff\xff\xff\x7f0K\x01h\x01"),
        hostile(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),  # bytes of 8 EiB
        hostile(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f"),
        hostile(b"I" + b"9" * 100_000 + b"\n"),
        hostile(b"(" * 100_000),
        hostile(b"\x82\x01"),
        hostile(b"Pos\n"),
        hostile(b"(i__builtin__\neval\n"),
        hostile(b"cbuiltins\neval\n(Vprint(1)\ntR"),
        hostile(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x74R"),
    ],
)
def test_hostile_programs_are_refused(content):
    with pytest.raises(pickle.UnpicklingError):
        load_arrays(content)


def test_a_huge_index_into_the_memo_takes_no_memory():
    import tracemalloc

    tracemalloc.start()
    assert load_arrays(hostile(b"K\x01r\xff\xff\xff\x7f")) == 1
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_keys_that_take_for_ever_to_hash_are_refused():
    nest = b")" + b"q\x00h\x00\x86" * 60
    with pytest.raises(pickle.UnpicklingError, match="keys"):
        load_arrays(hostile(b"}" + nest + b"K\x01s"))


def test_only_few_of_the_instructions_are_followed():
    from napari_centermask.io.array_pickle import _Reader

    refused = {o.name for o in pickletools.opcodes if ord(o.code) not in _Reader.dispatch}
    assert {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "PERSID", "BINPERSID", "DUP", "NEXT_BUFFER"} <= refused
