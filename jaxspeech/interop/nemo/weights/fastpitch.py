"""NeMo's tensors of FastPitch, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.features import mel_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow, conv1d, conv2d, dense, linear, norm, same

ALIGNER = {
    "key_proj.0": "key_in",
    "key_proj.2": "key_out",
    "query_proj.0": "query_in",
    "query_proj.2": "query_middle",
    "query_proj.4": "query_out",
}
SYMBOLS, TABLE = "params/symbols/embedding", "params/table/embedding"
WORDS = "fastpitch.encoder.word_emb.weight"
STATISTICS = {"fastpitch.pitch_mean": "pitch_mean", "fastpitch.pitch_std": "pitch_std"}
# Of the vectors of speakers: in a module of their own, or not.
TABLES = ("fastpitch.speaker_encoder.lookup_module.table.weight", "fastpitch.speaker_emb.weight")
_STYLE = "fastpitch.speaker_encoder.gst_module"


def fastpitch_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a model, whose speakers' vectors may be in a module of their own."""
    speakers = model.get("speakers") or {}
    ways = {name: speakers.get(name, ("add",)) if speakers else () for name in ("encoder", "decoder", "aligner")}
    rows = [TensorRow(WORDS, SYMBOLS, same)]
    for stack in ("encoder", "decoder"):
        rows += _stack_rows(f"fastpitch.{stack}", f"params/{stack}", ways[stack])
    for name in ("duration", "pitch", *(["energy"] if model.get("energy") else [])):
        own = speakers.get(name, ("add",)) if speakers else ()
        rows += _predictor_rows(f"fastpitch.{name}_predictor", f"params/{name}", own)
        if name != "duration":
            rows += linear(f"fastpitch.{name}_emb", f"params/{name}_embedding", conv1d)
    # NeMo has the aligner twice, under two names.
    for place in ("aligner", "fastpitch.aligner"):
        for nemo, ours in ALIGNER.items():
            rows += linear(f"{place}.{nemo}.conv", f"params/aligner/{ours}", conv1d)
        rows += _input_rows(place, "params/aligner_speaker", ways["aligner"])
    rows += linear("fastpitch.proj", "params/out")
    if speakers.get("number"):
        rows.append(TensorRow(TABLES[not in_encoder(model)], TABLE, same))
    return rows + (_style_rows() if model.get("style") else [])


def in_encoder(model: Mapping[str, Any]) -> bool:
    """Whether the table of speakers is written as part of NeMo's `speaker_encoder`.

    A table alone is `n_speakers`, if these are several, and added to the input of the encoder.
    """
    speakers = model.get("speakers") or {}
    plain = speakers.get("number", 0) > 1 and "add" in speakers.get("encoder", ("add",))
    return bool(model.get("style")) or not plain


def in_one_place(model: Mapping[str, Any], tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors with the table of speakers where it is written, wherever it was."""
    place = TABLES[not in_encoder(model)]
    return {place if name in TABLES else name: tensor for name, tensor in tensors.items()}


def _stack_rows(nemo: str, ours: str, ways: tuple[str, ...]) -> list[TensorRow]:
    layer, own = f"{nemo}.layers.{{i}}", f"{ours}/layers_{{i}}"
    return [
        *_input_rows(nemo, f"{ours}/speaker", ways),
        *linear(f"{layer}.dec_attn.qkv_net", f"{own}/attention/qkv"),
        TensorRow(f"{layer}.dec_attn.o_net.weight", f"{own}/attention/out/kernel", dense),
        *_norm_rows(f"{layer}.dec_attn.layer_norm", f"{own}/norm_attention", ways),
        *linear(f"{layer}.pos_ff.CoreNet.0", f"{own}/up", conv1d),
        *linear(f"{layer}.pos_ff.CoreNet.2", f"{own}/down", conv1d),
        *_norm_rows(f"{layer}.pos_ff.layer_norm", f"{own}/norm_feedforward", ways),
    ]


def _predictor_rows(nemo: str, ours: str, ways: tuple[str, ...]) -> list[TensorRow]:
    return [
        *_input_rows(nemo, f"{ours}/speaker", ways),
        *linear(f"{nemo}.layers.{{i}}.conv", f"{ours}/conv_{{i}}", conv1d),
        *_norm_rows(f"{nemo}.layers.{{i}}.norm", f"{ours}/norm_{{i}}", ways),
        *linear(f"{nemo}.fc", f"{ours}/out"),
    ]


def _input_rows(nemo: str, ours: str, ways: tuple[str, ...]) -> list[TensorRow]:
    return linear(f"{nemo}.cond_input.concat_proj", f"{ours}/join") if "concat" in ways else []


def _norm_rows(nemo: str, ours: str, ways: tuple[str, ...]) -> list[TensorRow]:
    if "layernorm" not in ways:
        return norm(nemo, f"{ours}/norm")
    return linear(f"{nemo}.cond_weight", f"{ours}/scale") + linear(f"{nemo}.cond_bias", f"{ours}/shift")


def _style_rows() -> list[TensorRow]:
    reference, attention = f"{_STYLE}.reference_encoder", f"{_STYLE}.style_attention"
    ours = "params/style"
    rows = [
        TensorRow(f"{reference}.layers.{{i}}.conv.weight", f"{ours}/conv_{{i}}_kernel", conv2d),
        TensorRow(f"{reference}.layers.{{i}}.conv.bias", f"{ours}/conv_{{i}}_bias", same),
        *norm(f"{reference}.layers.{{i}}.norm", f"{ours}/norm_{{i}}"),
    ]
    for place, gates in (("ih", "input"), ("hh", "hidden")):
        rows.append(TensorRow(f"{reference}.gru.weight_{place}_l0", f"{ours}/gru/{gates}/kernel", dense))
        rows.append(TensorRow(f"{reference}.gru.bias_{place}_l0", f"{ours}/gru/{gates}/bias", same))
    rows.append(TensorRow(f"{attention}.tokens", f"{ours}/attention/tokens", same))
    for place, name in (("q", "query"), ("k", "key"), ("v", "value")):
        rows.append(TensorRow(f"{attention}.mha.{place}_proj_weight", f"{ours}/attention/{name}", dense))
    rows.append(TensorRow(f"{attention}.mha.in_proj_bias", f"{ours}/attention/bias", same))
    return rows + linear(f"{attention}.mha.out_proj", f"{ours}/attention/out")


def fastpitch_tensors(module: Any) -> Derived:
    """Windows and filters, the frequencies of the positions' code, and the statistics of the pitch."""
    width = np.float32(module.encoder.width)
    frequencies = 1 / np.float32(10000) ** (np.arange(0, width, 2, dtype=np.float32) / width)
    statistics = {name: getattr(module, ours) or 0.0 for name, ours in STATISTICS.items()}
    return {
        **mel_tensors(module.frontend, "preprocessor.featurizer"),
        **{name: np.array([value], np.float32) for name, value in statistics.items()},
        **{f"fastpitch.{stack}.pos_emb.inv_freq": frequencies for stack in ("encoder", "decoder")},
    }
