"""The tables of the frontend and SpecAugment: arguments of NeMo's classes, their defaults, and our fields for them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
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


def _guard(value: Any) -> float:
    return float(getattr(np.finfo(np.float32), value)) if value in ("tiny", "eps") else number(0, 1e9)(value)


def _mask_width(value: Any) -> int | float:
    return value if type(value) is int and value >= 0 else share(value)


def read_window(value: Any) -> str:
    """Accepts the name of a window; none at all is "none"."""
    return among("hann", "hamming", "blackman", "bartlett", "none")(value or "none")


def _mel_norm(value: Any) -> str:
    return among("slaney", "none")(value or "none")


def _normalization(value: Any) -> str:
    if isinstance(value, Mapping):
        raise ValueError("fixed means and deviations are not supported")
    return value if value in ("per_feature", "all_features") else "none"


MEL = Section(
    "mel",
    (
        Argument("sample_rate", "sample_rate", 16000, integer(1000, 400_000)),
        Argument("window_size", "window_seconds", 0.02, number(0.001, 1)),
        Argument("window_stride", "hop_seconds", 0.01, number(0.001, 1)),
        Argument("window", "window", "hann", read_window, none_as_null),
        Argument("normalize", "normalize", "per_feature", _normalization, none_as_null),
        Argument("n_fft", "fft_size", None, optional(size)),
        Argument("preemph", "preemphasis", 0.97, optional(share)),
        Argument("features", "num_mels", 64, integer(1, 1024)),
        Argument("lowfreq", "low_hz", 0, number(0, 200_000)),
        Argument("highfreq", "high_hz", None, optional(number(0, 200_000))),
        Argument("log", "log", True, flag),
        Argument("log_zero_guard_type", "log_guard", "add", among("add", "clamp")),
        Argument("log_zero_guard_value", "log_guard_value", 2**-24, _guard),
        Argument("dither", "dither", 1e-5, number(0, 1)),
        Argument("pad_to", "pad_to", 16, lambda value: max(integer(-1, 1 << 14)(value), 0)),
        Argument("pad_value", "pad_value", 0, number(-1e9, 1e9)),
        Argument("frame_splicing", "frame_splicing", 1, integer(1, 64)),
        Argument("exact_pad", "exact_pad", False, flag),
        Argument("mag_power", "mag_power", 2.0, number(0, 10)),
        Argument("mel_norm", "mel_norm", "slaney", _mel_norm, none_as_null),
        only("n_window_size", None),
        only("n_window_stride", None),
        only("nb_augmentation_prob", 0.0),
    ),
    frozenset({"rng", "nb_max_freq", "use_torchaudio", "stft_exact_pad", "stft_conv"}),
)


def in_seconds(fields: dict[str, Any]) -> None:
    """Converts the lengths of window and hop from samples to seconds."""
    for name in ("window_seconds", "hop_seconds"):
        seconds = fields[name] / fields["sample_rate"]
        # Ours are rounded down to samples.
        exact = int(seconds * fields["sample_rate"]) == fields[name]
        fields[name] = seconds if exact else math.nextafter(seconds, math.inf)


def in_samples(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the lengths of window and hop in samples."""
    rate = fields["sample_rate"]
    return fields | {name: int(fields[name] * rate) for name in ("window_seconds", "hop_seconds")}


_LENGTHS = {
    "window_size": Argument("n_window_size", "window_seconds", None, size),
    "window_stride": Argument("n_window_stride", "hop_seconds", None, size),
    "n_window_size": only("window_size", False, None),
    "n_window_stride": only("window_stride", False, None),
}
# The same class, with lengths in samples, as models that speak have them.
MEL_IN_SAMPLES = MEL._replace(
    arguments=tuple(_LENGTHS.get(argument.nemo, argument) for argument in MEL.arguments),
    finish=in_seconds,
    gather=in_samples,
)

SPEC_AUGMENT = Section(
    "",
    (
        Argument("freq_masks", "freq_masks", 0, integer(0, 1000)),
        Argument("freq_width", "freq_width", 10, integer(0, 1000)),
        Argument("time_masks", "time_masks", 0, integer(0, 1000)),
        Argument("time_width", "time_width", 10, _mask_width),
        Argument("rect_masks", "cutout_masks", 0, integer(0, 1000)),
        Argument("rect_freq", "cutout_freq_width", 20, integer(0, 1000)),
        Argument("rect_time", "cutout_time_width", 5, integer(0, 1 << 14)),
        Argument("mask_value", "mask_value", 0.0, number(-1e9, 1e9)),
    ),
    frozenset({"rng", "use_vectorized_spec_augment", "use_numba_spec_augment"}),
)
