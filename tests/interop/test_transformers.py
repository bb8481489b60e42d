"""Parakeet in the layout of Transformers: files written here byte by byte, complete models and broken ones."""

import json
import struct

import jax
import ml_dtypes
import numpy as np
import pytest
import sentencepiece

import jaxspeech
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.interop.transformers import load_transformers, safetensors
from jaxspeech.interop.transformers.config import translate_model
from jaxspeech.interop.transformers.names import transformers_rows
from jaxspeech.interop.transformers.safetensors import read_safetensors
from jaxspeech.interop.transformers.tokenizer import read_tokenizer
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.train import train_tokenizer
from tests.interop.random_model import SENTENCES, pieces_tokenizer, random_variables
from tests.log_probs import log_probs_of

CODES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64"}
ENCODER = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
ENCODER |= {"subsampling_conv_channels": 4, "num_mel_bins": 16, "attention_bias": False, "convolution_bias": False}
ENCODER |= {"model_type": "parakeet_encoder", "layerdrop": 0.1, "initializer_range": 0.02, "scale_input": False}
EXTRACTOR = {"feature_size": 16, "feature_extractor_type": "ParakeetFeatureExtractor"}
HEADS = {
    "ctc": {"pad_token_id": 36},
    "rnnt": {"blank_token_id": 36, "decoder_hidden_size": 12, "num_decoder_layers": 2, "pad_token_id": 36},
    "tdt": {"blank_token_id": 36, "decoder_hidden_size": 12, "num_decoder_layers": 1, "durations": [0, 1, 3]},
}


def config_of(kind, **changes):
    return {"model_type": f"parakeet_{kind}", "vocab_size": 37, "encoder_config": ENCODER} | HEADS[kind] | changes


def file_of(index, data=b""):
    header = index if isinstance(index, bytes) else json.dumps(index).encode()
    return struct.pack("<Q", len(header)) + header + data


def safetensors_of(tensors):
    index, data = {"__metadata__": {"format": "pt"}}, b""
    for name, x in tensors.items():
        span = [len(data), len(data) + x.nbytes]
        index[name] = {"dtype": CODES[x.dtype.name], "shape": list(x.shape), "data_offsets": span}
        data += x.tobytes()
    return file_of(index, data)


