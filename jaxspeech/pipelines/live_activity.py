"""Prepares a model of voice activity to gate live recognition."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jaxspeech.audio.speech_gate import GateOptions
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.inference.gated_stream import Activity
from jaxspeech.pipelines.classifier import Classifier


def live_activity(model: Classifier, gate: Mapping[str, Any] | None, *, sample_rate: int) -> Activity:
    """Checks that a model can find speech live, with these options.

    Args:
      model: of frames.
      gate: options of `GateOptions`.
      sample_rate: of the recogniser, in Hz.

    Raises:
      ConfigError: it cannot run live, or is for a different sample rate, or an option is unknown.
    """
    known = GateOptions.__dataclass_fields__
    for name in gate or {}:
        if name not in known:
            raise ConfigError(f"{name} is not an option of the gate{did_you_mean(name, known)}")
    options, kind = GateOptions(**(gate or {})), model.task.inference
    open_stream = partial(model.stream, look_ahead=options.look_ahead, step=options.step)
    open_stream()  # reports now that the model cannot run live
    if kind.sample_rate != sample_rate:
        raise ConfigError(f"voice_activity is for {kind.sample_rate} Hz, and the recogniser for {sample_rate} Hz")
    return Activity(open_stream, model.speech_class(), kind.frame_seconds, options)
