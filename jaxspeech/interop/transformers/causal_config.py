"""Translates the config.json of a decoder-only language model to our `decoder` dict, and back.

Families differ in a few fields only: Qwen2 and 2.5 have biases, Qwen3 norms of queries and keys, Llama 2 and 3,
SmolLM 2 and TinyLlama neither. One error reports every value that has no counterpart here, and every unknown field.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.sections.arguments import Argument, Section, flag, integer, number, only, optional
from jaxspeech.interop.nemo.sections.read import read_arguments

NAME = "causal_transformer"
wide = integer(1, 1 << 18)


class Family(NamedTuple):
    """What the configurations of a family have in common.

    Attributes:
      architecture: the class of Transformers.
      settled: our fields that follow from the family.
      only: the values that its own fields must have.
      tied: whether the head is tied where the file does not say so.
    """

    architecture: str
    settled: Mapping[str, Any]
    only: tuple[Argument, ...] = ()
    tied: bool = False


_SLIDING = (only("use_sliding_window", False), only("use_mrope", False))
FAMILIES = {
    "llama": Family(
        "LlamaForCausalLM",
        {"biases": False},
        (only("attention_bias", False), only("mlp_bias", False, None), only("rope_interleaved", False)),
    ),
    "qwen2": Family("Qwen2ForCausalLM", {"biases": True}, _SLIDING),
    "qwen3": Family(
        "Qwen3ForCausalLM",
        {"biases": False, "query_key_norm": True},
        (*_SLIDING, only("attention_bias", False)),
    ),
}
ARGUMENTS = (
    Argument("vocab_size", "vocab_size", None, integer(1, 1 << 22)),
    Argument("hidden_size", "width", None, wide),
    Argument("num_hidden_layers", "num_layers", None, integer(1, 512)),
    Argument("num_attention_heads", "num_heads", None, wide),
    Argument("num_key_value_heads", "num_groups", None, optional(wide)),
    Argument("head_dim", "head_width", None, optional(wide)),
    Argument("intermediate_size", "hidden_width", None, wide),
    Argument("rms_norm_eps", "norm_epsilon", 1e-6, number(0, 1)),
    only("hidden_act", "silu", "swish"),
    Argument("use_cache", None, True, flag),
)
# Weight initialisation, dropout that training here has its own options for, fields of every configuration, and those of
# sliding windows, which `use_sliding_window` turns on.
WITHOUT_EFFECT = frozenset(
    {
        *("initializer_range", "attention_dropout", "pretraining_tp", "max_position_embeddings", "_from_model_config"),
        *(
            "architectures",
            "transformers_version",
            "_name_or_path",
            "model_type",
            "is_llama_config",
            "rope_interleaved",
        ),
        *("pad_token_id", "bos_token_id", "eos_token_id", "transformers.js_config", "chunk_size_feed_forward"),
        *("sliding_window", "max_window_layers", "_attn_implementation", "return_dict", "output_hidden_states"),
        *("output_attentions", "is_encoder_decoder", "id2label", "label2id", "problem_type", "auto_map"),
        *("_attn_implementation_autoset", "unsloth_fixed", "unsloth_version"),
    }
)
# Fields that are read here, not by the table.
READ = ("rope_parameters", "rope_scaling", "rope_theta", "dtype", "torch_dtype", "tie_word_embeddings", "layer_types")
DTYPES = ("float32", "bfloat16", "float16")
LLAMA3 = {
    "factor": "factor",
    "low_freq_factor": "low_frequency_factor",
    "high_freq_factor": "high_frequency_factor",
    "original_max_position_embeddings": "original_context",
}
# The names of the scalings in files: before version 4.43 of Transformers under "type".
SCALINGS = {"default": "", None: "", "linear": "linear", "llama3": "llama3"}


def read_causal_config(config: Mapping[str, Any], place: str = "config") -> dict[str, Any]:
    """Translates to the `decoder` dict that `build` takes.

    Args:
      config: the content of config.json.
      place: what it is called in errors.

    Raises:
      ArchiveError: its architecture is unknown, or values have no counterpart here; lists all of them in one line.
    """
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise ArchiveError(f"not supported: {place}.model_type {kind!r} (can be {', '.join(FAMILIES)})")
    family, problems = FAMILIES[kind], list[str]()
    section = Section(NAME, (*ARGUMENTS, *family.only), WITHOUT_EFFECT)
    given = {name: value for name, value in config.items() if name not in READ}
    fields = read_arguments(section, given, place, problems)
    fields |= family.settled
    fields["tied"] = config.get("tie_word_embeddings", family.tied)
    if fields["tied"] not in (True, False):
        problems.append(f"{place}.tie_word_embeddings {fields['tied']!r} (can be True, False)")
    others = {kind for kind in config.get("layer_types") or () if kind != "full_attention"}
    if others:
        problems.append(f"{place}.layer_types {sorted(map(str, others))} (can be 'full_attention')")
    fields["rope"] = _rope(config, place, problems)
    fields["dtype"] = config.get("dtype") or config.get("torch_dtype") or "float32"
    if fields["dtype"] not in DTYPES:
        problems.append(f"{place}.dtype {fields['dtype']!r} (can be {', '.join(DTYPES)})")
    if not problems:
        heads, groups = fields["num_heads"], fields["num_groups"] or fields["num_heads"]
        width = fields["head_width"] or fields["width"] // heads
        if fields["head_width"] is None and fields["width"] % heads:
            problems.append(f"{place}.hidden_size {fields['width']} cannot be split into {heads} heads")
        if heads % groups:
            problems.append(f"{place}.num_attention_heads {heads} are no multiple of num_key_value_heads, {groups}")
        if width % 2:
            problems.append(f"{place}.head_dim {width} (must be even)")
        fields |= {"num_groups": groups, "head_width": width}
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")
    return {"name": NAME, **fields}


def _rope(config: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Reads the rotary positions, as versions of Transformers from 5 write them, or as those before."""
    name = "rope_parameters" if config.get("rope_parameters") is not None else "rope_scaling"
    given = config.get(name) or {}
    if not isinstance(given, Mapping):
        problems.append(f"{place}.{name} {given!r} (must be a section)")
        return {}
    given = dict(given)
    kind = given.pop("rope_type", given.pop("type", None))
    given.pop("type", None)
    theta = given.pop("rope_theta", config.get("rope_theta", 10000.0))
    if kind not in SCALINGS:
        names = ", ".join(str(known) for known in SCALINGS if known)
        problems.append(f"{place}.{name}.rope_type {kind!r} (can be {names})")
        return {}
    known = LLAMA3 if kind == "llama3" else {"factor": "factor"} if kind == "linear" else {}
    rope = {"theta": theta, "scaling": SCALINGS[kind]}
    for theirs, ours in known.items():
        if theirs not in given:
            problems.append(f"{place}.{name}.{theirs} is missing")
        rope[ours] = given.pop(theirs, 1)
    problems += [f"{place}.{name}.{theirs} (unknown)" for theirs, value in given.items() if value is not None]
    problems += [
        f"{place}.{name}: {ours} is {value!r} (must be a number above 0)"
        for ours, value in rope.items()
        if ours != "scaling" and (type(value) not in (int, float) or value <= 0)
    ]
    return rope