def tokenizer_of(tokenizer, kind, **changes):
    """Converts a SentencePiece model as the converter of Transformers does."""
    model = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.files()["tokenizer.model"])
    pieces = list(tokenizer.pieces)
    if kind == "unigram":
        scores = [model.get_score(i) for i in range(len(pieces))]
        content = {"type": "Unigram", "unk_id": 0, "vocab": [list(pair) for pair in zip(pieces, scores, strict=True)]}
    else:
        best_first = sorted(pieces, key=lambda p: -model.get_score(model.piece_to_id(p)))
        splits = [(p[:i], p[i:]) for p in best_first for i in range(1, len(p))]
        merges = [[a, b] for a, b in splits if a in pieces and b in pieces]
        content = {"type": "BPE", "unk_token": "<unk>", "merges": merges, "byte_fallback": True}
        content["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    added = [{"id": 0, "content": "<unk>", "special": True}, {"id": len(pieces), "content": "<pad>", "special": True}]
    return {
        "model": content,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip"}, spaces]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
    } | changes


def save(folder, kind, *, shards=1, dtype=np.float32, drop=(), **changes):
    """Saves a folder with a random model; returns its configuration and variables."""
    config = config_of(kind, **changes)
    model = translate_model(config, EXTRACTOR)
    variables = random_variables(model)
    tensors = dict(to_tensors(variables, transformers_rows(model)))
    tensors = {name: x.astype(dtype) for name, x in tensors.items() if name not in drop}
    tensors["encoder.layers.0.conv.norm.num_batches_tracked"] = np.zeros((), np.int64)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": EXTRACTOR}))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_of(pieces_tokenizer(), "bpe")))
    names = {name: f"model-{i % shards}-of-{shards}.safetensors" for i, name in enumerate(tensors)}
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    for shard in set(names.values()):
        part = {name: tensors[name] for name in tensors if names[name] == shard}
        (folder / ("model.safetensors" if shards == 1 else shard)).write_bytes(safetensors_of(part))
    return model, variables


@pytest.mark.parametrize("kind", HEADS)
def test_a_saved_model_is_read_back(tmp_path, kind):
    model, variables = save(tmp_path / kind, kind, shards=3 if kind == "tdt" else 1)
    archive = load_transformers(tmp_path / kind)
    assert archive.model == model and archive.assets["tokenizer"].pieces == pieces_tokenizer().pieces
    assert jax.tree.structure(archive.variables) == jax.tree.structure(variables)
    jax.tree.map(np.testing.assert_array_equal, archive.variables, variables)


def test_a_folder_is_loaded_and_transcribes(tmp_path):
    model, variables = save(tmp_path / "m", "ctc", dtype=ml_dtypes.bfloat16)
    asr = jaxspeech.load(tmp_path / "m")
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    found = asr.transcribe([samples], return_log_probs=True)[0]
    rounded = jax.tree.map(lambda x: x.astype(ml_dtypes.bfloat16).astype(np.float32), variables)
    batch = Utterances(
        samples[None], np.array([8000]), np.zeros((1, 1), np.int32), np.ones(1, np.int32), np.zeros(1, np.int32)
    )
    log_probs, num_frames = jax.jit(log_probs_of(build(model)))(rounded, batch)
    expected = log_probs[0, : num_frames[0]]
    np.testing.assert_allclose(found.log_probs, expected, atol=1e-4)


def test_the_names_are_those_of_transformers():
    model = translate_model(config_of("tdt"), EXTRACTOR)
    names = {name for name, _ in to_tensors(random_variables(model), transformers_rows(model))}
    layer = {f"self_attn.{n}_proj.weight" for n in ("q", "k", "v", "o", "relative_k")}
    layer |= {"self_attn.bias_u", "self_attn.bias_v", *(f"conv.norm.{n}" for n in ("weight", "bias"))}
    layer |= {"conv.norm.running_mean", "conv.norm.running_var", "conv.depthwise_conv.weight"}
    layer |= {f"conv.pointwise_conv{i}.weight" for i in (1, 2)}
    layer |= {f"feed_forward{i}.linear{j}.weight" for i in (1, 2) for j in (1, 2)}
    norms = ("norm_feed_forward1", "norm_self_att", "norm_conv", "norm_feed_forward2", "norm_out")
    layer |= {f"{norm}.{n}" for norm in norms for n in ("weight", "bias")}
    expected = {f"encoder.layers.{i}.{n}" for i in range(2) for n in layer}
    places = (*(f"encoder.subsampling.layers.{i}" for i in (0, 2, 3, 5, 6)), "encoder.subsampling.linear")
    places += ("encoder_projector", "decoder.decoder_projector", "joint.head")
    expected |= {f"{place}.{n}" for place in places for n in ("weight", "bias")} | {"decoder.embedding.weight"}
    expected |= {f"decoder.lstm.{n}_{m}_l0" for n in ("weight", "bias") for m in ("ih", "hh")}
    assert names == expected


def test_former_names(tmp_path):
    _, variables = save(tmp_path, "rnnt")
    path = tmp_path / "model.safetensors"
    tensors = {name: np.asarray(x) for name, x in read_safetensors(path).items()}
    former = {"encoder_projector": "joint.encoder_proj", "decoder.decoder_projector": "decoder.output_proj"}
    for new, old in former.items():
        tensors |= {f"{old}.{n}": tensors.pop(f"{new}.{n}") for n in ("weight", "bias")}
    path.write_bytes(safetensors_of(tensors))
    jax.tree.map(np.testing.assert_array_equal, load_transformers(tmp_path).variables, variables)
    path.write_bytes(safetensors_of(tensors | {"encoder_projector.bias": np.zeros(12, np.float32)}))
    with pytest.raises(ArchiveError, match="twice"):
        load_transformers(tmp_path)


def test_missing_and_wrong_parts_are_reported_by_the_names_of_transformers(tmp_path):
    save(tmp_path, "ctc", drop=("ctc_head.bias", "encoder.layers.1.self_attn.q_proj.weight"))
    with pytest.raises(ArchiveError, match=r"layers\.1\.self_attn\.q_proj\.weight is missing.*ctc_head\.bias is mis"):
        load_transformers(tmp_path)
    save(tmp_path, "rnnt")
    tensors = {name: np.array(x) for name, x in read_safetensors(tmp_path / "model.safetensors").items()}
    tensors["decoder.embedding.weight"][-1] = 1
    (tmp_path / "model.safetensors").write_bytes(safetensors_of(tensors))
    with pytest.raises(ArchiveError, match="embedding of the blank"):
        load_transformers(tmp_path)
    for name in ("model.safetensors", "tokenizer.json", "processor_config.json", "config.json"):
        (tmp_path / name).unlink()
        with pytest.raises(ArchiveError, match=f"has n.*{name}") as caught:
            load_transformers(tmp_path)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "message"),
    [("../x.safetensors", "refused"), ("config.json", "refused"), ("other", "is not in"), (3, "no weight_map")],
)
def test_shards_outside_the_folder_and_wrong_shards_are_refused(tmp_path, file, message):
    save(tmp_path, "ctc", shards=2)
    index = tmp_path / "model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"]
    if file == "other":
        file = next(name for name in names.values() if name != names["ctc_head.bias"])
    index.write_text(json.dumps({"weight_map": names | {"ctc_head.bias": file}}))
    with pytest.raises(ArchiveError, match=message):
        load_transformers(tmp_path)


