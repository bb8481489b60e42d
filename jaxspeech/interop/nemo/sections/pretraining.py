"""The tables of masked prediction: arguments of NeMo's classes, their defaults, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
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


def _fixed_is_not_trained(fields: dict[str, Any]) -> None:
    fields["trained"] = fields["trained"] and fields["value"] is None


# The codes have length 1, so that the nearest by distance and by angle are the same. They are never trained: an index
# has no gradient.
QUANTIZER = Section(
    "random_projection",
    (
        Argument("num_classes", "num_codes", Required, integer(1, 1 << 20)),
        Argument("num_books", "num_books", Required, integer(1, 256)),
        Argument("code_dim", "code_dim", Required, size),
        Argument("dist_fn", None, "cosine", among("l2", "cosine")),
        only("time_ahead", False),
    ),
    frozenset({"feat_in", "freeze", "squeeze_single", "combine_time_steps"}),
)
MASKING = Section(
    "blocks",
    (
        Argument("block_size", "block", 48, integer(1, 1 << 14)),
        Argument("mask_prob", "probability", 0.5, share),
        Argument("allow_overlap", "overlap", False, flag),
        Argument("mask_value", "value", None, optional(number(-1e9, 1e9))),
        Argument("freeze", "trained", True, lambda frozen: not flag(frozen), lambda trained: not trained),
    ),
    # NeMo does not read max_mask_ratio.
    frozenset({"feat_in", "max_mask_ratio"}),
    finish=_fixed_is_not_trained,
)
SOFTMAX = Section(
    "softmax",
    (
        Argument("num_classes", "num_codes", Required, integer(1, 1 << 20)),
        Argument("num_decoders", "num_books", 1, integer(1, 256)),
        Argument("use_bias", "use_bias", False, flag),
    ),
    frozenset({"feat_in", "init_mode", "squeeze_single"}),
)
LOSS = Section(
    "",
    (Argument("mask_threshold", "mask_threshold", 0.8, share),),
    frozenset({"combine_time_steps", "num_decoders", "squeeze_single"}),
    package="nemo.collections.asr.losses",
)
# NeMo's value of mask_position -> ours.
POSITIONS = {"pre_conv": "features", "post_conv": "subsampled"}