def write_causal_config(decoder: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of a `decoder` dict, as version 5 of Transformers writes it.

    Raises:
      ArchiveError: no family of Transformers has such a decoder.
    """
    kinds = [
        kind
        for kind, family in FAMILIES.items()
        if all(
            bool(decoder.get(name, False)) == bool(family.settled.get(name, False))
            for name in ("biases", "query_key_norm")
        )
    ]
    if not kinds:
        raise ArchiveError("no family of Transformers has biases together with norms of queries and keys")
    kind = kinds[0]
    heads, rope = decoder["num_heads"], decoder.get("rope") or {}
    width = decoder.get("head_width") or decoder["width"] // heads
    if kind == "qwen2" and width * heads != decoder["width"]:
        raise ArchiveError(f"a Qwen2 of the width {decoder['width']} cannot have {heads} heads of {width} channels")
    parameters = {"rope_type": rope.get("scaling") or "default", "rope_theta": float(rope.get("theta", 10000.0))}
    names = LLAMA3 if rope.get("scaling") == "llama3" else {"factor": "factor"} if rope.get("scaling") else {}
    defaults = {"factor": 1.0, "low_frequency_factor": 1.0, "high_frequency_factor": 4.0, "original_context": 8192}
    parameters |= {theirs: rope.get(ours, defaults[ours]) for theirs, ours in names.items()}
    tied = bool(decoder.get("tied", True))
    return {
        "architectures": [FAMILIES[kind].architecture],
        "model_type": kind,
        "vocab_size": decoder["vocab_size"],
        "hidden_size": decoder["width"],
        "intermediate_size": decoder["hidden_width"],
        "num_hidden_layers": decoder["num_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": decoder.get("num_groups") or heads,
        **({} if kind == "qwen2" else {"head_dim": width, "attention_bias": False}),
        "hidden_act": "silu",
        "rms_norm_eps": decoder.get("norm_epsilon", 1e-6),
        "rope_parameters": parameters,
        "tie_word_embeddings": tied,
        "dtype": str(decoder.get("dtype", "float32")),
    }
