"""The tables of MFCC features and of the heads of classifiers: arguments of NeMo's classes, and our fields for them."""

from typing import Any

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
    size,
)
from jaxspeech.interop.nemo.sections.features import read_window

MFCC = Section(
    "mfcc",
    (
        Argument("sample_rate", "sample_rate", 16000, integer(1000, 400_000)),
        Argument("window_size", "window_seconds", 0.02, number(0.001, 1)),
        Argument("window_stride", "hop_seconds", 0.01, number(0.001, 1)),
        Argument("window", "window", "hann", read_window, none_as_null),
        Argument("n_fft", "fft_size", None, optional(size)),
        Argument("lowfreq", "low_hz", 0.0, number(0, 200_000)),
        Argument("highfreq", "high_hz", None, optional(number(0, 200_000))),
        Argument("n_mels", "num_mels", 64, integer(1, 1024)),
        Argument("n_mfcc", "num_coefficients", 64, integer(1, 1024)),
        Argument("norm", "dct_norm", "ortho", lambda value: among("ortho", "none")(value or "none"), none_as_null),
        Argument("log", "log", True, flag),
        only("dct_type", 2),
        only("n_window_size", None),
        only("n_window_stride", None),
    ),
)

POOLINGS = {"avg": "mean", "max": "max"}


def _pooling(value: Any) -> str:
    return POOLINGS[among(*POOLINGS)(value)]


def _nemo_pooling(value: str) -> str:
    return next(name for name, ours in POOLINGS.items() if ours == value)


# The number of classes is that of the model's names.
POOLED_HEAD = Section(
    "pooled",
    (Argument("pooling_type", "pooling", "avg", _pooling, _nemo_pooling),),
    frozenset({"feat_in", "num_classes", "init_mode", "return_logits"}),
)
FRAME_HEAD = Section(
    "frames",
    (
        Argument("num_layers", "num_layers", 2, integer(1, 64)),
        Argument("activation", "activation", "relu", among("relu", "sigmoid", "tanh")),
        only("channel_idx", None),
    ),
    # Logits that are normalised already do not change a softmax.
    frozenset({"hidden_size", "num_classes", "log_softmax"}),
    package="nemo.collections.common.parts",
)
