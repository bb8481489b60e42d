"""The checkpoint reader: accepts tensors as torch stores them, and nothing else."""

import io
import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.reader import LEGACY_MAGIC, read_checkpoint
from tests.interop.forge import call, checkpoint, integer, name, state_dict, storage, tensor, text, values

FLOATS = np.arange(12, dtype=np.float32)


def read(pickle_bytes: bytes, storages: dict[str, bytes] | None = None, **options):
    return read_checkpoint(io.BytesIO(checkpoint(pickle_bytes, storages or {"0": FLOATS.tobytes()}, **options)))


def test_strides_offsets_and_shared_storage():
    memory = storage("0", 12)
    tensors = read(
        state_dict(
            whole=tensor(memory, (3, 4), (4, 1)),
            transposed=tensor(memory, (4, 3), (1, 4)),
            part=tensor(memory, (2, 2), (4, 2), offset=1),
            scalar=tensor(memory, (), (), offset=7),
            empty=tensor(memory, (0, 5), (5, 1)),
            parameter=call(name("torch._utils", "_rebuild_parameter"), tensor(memory, (12,), (1,)), b"\x88", b"}"),
        )
    )
    grid = FLOATS.reshape(3, 4)
    np.testing.assert_array_equal(tensors["whole"], grid)
    np.testing.assert_array_equal(tensors["transposed"], grid.T)
    np.testing.assert_array_equal(tensors["part"], grid[:2, 1::2])
    assert np.asarray(tensors["scalar"]) == 7 and tensors["scalar"].shape == ()
    assert tensors["empty"].shape == (0, 5)
    np.testing.assert_array_equal(tensors["parameter"], FLOATS)


def test_damaged_elements_are_reported_when_they_are_read():
    content = checkpoint(state_dict(x=tensor(storage("0", 12), (12,), (1,))), {"0": FLOATS.tobytes()})
    tensors = read_checkpoint(io.BytesIO(content.replace(FLOATS.tobytes(), FLOATS[::-1].tobytes())))
    with pytest.raises(ArchiveError, match="damaged"):
        np.asarray(tensors["x"])


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *[("BFloat16Storage", ml_dtypes.bfloat16), ("HalfStorage", np.float16), ("DoubleStorage", np.float64)],
        *[("LongStorage", np.int64), ("CharStorage", np.int8), ("BoolStorage", np.bool_)],
    ],
)
def test_element_types(kind, dtype):
    content = np.array([1, 0, 3], np.float32).astype(dtype)
    tensors = read(state_dict(x=tensor(storage("0", 3, kind), (3,), (1,))), {"0": content.tobytes()})
    assert np.asarray(tensors["x"]).dtype == dtype
    np.testing.assert_array_equal(tensors["x"], content)


def test_old_and_foreign_files():
    with pytest.raises(ArchiveError, match=r"torch\.save them again"):
        read_checkpoint(io.BytesIO(LEGACY_MAGIC + b"rest"))
    with pytest.raises(ArchiveError, match="not a torch checkpoint"):
        read_checkpoint(io.BytesIO(b"hello"))
    with pytest.raises(ArchiveError, match="compressed"):
        read(state_dict(), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match="is a int, not a tensor"):
        read(state_dict(x=integer(3)))
    with pytest.raises(ArchiveError, match="not a dict"):
        read(b"\x80\x02K\x01.")


class Command:
    def __init__(self, *command):
        self.command = command

    def __reduce__(self):
        return self.command


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "command",
    [(os.system, ("touch {}",)), (eval, ("open({!r}, 'w')",)), (open, ("{}", "w"))],
    ids=["os.system", "eval", "open"],
)
def test_a_pickle_that_calls_is_refused(command, protocol, tmp_path):
    target = tmp_path / "owned"
    function, (first, *rest) = command
    hostile = pickle.dumps(Command(function, (first.format(str(target)), *rest)), protocol=protocol)
    with pytest.raises(ArchiveError, match="refused"):
        read(hostile)
    assert not target.exists()


def test_the_allowed_names_cannot_be_changed():
    """BUILD on a function would set its attributes, for this load and all later ones."""
    for victim in [name("torch._utils", "_rebuild_tensor_v2"), name("collections", "OrderedDict")]:
        change = victim + b"}" + text("_function") + name("torch", "FloatStorage") + b"sb"
        with pytest.raises(ArchiveError, match="refused"):
            read(b"\x80\x02" + change + b".")
    assert read(state_dict(x=tensor(storage("0", 12), (12,), (1,))))["x"].shape == (12,)


@pytest.mark.parametrize(
    "bad",
    [
        tensor(storage("0", 12), (13,), (1,)),
        tensor(storage("0", 12), (3, 4), (4, 2)),
        tensor(storage("0", 12), (4,), (1,), offset=9),
        tensor(storage("0", 12), (2**62, 2**62), (0, 0)),
        tensor(storage("0", 12), (-1,), (1,)),
        tensor(storage("0", 12), (2,), (-1,), offset=5),
        tensor(storage("0", 12), (2, 2), (1,)),
        tensor(storage("0", 2**40), (2**40,), (1,)),
        tensor(storage("1", 12), (12,), (1,)),
        tensor(storage("../../0", 12), (12,), (1,)),
        tensor(storage("0", 12, "DoubleStorage"), (6,), (1,)),
        tensor(values(text("module"), text("x"), text("0"), text("cpu"), integer(1)) + b"Q", (1,), (1,)),
        call(name("torch._utils", "_rebuild_qtensor")),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(bad):
    with pytest.raises(ArchiveError) as caught:
        read(state_dict(x=bad))
    assert len(str(caught.value).splitlines()) == 1


def test_a_huge_memo_index_is_refused():
    with pytest.raises(ArchiveError, match="damaged"):
        read(b"\x80\x02}r\xff\xff\xff\xf0.")
