"""The tables of what NeMo has between a speech encoder and a language model (its "modality adapters"), and of LoRA."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    flag,
    integer,
    number,
    only,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.conformer import CONFORMER

PACKAGE = "nemo.collections.speechlm2.modules.perception"
# The decoder's projections: in files of Transformers, and here.
TARGETS = {
    **{"q_proj": "query", "k_proj": "key", "v_proj": "value", "o_proj": "out"},
    **{"gate_proj": "gate", "up_proj": "up", "down_proj": "down"},
}


def _layers(value: Any) -> list[int]:
    if isinstance(value, (list, tuple)) and value and all(type(i) is int for i in value):
        return list(value)
    raise ValueError("must be a list of numbers of layers")


def _targets(value: Any) -> list[str]:
    """Accepts a list of projections; none is what PEFT chooses for these decoders."""
    if value is None:
        return ["query", "value"]
    if isinstance(value, (list, tuple)) and value and all(name in TARGETS for name in value):
        return [TARGETS[name] for name in value]
    raise ValueError(f"must be a list of {', '.join(TARGETS)}")


def _named_targets(targets: Any) -> list[str]:
    return [nemo for nemo, ours in TARGETS.items() if ours in targets]


# `d_model` is the encoder's width; with `output_dim` there would be no projection.
IDENTITY = Section(
    "projection", (Argument("d_model", "input_width", Required, size), only("output_dim", None)), package=PACKAGE
)
MULTI_LAYER = Section(
    "multilayer",
    (
        Argument("target_layer_ids", "layers", Required, _layers),
        Argument("include_final_output", "final", True, flag),
        Argument("input_dim", "input_width", Required, size),
        Argument("output_dim", "output_width", Required, size),
    ),
    package=PACKAGE,
)
CONNECTORS = {
    "IdentityConnector": IDENTITY,
    "MultiLayerProjectionConnector": MULTI_LAYER,
    "ConformerEncoder": CONFORMER,
}
# The options of PEFT's LoraConfig.
LORA = Section(
    "",
    (
        Argument("r", "rank", 8, integer(1, 1 << 14)),
        Argument("lora_alpha", "alpha", 8, number(0, 1 << 20)),
        Argument("lora_dropout", "dropout", 0.0, share),
        Argument("target_modules", "targets", None, _targets, _named_targets),
        only("task_type", "CAUSAL_LM", None),
        only("bias", "none"),
        *(only(name, False, None) for name in ("fan_in_fan_out", "use_rslora", "use_dora", "use_qalora")),
        *(only(name, None, {}, []) for name in ("rank_pattern", "alpha_pattern", "modules_to_save", "exclude_modules")),
        *(only(name, None) for name in ("layers_to_transform", "layers_pattern", "layer_replication")),
        *(only(name, None) for name in ("target_parameters", "trainable_token_indices")),
    ),
    frozenset({"init_lora_weights", "inference_mode", "peft_type", "base_model_name_or_path", "revision"}),
)


def depth_of(layers: list[int], depth: int) -> list[int]:
    """Layers from 0, in ascending order, of numbers that may count from the end.

    Raises:
      ValueError: there is no such layer, or one is named twice.
    """
    found = sorted(i % depth for i in layers if -depth <= i < depth)
    if len(set(found)) != len(layers):
        raise ValueError(f"must be different layers, 0 to {depth - 1}")
    return found
