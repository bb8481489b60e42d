"""The checkpoint writer: files that torch's own reader accepts, read back bit for bit."""

import io
import pickletools
import zipfile

import ml_dtypes
import numpy as np
import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.reader import DTYPES, read_checkpoint
from jaxspeech.interop.nemo.writer import ALIGNMENT, write_checkpoint

TENSORS = {
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "transposed": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "wide": np.linspace(0, 1, 2 * 3 * 5 * 7, dtype=np.float64).reshape(2, 3, 5, 7),
    "count": np.array(12345678901, np.int64),
    "short": np.array([1.5, -2], ml_dtypes.bfloat16),
    "flags": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float16),
    "ein_Gewicht_für_α": np.ones(3, np.float32),
}
# The globals that torch.load(weights_only=True) accepts.
GLOBALS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"} | {f"torch {name}" for name in DTYPES}


def written(tensors, *, before: bytes = b"") -> bytes:
    stream = io.BytesIO()
    stream.write(before)
    write_checkpoint(stream, tensors.items())
    return stream.getvalue()[len(before) :]


def test_tensors_return_bit_for_bit():
    tensors = read_checkpoint(io.BytesIO(written(TENSORS)))
    assert list(tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], tensor, strict=True)


def test_the_zip_is_like_that_of_torch():
    content = written(TENSORS)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {f"model_weights/{name}" for name in ("data.pkl", "byteorder", "version")} < set(names)
        assert archive.read("model_weights/version") == b"3\n"
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        for key, tensor in enumerate(TENSORS.values()):
            member = archive.getinfo(f"model_weights/data/{key}")
            start = content.index(b"PK\x03\x04", member.header_offset) + 30 + len(member.filename)
            start += int.from_bytes(content[member.header_offset + 28 : member.header_offset + 30], "little")
            assert start % ALIGNMENT == 0
            assert content[start : start + tensor.nbytes] == tensor.tobytes()


def test_the_place_in_a_larger_file_does_not_matter():
    assert written(TENSORS, before=b"header") == written(TENSORS)


def test_the_pickle_names_only_tensors():
    with zipfile.ZipFile(io.BytesIO(written(TENSORS))) as archive:
        pickled = archive.read("model_weights/data.pkl")
    opcodes = list(pickletools.genops(pickled))
    assert {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"} <= GLOBALS
    assert max(opcode.proto for opcode, _, _ in opcodes) == 2
    pickletools.dis(pickled, out=io.StringIO())  # checks the stack


def test_tensors_are_taken_one_at_a_time():
    alive, most = 0, 0

    class Tensor(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def tensors():
        nonlocal alive, most
        for i in range(5):
            alive += 1
            most = max(most, alive)
            yield f"x{i}", np.zeros(4, np.float32).view(Tensor)

    write_checkpoint(io.BytesIO(), tensors())
    assert most <= 2


def test_a_type_that_torch_does_not_have_is_reported():
    with pytest.raises(ArchiveError, match="phase has the type complex64"):
        written({"phase": np.ones(2, np.complex64)})