def test_every_unsupported_field_is_reported_at_once():
    encoder = ENCODER | {"hidden_act": "gelu", "head_dim": 7, "subsampling_conv_stride": 3}
    with pytest.raises(ArchiveError) as caught:
        translate_model(config_of("ctc", encoder_config=encoder, vocab_size=30), EXTRACTOR | {"n_fft": "x"})
    for problem in ("hidden_act 'gelu'", "head_dim (unknown)", "subsampling_conv_stride 3", "n_fft 'x'", "last id"):
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "whisper"}, "model_type 'whisper'"),
        ({"encoder_config": None}, "no encoder_config"),
        ({"encoder_config": ENCODER | {"convolution_bias": True}}, "convolution_bias True"),
        ({"encoder_config": ENCODER | {"num_mel_bins": 80}}, "80 mel bins"),
        ({"encoder_config": ENCODER | {"intermediate_size": 12}}, "not a multiple"),
        ({"encoder_config": ENCODER | {"num_key_value_heads": 1}}, "num_key_value_heads 1"),
        ({"durations": [0, -1]}, "durations"),
    ],
)
def test_configurations_that_are_refused(changes, message):
    with pytest.raises(ArchiveError, match=message):
        translate_model(config_of("tdt", **changes), EXTRACTOR)


def test_lengths_in_samples_survive_as_seconds():
    for rate in (16000, 22050):
        for samples in range(1, 2000, 13):
            extractor = EXTRACTOR | {"sampling_rate": rate, "hop_length": samples}
            seconds = translate_model(config_of("ctc"), extractor)["features"]["hop_seconds"]
            assert int(seconds * rate) == samples


@pytest.mark.parametrize(("kind", "size"), [("bpe", 60), ("unigram", 36)])
def test_the_tokenizer_is_that_of_sentencepiece(kind, size):
    original = train_tokenizer(SENTENCES, type=kind, vocab_size=size)  # enough merges that their order counts
    ours = read_tokenizer(tokenizer_of(original, kind), size)
    assert ours.pieces == original.pieces
    for text in [*SENTENCES, "  two  spaces ", "Ünknown", ""]:
        assert ours.encode(text) == original.encode(text)
    rng = np.random.default_rng(0)
    for _ in range(200):
        ids = rng.integers(0, size, rng.integers(0, 9)).tolist()
        assert ours.decode(ids) == original.decode(ids) and ours.word_spans(ids) == original.word_spans(ids)


