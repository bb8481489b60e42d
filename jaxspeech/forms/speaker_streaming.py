"""The streaming form of a diarization model: pure functions that find the active speakers step by step.

samples of a chunk and its context -> features -> `tasks.speaker_steps` -> the activity of the chunk's frames

A model can stream if a feature frame depends only on the samples around it: Sortformer with features that are not
normalised over the recording.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.diarization.stream_settings import StreamSettings, choose_settings
from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.tasks.speaker_steps import Found, Parts, Steps, StepState, first_state, step
from jaxspeech.types import Size, Variables


class SpeakerStreaming(NamedTuple):
    """Pure functions over one frozen module.

    Attributes:
      prepare: variables -> variables with values that all steps share, computed once.
      start: number of rows -> the state before the first sample.
      step: (prepared variables, state, samples [B S], num_samples [B]) -> (`Found`, state). A row's samples begin
        `lead_in` before its frame max(n - left, 0), where n is the number of frames that it has returned; before the
        recording they are zeros. They are complete if there are `needed(n)`; fewer end the recording, and a row of 0
        takes no step.
      settings: the sizes, in frames.
      speakers: columns of the activity.
      lead_in: samples before the first frame that a step sees.
      window: S.
      frame: samples of a frame.
      sample_rate: in Hz.
    """

    prepare: Callable[[Variables], Variables]
    start: Callable[[Size], StepState]
    step: Callable[[Variables, StepState, Any, Any], tuple[Found, StepState]]
    settings: StreamSettings
    speakers: int
    lead_in: int
    window: int
    frame: int
    sample_rate: int

    @property
    def frame_seconds(self) -> float:
        """Seconds of audio per frame."""
        return self.frame / self.sample_rate

    @property
    def latency_seconds(self) -> float:
        """The longest time from a sample's arrival until the step that returns its frame has all that it needs."""
        return (self.needed(0) - self.lead_in) / self.sample_rate

    def begin(self, num_frames: int) -> int:
        """The first sample that the next step sees of a recording with `lead_in` zeros before it."""
        return max(num_frames - self.settings.left, 0) * self.frame

    def needed(self, num_frames: int) -> int:
        """Samples from there on that the next step waits for."""
        return self.window - (self.settings.left - min(num_frames, self.settings.left)) * self.frame


def speaker_streaming(
    task: Any, *, latency: float | str | None = None, options: Mapping[str, Any] | None = None
) -> SpeakerStreaming:
    """Makes the streaming form of a diarization model.

    Args:
      task: of the model.
      latency: one of the published settings, in seconds; None: the model's own.
      options: fields of `diarization.stream_settings.StreamSettings` that differ.

    Raises:
      ConfigError: the model cannot stream (the message lists all reasons), or an option cannot be used.
    """
    if obstacles := what_prevents(task):
        raise ConfigError(f"this model cannot stream: {'; '.join(obstacles)}")
    model: Any = task.model
    encoder, frontend, speakers = model.encoder, model.frontend, task.inference.most_speakers
    settings = choose_settings(task.inference.streaming, latency, options)
    settings.check(speakers)
    factor = encoder.total_factor
    steps = Steps(settings, speakers, encoder.width, factor)
    hop, fft = frontend.hop_and_fft
    frame = factor * hop
    # A frame's Fourier transform begins half its size, and the preemphasis one sample more, before the frame.
    margin = math.ceil((fft // 2 + 1) / hop)
    window = margin * hop + settings.seen * frame + max(fft // 2 - hop, 0)
    # Projected once for all steps, whose sequences are at most this long.
    positions = KeptPositions(model, seconds=(settings.cache + settings.queue + settings.seen) * model.frame_seconds)

    def call(method: str, variables: Variables, *inputs: Any) -> Any:
        return model.apply(variables, *inputs, method=method)

    def one_step(
        variables: Variables, state: StepState, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Found, StepState]:
        features, num_features = call("features", variables, samples, num_samples)
        features = features[:, margin : margin + settings.seen * factor]
        num_features = jnp.maximum(num_features - margin, 0)
        parts = Parts(*(partial(call, method, variables) for method in ("subsample", "activity_of_frames")))
        return step(steps, parts, state, features, num_features)

    return SpeakerStreaming(
        prepare=positions.beside,
        start=partial(first_state, steps),
        step=one_step,
        settings=settings,
        speakers=speakers,
        lead_in=margin * hop,
        window=window,
        frame=frame,
        sample_rate=frontend.sample_rate,
    )


def what_prevents(task: Any) -> list[str]:
    """The reasons why a model cannot stream, each as a phrase; empty if it can."""
    model: Any = task.model
    if getattr(task.inference, "streaming", None) is None:
        return ["it was made for whole recordings (its configuration has no section `streaming`)"]
    encoder, frontend = model.encoder, model.frontend
    found = {
        "its features are not log-mel": not isinstance(frontend, MelSpectrogram),
        f"its features are normalised over the recording ({getattr(frontend, 'normalize', '')})": getattr(
            frontend, "normalize", "none"
        )
        != "none",
        "its frames are not centred": getattr(frontend, "exact_pad", False),
        "its subsampling looks back only": encoder.causal_subsampling,
        "its encoder reduces the frames further": encoder.reduction is not None,
    }
    return [reason for reason, holds in found.items() if holds]
