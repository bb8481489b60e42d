"""The tables of vocoders: their features, generator and discriminators."""

from collections.abc import Callable
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    flag,
    integer,
    size,
)
from jaxspeech.interop.nemo.sections.features import MEL, in_samples, in_seconds

# What NeMo's `use_grads` adds to the powers of spectra.
POWER_GUARD = 1e-5
PERIOD_CHANNELS, SCALE_CHANNELS = (32, 128, 512, 1024), (128, 256, 512, 1024)
DEBUG_PERIOD_CHANNELS, DEBUG_SCALE_CHANNELS = (8, 12, 32, 64), (16, 32, 32, 64)


# The names and defaults in which FilterbankFeatures differs from AudioToMelSpectrogramPreprocessor, which calls it.
_OWN = {
    "window_size": Argument("n_window_size", "window_seconds", 320, integer(1, 1 << 16)),
    "window_stride": Argument("n_window_stride", "hop_seconds", 160, integer(1, 1 << 16)),
    "features": Argument("nfilt", "num_mels", 64, integer(1, 1024)),
}
_LEFT_OUT = ("n_window_size", "n_window_stride")

FILTERBANK = Section(
    "mel",
    (
        *(_OWN.get(argument.nemo, argument) for argument in MEL.arguments if argument.nemo not in _LEFT_OUT),
        Argument(
            "use_grads",
            "power_guard",
            False,
            lambda value: POWER_GUARD if flag(value) else 0.0,
            lambda value: value > 0,
        ),
    ),
    MEL.without_effect | {"max_duration"},
    finish=in_seconds,
    gather=in_samples,
    fits=lambda fields: fields["power_guard"] in (0, POWER_GUARD),
    package="nemo.collections.asr.parts.preprocessing.features",
)


def _numbers(convert: Callable[[Any], int]) -> Callable[[Any], tuple[int, ...]]:
    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 64:
            raise ValueError("must be a list of integers")
        return tuple(convert(item) for item in value)

    return read


def _lists(value: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 64:
        raise ValueError("must be a list of lists of integers")
    return tuple(_numbers(integer(1, 256))(item) for item in value)


def _block(value: Any) -> str:
    if str(value) not in ("1", "2"):
        raise ValueError("can be 1, 2")
    return "pairs" if str(value) == "1" else "single"


def _check_blocks(fields: dict[str, Any]) -> None:
    """NeMo's blocks of pairs have three dilations, the others two; it ignores further ones."""
    count = 3 if fields["block"] == "pairs" else 2
    if any(len(dilations) != count for dilations in fields["block_dilations"]):
        raise ValueError(f"resblock_dilation_sizes must be lists of {count}")


GENERATOR = Section(
    "hifigan",
    (
        Argument("resblock", "block", Required, _block, lambda value: 1 if value == "pairs" else 2),
        Argument("upsample_rates", "rates", Required, _numbers(integer(1, 256))),
        Argument("upsample_kernel_sizes", "kernels", Required, _numbers(integer(1, 1024))),
        Argument("upsample_initial_channel", "channels", Required, size),
        Argument("resblock_kernel_sizes", "block_kernels", Required, _numbers(integer(1, 255))),
        Argument("resblock_dilation_sizes", "block_dilations", Required, _lists),
    ),
    frozenset({"initial_input_size", "apply_weight_init_conv_pre"}),
    finish=_check_blocks,
    package="nemo.collections.tts.modules.hifigan_modules",
)
FILTERBANKS, GENERATORS = {"FilterbankFeatures": FILTERBANK}, {"Generator": GENERATOR}
