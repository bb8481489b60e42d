"""Translates the config.json of a Parakeet or Canary model, and that of its feature extractor, to our `model` dict.

The tables work like those of `interop.nemo.sections`. One error reports every value that they cannot translate, and
every field of the encoder that they do not know.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    optional,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.read import read_arguments
from jaxspeech.interop.transformers.canary import DECODER
from jaxspeech.interop.transformers.causal_config import FAMILIES


def _finish_encoder(encoder: dict[str, Any]) -> None:
    """Sets the fields that depend on others."""
    inner, heads, convolution_bias = (encoder.pop(name) for name in ("inner_width", "kv_heads", "convolution_bias"))
    encoder["ff_expansion"], rest = divmod(inner, encoder["width"])
    if rest or not inner:
        raise ValueError(f"intermediate_size {inner} is not a multiple of hidden_size {encoder['width']}")
    if encoder["width"] % encoder["num_heads"]:
        raise ValueError(f"hidden_size {encoder['width']} cannot be split into {encoder['num_heads']} heads")
    if heads not in (None, encoder["num_heads"]):
        raise ValueError(f"num_key_value_heads {heads} (must be num_attention_heads, {encoder['num_heads']})")
    if convolution_bias != encoder["use_bias"]:
        raise ValueError(f"convolution_bias {convolution_bias} (must be attention_bias, {encoder['use_bias']})")
    encoder["dropout_pre_encoder"] = encoder["dropout"]


ENCODER = Section(
    "fastconformer",
    (
        Argument("num_hidden_layers", "num_layers", 24, integer(1, 512)),
        Argument("hidden_size", "width", 1024, size),
        Argument("num_attention_heads", "num_heads", 8, size),
        Argument("num_key_value_heads", "kv_heads", None, optional(size)),
        Argument("intermediate_size", "inner_width", 4096, size),
        Argument("attention_bias", "use_bias", True, flag),
        Argument("convolution_bias", "convolution_bias", True, flag),
        Argument("conv_kernel_size", "conv_kernel", 9, integer(1, 1024)),
        Argument("subsampling_factor", "subsampling_factor", 8, among(2, 4, 8, 16, 32, 64)),
        Argument("subsampling_conv_channels", "subsampling_channels", 256, size),
        Argument("scale_input", "xscaling", True, flag),
        Argument("dropout", "dropout", 0.1, share),
        Argument("dropout_positions", "dropout_emb", 0.0, share),
        Argument("attention_dropout", "dropout_att", 0.1, share),
        only("hidden_act", "silu", "swish"),
        only("subsampling_conv_kernel_size", 3),
        only("subsampling_conv_stride", 2),
        only("model_type", "parakeet_encoder"),
    ),
    # Weight initialisation, memory, regularisation that has no counterpart here, and fields of every configuration;
    # num_mel_bins is compared with the feature extractor's.
    frozenset(
        {
            *("initializer_range", "max_position_embeddings", "num_mel_bins", "activation_dropout", "layerdrop"),
            *("architectures", "dtype", "torch_dtype", "transformers_version", "_name_or_path"),
            *("return_dict", "output_hidden_states", "output_attentions", "chunk_size_feed_forward"),
            *("is_encoder_decoder", "id2label", "label2id", "problem_type", "use_cache"),
            *("pad_token_id", "bos_token_id", "eos_token_id", "_attn_implementation"),
        }
    ),
    settles=(
        ("subsampling", "dw_striding"),
        ("attention", "rel_pos"),
        ("untied_biases", True),
        ("conv_norm", "batch"),
        ("norm_over_padding", True),
        ("reduction", None),
        ("output_width", None),
    ),
    finish=_finish_encoder,
)


def _finish_head(decoder: dict[str, Any]) -> None:
    """Checks that the blank is the last output, and takes it out of the tokens."""
    decoder["vocab_size"] -= 1
    blank = decoder.pop("blank")
    if blank != decoder["vocab_size"]:
        raise ValueError(f"vocab_size {decoder['vocab_size'] + 1} (its blank, {blank}, must be the last id)")


def _durations(value: Any) -> list[int]:
    if not isinstance(value, list) or not 0 < len(value) <= 64:
        raise ValueError("must be a list of numbers of frames")
    return [integer(0, 1 << 14)(part) for part in value]


CTC = Section(
    "ctc",
    (
        Argument("vocab_size", "vocab_size", 1025, integer(2, 1 << 20)),
        Argument("pad_token_id", "blank", 1024, integer(0, 1 << 20)),
    ),
    finish=_finish_head,
)
_TRANSDUCER = (
    Argument("vocab_size", "vocab_size", 8193, integer(2, 1 << 20)),
    Argument("blank_token_id", "blank", 8192, integer(0, 1 << 20)),
    Argument("decoder_hidden_size", "width", 640, size),
    Argument("decoder_hidden_size", "joint_width", 640, size),
    Argument("num_decoder_layers", "num_layers", 2, integer(1, 64)),
    Argument("hidden_act", "activation", "relu", among("relu", "tanh", "sigmoid")),
)
_SETTLED = (("prediction", "lstm"), ("dropout", 0.0), ("joint_dropout", 0.0))
RNNT = Section("transducer", _TRANSDUCER, settles=_SETTLED, finish=_finish_head)
TDT = RNNT._replace(arguments=(*_TRANSDUCER, Argument("durations", "durations", [0, 1, 2, 3, 4], _durations)))
CANARY = "canary"
HEADS = {"parakeet_ctc": CTC, "parakeet_rnnt": RNNT, "parakeet_tdt": TDT}
SEARCH = Section("", (Argument("max_symbols_per_step", "max_symbols", 10, integer(1, 10_000)),))


def _finish_features(features: dict[str, Any]) -> None:
    # Their lengths are in samples; ours are in seconds, and are rounded down to whole samples.
    rate = features["sample_rate"]
    for name in ("window_seconds", "hop_seconds"):
        samples = features[name]
        features[name] = next(s for s in (samples / rate, (samples + 0.5) / rate) if int(s * rate) == samples)


FEATURES = Section(
    "mel",
    (
        Argument("sampling_rate", "sample_rate", 16000, integer(1000, 400_000)),
        Argument("feature_size", "num_mels", 80, integer(1, 1024)),
        Argument("n_fft", "fft_size", 512, size),
        Argument("win_length", "window_seconds", 400, size),
        Argument("hop_length", "hop_seconds", 160, size),
        Argument("preemphasis", "preemphasis", 0.97, optional(number(0, 1))),
        only("feature_extractor_type", "ParakeetFeatureExtractor"),
    ),
    settles=(("normalize", "per_feature"), ("pad_to", 0), ("dither", 0.0)),
    finish=_finish_features,
)


def check_model_type(config: Mapping[str, Any]) -> str:
    """Returns the model_type of a config.json.

    Raises:
      ArchiveError: it is unknown; names the known ones.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in (*HEADS, CANARY, *FAMILIES):
        known = ", ".join((*HEADS, CANARY, *FAMILIES))
        raise ArchiveError(f"not supported: model_type {kind!r} (can be {known})")
    return kind


