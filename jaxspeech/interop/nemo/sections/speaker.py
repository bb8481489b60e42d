"""The tables of speaker models: NeMo's encoder, decoder and losses, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import Argument, Required, Section, flag, integer, number, only, size

POOLINGS = {"attention": "attention", "xvector": "statistics", "tap": "mean"}


def _pooling(value: Any) -> str:
    if str(value).lower() not in POOLINGS:
        raise ValueError(f"can be {', '.join(POOLINGS)}")
    return POOLINGS[str(value).lower()]


def _nemo_pooling(value: str) -> str:
    return next(nemo for nemo, ours in POOLINGS.items() if ours == value)


def _sizes(value: Any) -> tuple[int, ...]:
    """Accepts a size, or a list of sizes."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not 0 < len(values) <= 64:
        raise ValueError("must be a size or a list of sizes")
    return tuple(size(each) for each in values)


def _nemo_sizes(value: Any) -> Any:
    return list(value) if len(value) > 1 else value[0]


def _finish_head(decoder: dict[str, Any]) -> None:
    """NeMo does not normalise the weights of the classifier, and its batch norms count the padding."""
    decoder |= {"normalize_weights": False, "norm_over_padding": True}


SPEAKER_HEAD = Section(
    "speaker",
    (
        Argument("num_classes", "num_classes", Required, integer(1, 1 << 24)),
        Argument("emb_sizes", "embedding_widths", 256, _sizes, _nemo_sizes),
        Argument("pool_mode", "pooling", "xvector", _pooling, _nemo_pooling),
        Argument("angular", "angular", False, flag),
        Argument("attention_channels", "attention_width", 128, size),
    ),
    frozenset({"feat_in", "init_mode"}),
    finish=_finish_head,
    settles=(("norm", "batch"),),
)


def _list_of_sizes(value: Any) -> list[int]:
    if not isinstance(value, (list, tuple)) or not 2 < len(value) <= 64:
        raise ValueError("must be a list of sizes: of the first layer, each block and the last layer")
    return [size(each) for each in value]


def _finish_ecapa(encoder: dict[str, Any]) -> None:
    """Separates the last layer's sizes from the others.

    Raises:
      ValueError: its channels are not those of all blocks together.
    """
    *encoder["filters"], channels = encoder["filters"]
    *encoder["kernels"], encoder["output_kernel"] = encoder["kernels"]
    *encoder["dilations"], encoder["output_dilation"] = encoder["dilations"]
    if channels != sum(encoder["filters"][1:]):
        raise ValueError(f"filters: the last, {channels}, must be the sum of those of the blocks")
    encoder["norm_over_padding"] = True


def _gather_ecapa(encoder: dict[str, Any]) -> dict[str, Any]:
    return encoder | {
        "filters": [*encoder["filters"], sum(encoder["filters"][1:])],
        "kernels": [*encoder["kernels"], encoder["output_kernel"]],
        "dilations": [*encoder["dilations"], encoder["output_dilation"]],
    }


ECAPA = Section(
    "ecapa",
    (
        Argument("filters", "filters", Required, _list_of_sizes),
        Argument("kernel_sizes", "kernels", Required, _list_of_sizes),
        Argument("dilations", "dilations", Required, _list_of_sizes),
        Argument("scale", "groups", 8, size),
    ),
    frozenset({"feat_in", "init_mode"}),
    finish=_finish_ecapa,
    gather=_gather_ecapa,
)
ANGULAR_LOSS = Section(
    "",
    (
        Argument("scale", "scale", 20.0, number(0, 1e6)),
        Argument("margin", "margin", 1.35, number(-10, 10)),
    ),
    package="nemo.collections.asr.losses.angularloss",
)
CROSS_ENTROPY = Section(
    "",
    (only("logits_ndim", 2), only("reduction", "mean")),
    # Weights of the classes are used in training only.
    frozenset({"weight", "ignore_index"}),
    package="nemo.collections.common.losses.cross_entropy",
)