def test_special_tokens_and_bytes_are_decoded_as_such():
    words = ["<unk>", "▁a", "<|en|>", *(f"<0x{byte:02X}>" for byte in range(256))]
    content = tokenizer_of(pieces_tokenizer(), "bpe")
    content["model"] |= {"vocab": {word: i for i, word in enumerate(words)}, "merges": ["▁ a"]}
    content["added_tokens"] = [{"id": 2, "content": "<|en|>", "special": True}]
    assert read_tokenizer(content, len(words)).decode([2, 1, 3 + 0xC3, 3 + 0xA9, 1]) == "aé a"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "WordPiece"}}, "type 'WordPiece'"),
        ({"model": None}, "damaged"),
        ({"normalizer": {"type": "Lowercase"}}, "'Lowercase'"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}}, "damaged"),
        ({"model": {"type": "BPE", "merges": [], "vocab": {"<unk>": 0}, "unk_token": "<unk>"}}, "no token 1"),
        (
            {"model": {"type": "Unigram", "vocab": [[f"p{i}", 0] for i in range(36)]}, "added_tokens": []},
            "unknown token",
        ),
        ({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["p", 0]] * 36}, "added_tokens": []}, "damaged"),
    ],
)
def test_tokenizers_that_are_refused(changes, message):
    with pytest.raises(ArchiveError, match=message) as caught:
        read_tokenizer(tokenizer_of(pieces_tokenizer(), "bpe", **changes), 36)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int64])
def test_tensors_of_every_type_are_read(tmp_path, dtype):
    path = tmp_path / "x.safetensors"
    tensors = {"x": np.arange(6).reshape(2, 3).astype(dtype), "s": np.ones((), dtype), "e": np.ones((0, 2), dtype)}
    path.write_bytes(safetensors_of(tensors))
    found = read_safetensors(path)
    assert found.keys() == tensors.keys()
    for name, x in tensors.items():
        np.testing.assert_array_equal(np.asarray(found[name]), x, strict=True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match="shorter"):
        np.asarray(found["s"])


def entry(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 0),
        file_of(b"not json"),
        file_of(b"[" * 100_000),
        file_of(b"\xff\xfe{}"),
        file_of([]),
        file_of({}, b"left over"),
        file_of({"x": 3}, bytes(8)),
        file_of({"x": entry()}, bytes(7)),
        file_of({"x": entry()}, bytes(9)),
        file_of({"x": entry(offsets=(8, 16))}, bytes(16)),
        file_of({"x": entry(offsets=(-8, 0))}, bytes(8)),
        file_of({"x": entry(shape=(-1, -2))}, bytes(8)),
        file_of({"x": entry(shape=(True, 2))}, bytes(8)),
        file_of({"x": entry(shape=(2**62, 2**62))}, bytes(8)),
        file_of({"x": entry(shape=(1,) * 70 + (2,))}, bytes(8)),
        file_of({"x": entry(), "y": entry()}, bytes(8)),
        file_of({"x": entry(dtype="F8_E4M3")}, bytes(8)),
        file_of({"x": entry(dtype=[])}, bytes(8)),
        file_of({"x": entry(offsets=(0, 8, 9))}, bytes(8)),
        file_of({"x": entry(shape=(1.0, 2))}, bytes(8)),
        file_of(b'{"x": %b, "x": %b}' % ((json.dumps(entry()).encode(),) * 2), bytes(8)),
        file_of(b'{"x": {"dtype": "F32", "shape": [%b], "data_offsets": [0, 8]}}' % (b"9" * 5000), bytes(8)),
    ],
    ids=range(25),
)
def test_a_damaged_or_hostile_file_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"x\.safetensors is not a safetensors file, or damaged") as caught:
        read_safetensors(path)
    assert len(str(caught.value).splitlines()) == 1


def test_the_index_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors, "LARGEST_INDEX_BYTES", 10)
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of({"x": entry()}, bytes(8)))
    with pytest.raises(ArchiveError, match="would have"):
        read_safetensors(path)
