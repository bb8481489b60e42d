"""Canary in the layout of Transformers: its decoder's configuration, prompts and weights.

Transformers adds sinusoids with all sines before all cosines, NeMo (and we) alternate them. So the D channels of the
decoder are in a different order there, in every weight that reads or writes them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Section,
    among,
    flag,
    integer,
    only,
    optional,
    share,
    size,
)
from jaxspeech.interop.nemo.weights.rows import TensorRow, Transform, dense, linear, same
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import CONTEXT, START
from jaxspeech.text.tokenizer import Tokenizer

# The first token of a prompt -> the format of prompts.
FORMATS = {CONTEXT: "canary2", START: "canary"}
EMBEDDING, OUTPUT = "model.decoder.embed_tokens.weight", "proj_out.weight"
# Tensors that the file of a model may have and that its configuration gives.
UNUSED = ("preprocessor.featurizer.{any}",)
ALIGNMENT = 8


def _finish(decoder: dict[str, Any]) -> None:
    """Checks the fields that follow from others."""
    heads, kv_heads, head_width = (decoder.pop(name) for name in ("num_heads", "kv_heads", "head_width"))
    decoder["num_heads"] = heads
    if kv_heads not in (None, heads):
        raise ValueError(f"num_key_value_heads {kv_heads} (must be num_attention_heads, {heads})")
    if decoder["width"] % heads or head_width not in (None, decoder["width"] // heads):
        raise ValueError(f"head_dim {head_width} (hidden_size {decoder['width']}, num_attention_heads {heads})")
    if decoder["width"] % 2:
        raise ValueError(f"hidden_size {decoder['width']} (must be even)")
    if decoder["vocab_size"] % ALIGNMENT:
        raise ValueError(f"vocab_size {decoder['vocab_size']} (must be a multiple of {ALIGNMENT})")


DECODER = Section(
    "attention",
    (
        Argument("vocab_size", "vocab_size", 16384, integer(8, 1 << 20)),
        Argument("hidden_size", "width", 1024, size),
        Argument("num_hidden_layers", "num_layers", 8, integer(1, 256)),
        Argument("num_attention_heads", "num_heads", 8, size),
        Argument("num_key_value_heads", "kv_heads", 8, optional(size)),
        Argument("head_dim", "head_width", 128, optional(size)),
        Argument("intermediate_size", "hidden_width", 4096, size),
        Argument("max_position_embeddings", "max_length", 1024, integer(1, 1 << 20)),
        Argument("hidden_act", "activation", "relu", among("relu", "gelu")),
        Argument("attention_dropout", "dropout_att", 0.0, share),
        Argument("eos_token_id", "end_id", 3, integer(0, 1 << 20)),
        only("attention_bias", True),
        only("model_type", "canary_decoder"),
        Argument("use_cache", None, True, flag),
    ),
    settles=(
        *(("positions", "sinusoids"), ("token_types", 0), ("encoder_layers", 0)),
        *(("norm_first", True), ("norm_last", True), ("dropout", 0.0), ("dropout_emb", 0.0)),
    ),
    finish=_finish,
)


def prompt_of(config: Mapping[str, Any], tokenizer: Tokenizer) -> PromptFormat:
    """Returns the format of the prompts, which their first token shows.

    Raises:
      ArchiveError: prompts begin with a different token.
    """
    first = config.get("decoder_start_token_id", 7)
    piece = tokenizer.pieces[first] if type(first) is int and 0 <= first < tokenizer.vocab_size else None
    if piece not in FORMATS:
        raise ArchiveError(f"decoder_start_token_id {first!r} is {piece!r} (can be {', '.join(FORMATS)})")
    return PromptFormat(FORMATS[piece])


def with_both_tables(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the table of tokens under its second name, as the output layer: a file may have it once."""
    pairs = ((EMBEDDING, OUTPUT), (OUTPUT, EMBEDDING))
    return {**tensors, **{new: tensors[old] for old, new in pairs if old in tensors and new not in tensors}}


def _alternating(axis: int, then: Transform = same) -> Transform:
    """The channels on an axis, sines before cosines, to alternating ones; followed by another transform."""

    def read(x: np.ndarray) -> np.ndarray:
        halves = np.arange(x.shape[axis]).reshape(2, -1)
        return then.read(x.take(halves.T.reshape(-1), axis=axis))

    def write(x: np.ndarray) -> np.ndarray:
        x = then.write(x)
        pairs = np.arange(x.shape[axis]).reshape(-1, 2)
        return x.take(pairs.T.reshape(-1), axis=axis)

    return Transform(read, write)


# Linear layers [out, in] whose inputs, or outputs, are the decoder's channels.
_INPUTS, _OUTPUTS, _CHANNELS = _alternating(1, dense), _alternating(0, dense), _alternating(0)


def _reads(theirs: str, ours: str) -> list[TensorRow]:
    return linear(theirs, ours, _INPUTS)


def _writes(theirs: str, ours: str) -> list[TensorRow]:
    weight, bias = linear(theirs, ours, _OUTPUTS)
    return [weight, bias._replace(transform=_CHANNELS)]


def _norm(theirs: str, ours: str) -> list[TensorRow]:
    names = (("weight", "scale"), ("bias", "bias"))
    return [TensorRow(f"{theirs}.{their}", f"{ours}/{our}", _CHANNELS) for their, our in names]


def decoder_rows() -> list[TensorRow]:
    """The rows of the decoder and the output layer."""
    theirs, ours = "model.decoder.layers.{i}", "params/decoder/layers_{i}"
    rows = [
        TensorRow(EMBEDDING, "params/decoder/table", _alternating(1)),
        TensorRow(OUTPUT, "params/decoder/table", _alternating(1)),
        TensorRow("proj_out.bias", "params/decoder/bias", same),
        *_norm("model.decoder.embedding_layernorm", "params/decoder/norm_in"),
        *_norm("model.decoder.norm", "params/decoder/norm_out"),
        *_norm(f"{theirs}.input_layernorm", f"{ours}/norm_self"),
        *_norm(f"{theirs}.post_attention_layernorm", f"{ours}/norm_cross"),
        *_norm(f"{theirs}.final_layernorm", f"{ours}/norm_ff"),
        *_reads(f"{theirs}.mlp.fc1", f"{ours}/up"),
        *_writes(f"{theirs}.mlp.fc2", f"{ours}/down"),
    ]
    for attention, our in (("self_attn", "self_attention"), ("encoder_attn", "cross_attention")):
        # The keys and values of the cross-attention are those of the encoder's channels.
        memory = _reads if attention == "self_attn" else linear
        rows += _reads(f"{theirs}.{attention}.q_proj", f"{ours}/{our}/query")
        rows += memory(f"{theirs}.{attention}.k_proj", f"{ours}/{our}/key")
        rows += memory(f"{theirs}.{attention}.v_proj", f"{ours}/{our}/value")
        rows += _writes(f"{theirs}.{attention}.o_proj", f"{ours}/{our}/out")
    return rows