def translate_model(config: Mapping[str, Any], extractor: Mapping[str, Any]) -> dict[str, Any]:
    """Translates to the `model` dict that `build` takes.

    Args:
      config: the content of config.json.
      extractor: the fields of the feature extractor.
    Raises:
      ArchiveError: some values or fields of the encoder have no counterpart here; lists all of them in one line.
    """
    kind = check_model_type(config)
    problems: list[str] = []
    encoder = config.get("encoder_config")
    if not isinstance(encoder, Mapping):
        raise ArchiveError("its config.json has no encoder_config")
    head = DECODER if kind == CANARY else HEADS[kind]
    place = "decoder_config" if kind == CANARY else "config"
    fields = config.get(place) if kind == CANARY else config
    if not isinstance(fields, Mapping):
        raise ArchiveError(f"its config.json has no {place}")
    model = {
        "task": head.name,
        "features": {"name": FEATURES.name, **_known(FEATURES, extractor, "feature extractor", problems)},
        "encoder": {"name": ENCODER.name, **read_arguments(ENCODER, encoder, "encoder_config", problems)},
        "decoder": {"name": head.name, **_known(head, fields, place, problems)},
    }
    if kind == CANARY:
        model |= {"loss": {}, "search": {}}
    elif kind != "parakeet_ctc":
        model |= {"loss": {}, "search": _known(SEARCH, config, "config", problems)}
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")
    bins = encoder.get("num_mel_bins", 80)
    mels = model["features"]["num_mels"]
    if bins != mels:
        raise ArchiveError(f"its encoder takes {bins} mel bins, its feature extractor gives {mels}")
    widths = model["encoder"]["width"], model["decoder"].get("width")
    if kind == CANARY and widths[0] != widths[1]:
        raise ArchiveError(f"its encoder has the width {widths[0]}, its decoder {widths[1]}")
    return model


def _known(section: Section, arguments: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Does what `read_arguments` does for the fields that the section knows; others are for training and generation."""
    names = {argument.nemo for argument in section.arguments}
    return read_arguments(section, {n: v for n, v in arguments.items() if n in names}, place, problems)
