"""A run over many files leaves out the bad ones, whatever they raise, and says why."""

import signal

import pytest

from napari_centermask.core.errors import BadImage, BadSettings, Cancelled
from napari_centermask.core.left_out import LeftOut, explain


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadImage("It is dark."), "b: It is dark."),
        (BadImage("Expected cells, b has none."), "Expected cells, b has none."),
        (MemoryError(), "Out of memory"),
        (ImportError("No module named 'imagecodecs'"), "imagecodecs"),
        (OSError(28, "No space left on device", "x.tif"), "No space left on device (x.tif)"),
        (IndexError("list index out of range"), "IndexError in test_left_out.py, line"),
        (ValueError("NUL"), "NUL"),
    ],
)
def test_the_others_are_done_and_the_bad_one_is_named(error, said):
    messages, done = [], []
    left_out = LeftOut[str](messages.append)
    for name in "abc":
        with left_out.unless_done(name):
            if name == "b":
                raise error
            done.append(name)
    assert done == ["a", "c"]
    assert left_out.sentences == messages == [left_out.why["b"]]
    assert said in messages[0]
    assert messages[0].startswith(("b: ", "Expected cells, b"))


def test_a_network_that_fails_is_not_taken_for_a_fault_of_the_image():
    place = {"__name__": "onnxruntime"}
    exec(
        compile("def run(): raise RuntimeError('Failed to allocate memory for 4 TB')", "/lib/onnxruntime/x.py", "exec"),
        place,
    )
    with pytest.raises(RuntimeError) as caught:
        place["run"]()
    assert explain(caught.value).startswith(
        "The network failed: it needs more memory than there is. Choose another --engine"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, BadSettings, GeneratorExit])
def test_who_stops_the_work_and_what_concerns_all_ends_it(error):
    left_out = LeftOut[str](but=(BadSettings,))
    with pytest.raises(error), left_out.unless_done("a"):
        raise error
    assert not left_out


def test_a_stop_while_a_result_is_used_comes_after_it():
    left_out, used, before = LeftOut[str](), [], signal.getsignal(signal.SIGINT)
    for name in left_out.until_stopped("abc"):
        if name == "b":
            signal.raise_signal(signal.SIGINT)
        used.append(name)
    assert used == ["a", "b"]
    assert left_out.stopped
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_stop_ends_everything():
    results = LeftOut[str]().until_stopped("abc")
    assert next(results) == "a"
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    results.close()
