"""Canary in the layout of Transformers: read as its own decoder computes, written out here in NumPy."""

import json
import math
from functools import partial

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.interop.transformers.config import translate_model
from jaxspeech.interop.transformers.names import transformers_rows
from jaxspeech.text.train import train_tokenizer
from tests.interop.random_model import random_variables
from tests.interop.test_transformers import ENCODER, EXTRACTOR, safetensors_of, tokenizer_of

SPECIAL = ["<pad>", "<|endoftext|>", "<|startoftranscript|>", "<|startofcontext|>", "<|emo:undefined|>", "<|en|>"]
SPECIAL += [f"<|{no}{name}|>" for name in ("pnc", "itn", "timestamp", "diarize") for no in ("", "no")]
TOKENIZER = train_tokenizer(["say a word"], type="bpe", vocab_size=26, special=SPECIAL)
PIECES = TOKENIZER.pieces
# 32 outputs: the last 6 stand for no token.
DECODER = {"model_type": "canary_decoder", "vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 2}
DECODER |= {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 4, "intermediate_size": 12}
DECODER |= {"max_position_embeddings": 20, "eos_token_id": PIECES.index("<|endoftext|>"), "initializer_range": 0.02}
CONFIG = {"model_type": "canary", "vocab_size": 32, "encoder_config": ENCODER, "decoder_config": DECODER}
CONFIG |= {"decoder_start_token_id": PIECES.index("<|startofcontext|>")}


def save(folder, *, once=True, **changes):
    """Saves a folder with a random model; returns its tensors. The table of tokens is in it once, as it is tied."""
    model = translate_model(CONFIG, EXTRACTOR)
    variables = random_variables(model)
    tensors = dict(to_tensors(variables, transformers_rows(model)))
    if once:
        del tensors["proj_out.weight"]
    special = [{"id": i, "content": piece, "special": True} for i, piece in enumerate(PIECES) if piece in SPECIAL]
    added = [{"id": 0, "content": "<unk>", "special": True}, *special]
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": EXTRACTOR}))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_of(TOKENIZER, "bpe", added_tokens=added)))
    (folder / "model.safetensors").write_bytes(safetensors_of(tensors))
    return tensors


def by_transformers(tensors, encoded, ids):
    """The logits of CanaryForConditionalGeneration for one recording, from its tensors by their names."""

    def linear(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def attend(x, memory, name, mask):
        def heads(x):
            return x.reshape(len(x), 2, -1).swapaxes(0, 1)

        q, k, v = (heads(linear(y, f"{name}.{n}_proj")) for y, n in ((x, "q"), (memory, "k"), (memory, "v")))
        scores = np.where(mask, q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]), -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y = (weights / weights.sum(-1, keepdims=True)) @ v
        return linear(y.swapaxes(0, 1).reshape(len(x), -1), f"{name}.o_proj")

    width, n = encoded.shape[-1], len(ids)
    angles = np.arange(n)[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    places = np.concatenate([np.sin(angles), np.cos(angles)], 1) / math.sqrt(width)  # sines before cosines
    x = norm(tensors["model.decoder.embed_tokens.weight"][ids] + places, "model.decoder.embedding_layernorm")
    for i in range(DECODER["num_hidden_layers"]):
        layer = f"model.decoder.layers.{i}"
        y = norm(x, f"{layer}.input_layernorm")
        x = x + attend(y, y, f"{layer}.self_attn", np.tri(n, dtype=bool))
        y = norm(x, f"{layer}.post_attention_layernorm")
        x = x + attend(y, encoded, f"{layer}.encoder_attn", np.ones((n, len(encoded)), bool))
        y = linear(norm(x, f"{layer}.final_layernorm"), f"{layer}.mlp.fc1")
        x = x + linear(np.maximum(y, 0), f"{layer}.mlp.fc2")
    x = norm(x, "model.decoder.norm")
    return x @ tensors["model.decoder.embed_tokens.weight"].T + tensors["proj_out.bias"]


def test_the_decoder_computes_what_that_of_transformers_does(tmp_path):
    tensors = save(tmp_path)
    archive = load_transformers(tmp_path)
    assert archive.model["decoder"]["vocab_size"] == 26 and archive.assets["prompt"].format == "canary2"
    model = build(archive.model).model
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(1, 5, 8)).astype(np.float32)
    ids = rng.integers(0, 32, (1, 6)).astype(np.int32)

    @jax.jit
    def logits(variables, encoded, ids):
        run = partial(model.apply, variables, method=lambda m, *x: m.decoder.logits(m.decoder(*x)))
        return run(encoded, np.array([5], np.int32), ids)

    found = logits(archive.variables, encoded, ids)[0]
    np.testing.assert_allclose(found, by_transformers(tensors, encoded[0], ids[0]), atol=1e-5)


def test_a_table_that_is_stored_twice_must_be_the_same(tmp_path):
    tensors = save(tmp_path, once=False)
    load_transformers(tmp_path)
    tensors["proj_out.weight"] = tensors["proj_out.weight"] + 1
    (tmp_path / "model.safetensors").write_bytes(safetensors_of(tensors))
    with pytest.raises(ArchiveError, match=r"proj_out\.weight differs from the other tensor"):
        load_transformers(tmp_path)


def test_a_folder_is_loaded_transcribes_and_is_written_for_nemo(tmp_path):
    save(tmp_path / "m")
    asr = jaxspeech.load(tmp_path / "m")
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    (found,) = asr.transcribe([samples], source_lang="en", pnc=False)
    assert found.error is None and np.isfinite(found.score)
    asr.export_nemo(tmp_path / "x.nemo")
    again = load_nemo(tmp_path / "x.nemo", stacked=False)
    jax.tree.map(np.testing.assert_array_equal, again.variables, jax.device_get(asr.variables))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder_config": None}, "no decoder_config"),
        ({"decoder_config": DECODER | {"num_key_value_heads": 1}}, "num_key_value_heads 1"),
        ({"decoder_config": DECODER | {"head_dim": 5}}, "head_dim 5"),
        ({"decoder_config": DECODER | {"vocab_size": 30}}, "vocab_size 30 .must be a multiple of 8"),
        ({"decoder_config": DECODER | {"hidden_size": 12, "head_dim": 6}}, "encoder has the width 8, its decoder 12"),
        ({"decoder_start_token_id": 1}, "decoder_start_token_id 1 is '<pad>'"),
        ({"decoder_start_token_id": None}, "decoder_start_token_id None is None"),
    ],
)
def test_configurations_that_are_refused(tmp_path, changes, message):
    save(tmp_path, **changes)
    with pytest.raises(ArchiveError, match=message) as caught:
        load_transformers(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
