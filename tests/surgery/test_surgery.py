"""Tests changes of attention, vocabulary and search: the rest of the model must stay the same."""

import functools
from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.surgery.attention import change_attention
from jaxspeech.surgery.decoding import change_decoding
from jaxspeech.surgery.depth import change_depth
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.char import CharTokenizer
from tests.interop.random_model import CHARACTERS, random_archive

CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 8, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc"},
}
TDT = {"name": "transducer", "width": 12, "joint_width": 10, "durations": (0, 1, 2)}
HYBRID = CTC | {"task": "hybrid", "decoder": TDT}
STATELESS = CTC | {"task": "transducer", "decoder": TDT | {"prediction": "stateless", "context": 2}}


@functools.cache
def archive_of(kind: str) -> Archive:
    return random_archive({"ctc": CTC, "hybrid": HYBRID, "stateless": STATELESS}[kind], CHARACTERS)


@pytest.fixture
def samples():
    return np.random.default_rng(0).normal(size=(2, 40000)).astype(np.float32) * 0.1


def encode(archive, samples):
    model = build(archive.model).model
    return jax.jit(lambda v, x: model.apply(v, x, np.array([40000, 21000]), method="encode"))(
        archive.variables, samples
    )


def test_a_window_as_wide_as_the_audio_is_full_attention(samples):
    full = archive_of("ctc")
    local = change_attention(full, "local", context=(40, 40))
    kernels = [archive.variables["params"]["decoder"]["out"]["kernel"] for archive in (full, local)]
    assert kernels[0] is kernels[1]  # not copied
    wanted, num_frames = encode(full, samples)
    for archive in (local, change_attention(local, "full")):
        found, also = encode(archive, samples)
        np.testing.assert_array_equal(also, num_frames)
        for row, other, n in zip(found, wanted, num_frames, strict=True):
            np.testing.assert_allclose(row[:n], other[:n], atol=2e-5)
    narrow, _ = encode(change_attention(full, "local", context=(1, 1)), samples)
    assert np.abs(narrow[0] - wanted[0])[: num_frames[0]].max() > 1e-2


def test_chunks_as_long_as_the_audio_are_full_attention(samples):
    full = archive_of("ctc")
    chunked = change_attention(full, "chunked", context=(0, 40, 0))
    wanted, num_frames = encode(full, samples)
    found, _ = encode(chunked, samples)
    for row, other, n in zip(found, wanted, num_frames, strict=True):
        np.testing.assert_allclose(row[:n], other[:n], atol=2e-5)
    listed = full.model | {"encoder": chunked.model["encoder"] | {"attention_chunk_context": ((3,), (2,), (1,))}}
    whole = change_attention(full._replace(model=listed), "full").model["encoder"]
    assert whole["attention_context"] == (-1, -1) and whole["attention_chunk_context"] == ((3,), (2,), (1,))


def test_projections_of_global_frames_are_added_and_removed(samples):
    full = archive_of("ctc")
    shared = change_attention(full, "local", context=(2, 2), global_frames=1)
    own = change_attention(full, "local", context=(2, 2), global_frames=1, global_projections=True)
    np.testing.assert_allclose(encode(own, samples)[0], encode(shared, samples)[0], atol=1e-6)
    back = change_attention(own, "full")
    assert jax.tree.structure(back.variables) == jax.tree.structure(full.variables)


def test_invalid_changes_of_attention():
    with pytest.raises(ConfigError, match="attention 'locale'; did you mean \"local\""):
        change_attention(archive_of("ctc"), "locale")
    with pytest.raises(ConfigError, match="without -1"):
        change_attention(archive_of("ctc"), "local", context=(-1, 5))
    with pytest.raises(ConfigError, match=r"'chunked' attention takes frames \(left, chunk, right\)"):
        change_attention(archive_of("ctc"), "chunked", context=(5, 5))
    absolute = archive_of("ctc")._replace(model=CTC | {"encoder": CTC["encoder"] | {"attention": "abs_pos"}})
    with pytest.raises(ConfigError, match="relative positions"):
        change_attention(absolute, "local")


