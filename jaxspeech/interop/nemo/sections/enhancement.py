"""The tables of enhancement: NeMo's transforms, mask estimators, processors and losses, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    none_as_null,
    number,
    only,
    optional,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.conformer import ATTENTION, pair

MODULES = "nemo.collections.audio.modules"
decibels = number(-1e3, 1e3)


def _or_none(*values: str) -> Any:
    """Accepts these names; null is our "none"."""
    return lambda value: "none" if value is None else among(*values)(value)


def _even(value: Any) -> int:
    if size(value) % 2:
        raise ValueError("must be even")
    return value


_TRANSFORM = (
    Argument("fft_length", "fft_length", Required, _even),
    Argument("hop_length", "hop", Required, size),
    Argument("magnitude_power", "magnitude_power", 1.0, number(1e-3, 1e3)),
    Argument("scale", "scale", 1.0, number(1e-9, 1e9)),
    only("center", True),
)
# The class of the transform and that of its inverse have the same arguments.
ANALYSIS = {"AudioToSpectrogram": Section("", _TRANSFORM, package=f"{MODULES}.transforms")}
SYNTHESIS = {"SpectrogramToAudio": Section("", _TRANSFORM, package=f"{MODULES}.transforms")}

MAGNITUDES = ("abs_mean", "mean_abs", "rms")


def _finish_rnn(estimator: dict[str, Any]) -> None:
    hidden = estimator.pop("hidden")
    if hidden not in (None, estimator["width"]):
        raise ValueError(f"num_hidden_features {hidden} (must be num_features: NeMo cannot compute anything else)")


def _finish_channels(estimator: dict[str, Any]) -> None:
    if estimator["width"] % estimator["num_heads"] or estimator["width"] % 2:
        raise ValueError(f"temporal_block_dimension {estimator['width']} cannot be split into its heads")
    estimator["attention"] = ATTENTION[estimator["attention"]]
    # NeMo's batch norms count the padding.
    estimator["norm_over_padding"] = True


_SHARING = {"transform_average_concatenate": "average", "transform_attend_concatenate": "attention"}
_KINDS_OF_NORM = _or_none("mean", "mean_var")
# num_subbands and num_input_channels follow from the transform and the model.
SIZES = frozenset({"num_subbands", "num_input_channels"})
MASK_ESTIMATORS = {
    "MaskEstimatorRNN": Section(
        "mask_rnn",
        (
            Argument("num_outputs", "num_outputs", Required, integer(1, 256)),
            Argument("num_features", "width", 1024, size),
            Argument("num_layers", "num_layers", 3, integer(1, 512)),
            Argument("num_hidden_features", "hidden", None, optional(size)),
            Argument("dropout", "dropout", 0.0, share),
            Argument("bidirectional", "bidirectional", True, flag),
            Argument("rnn_type", "cell", "lstm", among("lstm", "gru")),
            Argument("mag_reduction", "magnitudes", "rms", _or_none(*MAGNITUDES), none_as_null),
            Argument("use_ipd", "phase_differences", None, lambda value: bool(among(True, False, None)(value))),
        ),
        SIZES,
        finish=_finish_rnn,
        gather=lambda fields: fields | {"hidden": fields["width"]},
        package=f"{MODULES}.masking",
    ),
    "MaskEstimatorFlexChannels": Section(
        "mask_channels",
        (
            Argument("num_outputs", "num_outputs", Required, integer(1, 256)),
            Argument("num_blocks", "num_blocks", Required, integer(1, 512)),
            Argument("channel_reduction_position", "reduction_position", -1, integer(-1, 512)),
            Argument("channel_reduction_type", "reduction", "attention", among("average", "attention")),
            Argument(
                "channel_block_type",
                "sharing",
                "transform_attend_concatenate",
                lambda value: _SHARING[among(*_SHARING)(value)],
                lambda sharing: next(nemo for nemo, ours in _SHARING.items() if ours == sharing),
            ),
            only("temporal_block_type", "conformer_encoder"),
            Argument("temporal_block_num_layers", "num_layers", 5, integer(1, 512)),
            Argument("temporal_block_num_heads", "num_heads", 4, size),
            Argument("temporal_block_dimension", "width", 128, size),
            Argument(
                "temporal_block_self_attention_model",
                "attention",
                "rel_pos",
                among(*ATTENTION),
                lambda attention: next(nemo for nemo, ours in ATTENTION.items() if ours == attention),
            ),
            Argument(
                "temporal_block_att_context_size", "attention_context", None, lambda value: pair(value or (-1, -1))
            ),
            Argument("mag_reduction", "magnitudes", "abs_mean", _or_none(*MAGNITUDES), none_as_null),
            Argument("mag_power", "magnitude_power", None, optional(number(1e-3, 1e3))),
            Argument("use_ipd", "phase_differences", True, flag),
            Argument("mag_normalization", "magnitude_norm", None, _KINDS_OF_NORM, none_as_null),
            Argument("ipd_normalization", "phase_norm", None, _KINDS_OF_NORM, none_as_null),
        ),
        SIZES,
        # Those of NeMo's Conformer by default, which has no arguments for them here.
        settles=(
            ("dropout", 0.1),
            ("dropout_pre_encoder", 0.1),
            ("dropout_emb", 0.1),
            ("dropout_att", 0.0),
        ),
        finish=_finish_channels,
        package=f"{MODULES}.masking",
    ),
}

_LIMITS = (
    Argument("mask_min_db", "least_db", -200.0, decibels),
    Argument("mask_max_db", "most_db", 0.0, decibels),
)


def _loading(value: Any) -> float:
    return 0.0 if value is None else number(0, 1e3)(value)


def _channel(value: Any) -> Any:
    return value if value in (None, "max_snr") else integer(0, 1 << 10)(value)


def _finish_beamformer(processor: dict[str, Any]) -> None:
    if processor.pop("kind") == "mvdr_souden" and processor["beta"]:
        processor |= {"beta": 0.0, "rank": "one"}  # as NeMo does, with a warning
    if processor["reference"] is None:
        processor["reference"] = "all"
    if processor["rank"] == "full" and not processor["beta"]:
        raise ValueError("filter_rank 'full' (filter_beta must not be 0)")


MASK_PROCESSORS = {
    "MaskReferenceChannel": Section(
        "reference",
        (Argument("ref_channel", "channel", 0, integer(0, 1 << 10)), *_LIMITS),
        package=f"{MODULES}.masking",
    ),
    "MaskBasedBeamformer": Section(
        "beamformer",
        (
            Argument("filter_type", "kind", "mvdr_souden", among("mvdr_souden", "pmwf")),
            Argument("filter_beta", "beta", 0.0, number(0, 1e6)),
            Argument("filter_rank", "rank", "one", among("one", "full")),
            Argument("filter_postfilter", "postfilter", None, _or_none("ban"), none_as_null),
            Argument("ref_channel", "reference", 0, _channel, lambda value: None if value == "all" else value),
            Argument("ref_hard", "hard", True, lambda value: bool(among(True, False)(value))),
            Argument("ref_hard_use_grad", "straight_through", False, flag),
            Argument("ref_subband_weighting", "subband_weights", False, flag),
            *_LIMITS,
            Argument("postmask_min_db", "post_least_db", 0.0, decibels),
            Argument("postmask_max_db", "post_most_db", 0.0, decibels),
            Argument("diag_reg", "loading", 1e-6, _loading, lambda loading: loading or None),
            Argument("eps", "epsilon", 1e-8, number(1e-30, 1.0)),
        ),
        frozenset({"num_subbands"}),
        finish=_finish_beamformer,
        gather=lambda fields: (
            fields | {"kind": "mvdr_souden" if fields["rank"] == "one" and not fields["beta"] else "pmwf"}
        ),
        package=f"{MODULES}.masking",
    ),
    "MaskBasedDereverbWPE": Section(
        "wpe",
        (
            Argument("filter_length", "taps", Required, integer(1, 1 << 10)),
            Argument("prediction_delay", "delay", Required, integer(1, 1 << 10)),
            Argument("num_iterations", "iterations", 1, integer(1, 1 << 10)),
            *_LIMITS,
            Argument("diag_reg", "loading", 1e-6, _loading, lambda loading: loading or None),
            Argument("eps", "epsilon", 1e-8, number(1e-30, 1.0)),
        ),
        # NeMo's dtype makes no difference beyond rounding.
        frozenset({"dtype"}),
        settles=(("cascaded", True),),
        package=f"{MODULES}.masking",
    ),
}
CONSISTENCY = {
    "MixtureConsistencyProjection": Section(
        "",
        (
            Argument(
                "weighting",
                "mixture_consistency",
                None,
                lambda value: "uniform" if value is None else among("power")(value),
                lambda value: None if value == "uniform" else value,
            ),
            only("eps", 1e-8),
        ),
        package=f"{MODULES}.projections",
    )
}
AUGMENT = {
    "ChannelAugment": Section(
        "",
        (
            Argument("permute_channels", "permute", True, flag),
            Argument("num_channels_min", "fewest", 1, integer(1, 1 << 10)),
            Argument("num_channels_max", "most", None, optional(integer(1, 1 << 10))),
        ),
        frozenset({"rng", "seed"}),
        package="nemo.collections.audio.parts.submodules.multichannel",
    )
}


def _weights(value: Any) -> list[float]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a list of weights")
    return [share(weight) for weight in value]


def _distance(name: str) -> Section:
    """A loss of waveforms that is a mean over the samples."""
    arguments = (Argument("weight", "weight", None, optional(_weights)), only("reduction", "mean"), only("ndim", 3))
    return Section(name, arguments, package="nemo.collections.audio.losses")


LOSSES = {
    "MSELoss": _distance("mse"),
    "MAELoss": _distance("mae"),
    "SDRLoss": Section(
        "sdr",
        (
            Argument("weight", "weight", None, optional(_weights)),
            Argument("scale_invariant", "scale_invariant", False, flag),
            Argument("convolution_invariant", "convolution_invariant", False, flag),
            Argument("convolution_filter_length", "convolution_filter_length", 512, integer(1, 1 << 14)),
            Argument("remove_mean", "remove_mean", True, flag),
            Argument("sdr_max", "sdr_max", None, optional(decibels)),
            only("reduction", "mean"),
            only("eps", 1e-8),
        ),
        package="nemo.collections.audio.losses",
    ),
}
