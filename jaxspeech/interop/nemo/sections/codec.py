"""The tables of neural codecs: NeMo's encoders, quantizers, decoders and losses, and our fields for them."""

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
    share,
    size,
)

MODULES = "nemo.collections.tts.modules.audio_codec_modules"
RESIDUAL = "nemo.collections.tts.modules.encodec_modules"
OF_LOSSES = "nemo.collections.tts.losses.audio_codec_loss"
factor = number(0, 1e6)

_ACTIVATIONS = {"elu": "elu", "lrelu": "leaky_relu", "snake": "snake", "half_snake": "half_snake"}
_BACK = {ours: nemo for nemo, ours in _ACTIVATIONS.items()}


def sizes(value: Any) -> list[int]:
    """Accepts a list of sizes, at most 16."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 16:
        raise ValueError("must be a list of 1 to 16 sizes")
    return [size(each) for each in value]


def _odd(value: Any) -> list[int]:
    found = sizes(value)
    if any(each % 2 == 0 for each in found):
        raise ValueError("must be odd")
    return found


def _activation(value: Any) -> str:
    return _ACTIVATIONS[among(*_ACTIVATIONS)(str(value).lower())]


def _network(rates: str, kernel: int) -> tuple[Argument, ...]:
    """The arguments that an encoder and a decoder have, with their defaults."""
    default = (2, 2, 8, 8) if rates == "down_sample_rates" else (8, 8, 2, 2)
    return (
        Argument(rates, "rates", default, sizes),
        Argument("base_channels", "channels", 32 if rates == "down_sample_rates" else 512, size),
        Argument("in_kernel_size", "first_kernel", 7, lambda value: _odd([value])[0]),
        Argument("out_kernel_size", "last_kernel", kernel, lambda value: _odd([value])[0]),
        Argument("resblock_kernel_sizes", "kernel_sizes", (3, 7, 11), _odd),
        Argument("resblock_dilation_sizes", "dilations", (1, 3, 5), sizes),
        Argument("activation", "activation", "lrelu", _activation, lambda value: _BACK[value]),
    )


# What is around the signals of the two kinds of convolutions. A causal one has zeros before them.
_AROUND = Argument("pad_mode", "padding", "reflect", among("reflect", "zeros"))
_CAUSAL = only("pad_mode", "zeros")
_ENCODER = (Argument("encoded_dim", "width", Required, size), *_network("down_sample_rates", 7))
_DECODER = (
    *_network("up_sample_rates", 3),
    Argument("output_activation", "output", "tanh", among("tanh", "clamp")),
)
_GROUPED = "n_groups_equal_to_out_channels"
ENCODERS = {
    "HiFiGANEncoder": Section(
        "codec", (*_ENCODER, _AROUND), fits=lambda fields: fields["padding"] != "causal", package=MODULES
    ),
    "CausalHiFiGANEncoder": Section("codec", (*_ENCODER, _CAUSAL), settles=(("padding", "causal"),), package=MODULES),
}
# input_dim follows from the quantizer.
DECODERS = {
    "HiFiGANDecoder": Section(
        "codec",
        (*_DECODER, _AROUND, Argument(_GROUPED, "grouped", False, flag)),
        frozenset({"input_dim"}),
        fits=lambda fields: fields["padding"] != "causal",
        package=MODULES,
    ),
    "CausalHiFiGANDecoder": Section(
        "codec",
        (*_DECODER, _CAUSAL, Argument(_GROUPED, "grouped", True, flag)),
        frozenset({"input_dim"}),
        settles=(("padding", "causal"),),
        package=MODULES,
    ),
}


def _levels(value: Any) -> list[int]:
    found = sizes(value)
    if min(found) < 2:
        raise ValueError("must be at least 2")
    return found


_CODEBOOKS = (
    Argument("num_codebooks", "num_codebooks", Required, integer(1, 256)),
    Argument("codebook_size", "size", 1024, integer(1, 1 << 20)),
    Argument("codebook_dim", "width", 128, size),
    Argument("decay", "decay", 0.99, share),
    Argument(
        "threshold_ema_dead_code",
        "least",
        2.0,
        lambda value: 0.0 if value is None else number(0, 1e6)(value),
        lambda value: value or None,
    ),
    Argument(
        "kmeans_iters",
        "iterations",
        50,
        lambda value: 0 if value is None else integer(0, 1 << 12)(value),
        lambda value: value or None,
    ),
)
QUANTIZERS = {
    "GroupFiniteScalarQuantizer": Section(
        "fsq",
        (
            Argument("num_groups", "groups", Required, integer(1, 256)),
            Argument("num_levels_per_group", "levels", Required, _levels),
            only("eps", 1e-3),
        ),
        package=MODULES,
    ),
    # Written as a single group.
    "FiniteScalarQuantizer": Section(
        "fsq",
        (Argument("num_levels", "levels", Required, _levels), only("eps", 1e-3)),
        settles=(("groups", 1),),
        fits=lambda fields: False,
        package=MODULES,
    ),
    "ResidualVectorQuantizer": Section("residual", _CODEBOOKS, settles=(("groups", 1),), package=RESIDUAL),
    "GroupResidualVectorQuantizer": Section(
        "residual",
        (*_CODEBOOKS, Argument("num_groups", "groups", Required, integer(1, 256))),
        fits=lambda fields: fields["groups"] > 1,
        package=RESIDUAL,
    ),
}


def _resolutions(value: Any) -> list[list[int]]:
    if not isinstance(value, (list, tuple)) or not all(len(sizes(each)) == 3 for each in value):
        raise ValueError("must be a list of [size, hop, window]")
    return [sizes(each) for each in value]


# Keys of the configuration itself.
LOSS = Section(
    "",
    (
        Argument("mel_loss_l1_scale", "mel", 1.0, factor),
        Argument("mel_loss_l2_scale", "mel_square", 1.0, factor),
        Argument("stft_loss_scale", "stft", 0.0, factor),
        Argument("time_domain_loss_scale", "samples", 1.0, factor),
        Argument("si_sdr_loss_scale", "si_sdr", 0.0, factor),
        Argument("commit_loss_scale", "commitment", 1.0, factor),
        Argument("gen_loss_scale", "adversarial", 1.0, factor),
        Argument("feature_loss_scale", "features", 1.0, factor),
        Argument("loss_resolutions", "resolutions", Required, _resolutions),
        Argument("mel_loss_dims", "num_mels", Required, sizes),
        Argument("mel_loss_log_guard", "mel_guard", 1.0, factor),
        Argument("stft_loss_log_guard", "stft_guard", 1.0, factor),
        Argument("feature_loss_type", "features_kind", "relative", among("absolute", "relative")),
    ),
)
# Classes of the losses of scores, by ours.
DISTANCES = {"squares": "Squared", "hinge": "Hinged"}