@pytest.mark.parametrize("kind", ["ctc", "hybrid", "stateless"])
def test_shared_pieces_keep_their_weights(kind, samples):
    old = archive_of(kind)
    pieces = "zyxä é" + "abc"
    new = change_vocabulary(old, CharTokenizer(pieces))
    assert new.model["decoder"]["vocab_size"] == len(pieces)
    expected = jax.eval_shape(build(new.model).init, jax.random.key(0))
    assert jax.tree.map(np.shape, new.variables) == jax.tree.map(np.shape, expected)
    assert new.variables["params"]["encoder"] is not None
    shared = [(i, CHARACTERS.pieces.index(piece)) for i, piece in enumerate(pieces) if piece in CHARACTERS.pieces]
    assert len(shared) == 7
    for head in ("decoder", "ctc_head"):
        if head not in old.variables["params"]:
            continue
        was, now = (a.variables["params"][head] for a in (old, new))
        was, now = (tree.get("joint", tree)["out"] for tree in (was, now))
        others = slice(CHARACTERS.vocab_size, None), slice(len(pieces), None)  # the blank, durations
        for name in ("kernel", "bias"):
            np.testing.assert_array_equal(now[name][..., others[1]], was[name][..., others[0]])
            for to, source in shared:
                np.testing.assert_array_equal(now[name][..., to], was[name][..., source])
    if kind != "ctc":
        was, now = (a.variables["params"]["decoder"]["prediction"] for a in (old, new))
        for table in [name for name in was if name.startswith("embedding")]:
            for to, source in shared:
                np.testing.assert_array_equal(now[table]["table"][to], was[table]["table"][source])
    num_samples = np.array([40000, 21000], np.int32)
    batch = Utterances(samples, num_samples, np.zeros((2, 0), np.int32), np.zeros(2, np.int32), num_samples)
    tokens = jax.jit(build(new.model).predict)(new.variables, batch)
    assert int(np.max(tokens.ids)) < len(pieces)


def test_a_vocabulary_with_nothing_in_common():
    new = change_vocabulary(archive_of("ctc"), CharTokenizer("äöü"))
    assert new.variables["params"]["decoder"]["out"]["kernel"].shape == (8, 4)


def test_search():
    assert change_decoding(archive_of("hybrid"), head="ctc").model["search"]["head"] == "ctc"
    changed = change_decoding(archive_of("hybrid"), beam_size=3, max_symbols=2).model["search"]
    assert changed["beam_size"] == 3 and changed["max_symbols"] == 2
    with pytest.raises(ConfigError, match="max_symbols: only a transducer"):
        change_decoding(archive_of("ctc"), max_symbols=2)


def test_the_recognisers_methods_give_new_ones(samples):
    asr = Recognizer(archive_of("hybrid"))
    before = asr.transcribe(samples[0])[0]
    others = [
        asr.change_attention("local", context=(4, 4)),
        asr.change_vocabulary(CharTokenizer("xyz ")),
        asr.change_decoding(head="ctc"),
    ]
    assert asr.transcribe(samples[0])[0] == before
    assert set(others[1].transcribe(samples[0])[0].text) <= set("xyz ")
    assert others[0].config["encoder"]["attention"] == "rel_pos_local" and others[2].config["search"]["head"] == "ctc"


def test_the_encoder_alone(samples):
    asr = Recognizer(archive_of("ctc"))
    encoder = asr.encoder_only()
    encoded, num_frames = jax.jit(encoder)(samples, np.array([40000, 21000]))
    wanted, _ = encode(archive_of("ctc"), samples)
    np.testing.assert_allclose(encoded, wanted, atol=2e-5)
    assert encoder.width == encoded.shape[-1] == 8 and encoder.sample_rate == 16000
    assert num_frames.tolist() == [32, 17] and set(encoder.variables["params"]) == {"encoder"}
    assert encoder.frame_seconds == pytest.approx(0.08)


@pytest.mark.parametrize("kind", ["ctc", "hybrid"])
def test_an_encoder_ends_after_a_middle_layer(kind, samples):
    whole = archive_of(kind)
    interctc = {"interctc": {"layers": (0,), "weights": (0.3,)}}
    short = change_depth(whole._replace(model=whole.model | interctc), 1)
    assert "interctc" not in short.model and build(short.model).model.encoder.depth == 1
    shapes = jax.eval_shape(build(short.model).init, jax.random.key(0))
    assert jax.tree.map(np.shape, short.variables) == jax.tree.map(lambda x: x.shape, shapes)
    if kind == "hybrid":
        assert short.model["search"]["head"] == "ctc"
        return
    model: Any = build(whole.model).model
    sizes = np.array([40000, 21000])
    run = jax.jit(lambda v, x: model.apply(v, x, sizes, (0,), method="encode_layers")[2][0])
    frames, num_frames = run(whole.variables, samples)
    ours, count = encode(short, samples)
    np.testing.assert_array_equal(count, num_frames)
    np.testing.assert_allclose(ours, frames, atol=1e-5)
    with pytest.raises(ConfigError, match="the encoder has 2 layers"):
        change_depth(whole, 3)
    with pytest.raises(ConfigError, match="only a model with a CTC head"):
        change_depth(archive_of("stateless"), 1)
