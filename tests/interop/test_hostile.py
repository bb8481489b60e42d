"""Hostile and broken .nemo files: one line each, nothing is executed, nothing is written."""

import os
import pickle
import random

import pytest

from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.interop.nemo import load, load_nemo
from tests.interop.forge import checkpoint, state_dict, tar, untar


@pytest.fixture(scope="module")
def nemo(refs) -> bytes:
    return (refs / "fc_ctc_limited.nemo").read_bytes()


def refused(path, content: bytes, match: str):
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=match) as caught:
        load_nemo(path)
    assert str(caught.value).startswith(str(path)) and len(str(caught.value).splitlines()) == 1


def test_hostile_and_broken_parts(tmp_path, nemo):
    path = tmp_path / "x.nemo"
    members = untar(nemo)
    target = tmp_path / "owned"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {target}",)

    hostile = checkpoint(pickle.dumps(Hostile(), protocol=2), {})
    refused(path, tar(members | {"model_weights.ckpt": hostile}), r"names (posix|nt)\.system, which is not a tensor")
    refused(path, tar(members | {"../evil": b"x"}), "leads outside")
    refused(path, tar(members | {"model_weights.ckpt": checkpoint(state_dict(), {})}), "is missing.* more$")
    refused(path, tar(members | {"model_weights.ckpt": b"text"}), "not a torch checkpoint")
    refused(path, tar(members | {"model_config.yaml": b"a: 1"}), "not supported")
    refused(
        path, tar({n: c for n, c in members.items() if n != "model_weights.ckpt"}), "no member 'model_weights.ckpt'"
    )
    tokenizer = next(name for name in members if name.endswith(".model"))
    refused(path, tar(members | {tokenizer: b"text"}), "SentencePiece")
    refused(path, nemo[: len(nemo) // 2], "incomplete|cut off|not a .nemo")
    assert os.listdir(tmp_path) == ["x.nemo"]


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(ArchiveError, match="no such file"):
        load_nemo(tmp_path / "none.nemo")
    refused(tmp_path / "text.nemo", b"hello", "not a .nemo file")


def test_mutated_files_load_or_raise_one_line(tmp_path, nemo, monkeypatch):
    built, known = load.build_with_shapes, {}

    def remembered(model):  # tracing the model takes most of the time
        return known.get(str(model)) or known.setdefault(str(model), built(model))

    monkeypatch.setattr(load, "build_with_shapes", remembered)
    rng = random.Random(0)
    members = untar(nemo)
    path = tmp_path / "x.nemo"
    index = members["model_weights.ckpt"].index(b"collections")
    for i in range(240):
        match i % 3:
            case 0:  # anywhere, or only the tar's first header
                content = bytearray(nemo)
                places = [rng.randrange(rng.choice([600, len(content)])) for _ in range(3)]
            case 1:  # the configuration
                content = bytearray(members["model_config.yaml"])
                places = [rng.randrange(2500) for _ in range(2)]
            case _:  # the pickle, and the zip's directory
                content = bytearray(members["model_weights.ckpt"])
                places = [index + rng.randrange(9000), len(content) - 1 - rng.randrange(9000)][: rng.randint(1, 2)]
        for place in places:
            content[place] = rng.randrange(256)
        if i % 3:
            name = "model_config.yaml" if i % 3 == 1 else "model_weights.ckpt"
            content = tar(members | {name: bytes(content)})
        path.write_bytes(content)
        try:
            load_nemo(path)
        except SpeechError as error:
            assert len(str(error).splitlines()) == 1
    assert os.listdir(tmp_path) == ["x.nemo"]
