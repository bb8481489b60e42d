"""The streaming form of an enhancement model: pure functions that clean a recording step by step.

hops of samples -> STFT, which keeps the last samples -> estimator, which keeps its state -> inverse STFT, which keeps
what later frames add to

A model can stream if its estimator has the methods `start` and `step` and the field `look_ahead`, as
`encoders.deep_filter.DeepFilter` has, and if a window is two hops: then no frame past the last one that counts reaches
a sample of the recording, so that the result is that of the whole recording.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.errors import ConfigError
from jaxspeech.features import streaming_stft
from jaxspeech.features.streaming_stft import AnalysisState, SynthesisState
from jaxspeech.types import Size, Variables


class EnhancementState(NamedTuple):
    """What the next samples need of the past."""

    analysis: AnalysisState
    estimator: Any
    synthesis: SynthesisState


class EnhancementStreaming(NamedTuple):
    """Pure functions over one frozen module.

    Attributes:
      start: (number of rows, channels) -> the state before the first sample.
      step: (variables, state, samples [B C S]) -> (enhanced samples [B C S], state); S is a multiple of `hop`. The
        samples come out `delay` samples late: the first `delay` are not of the recording, and as many zeros after its
        end bring out its last ones.
      hop: samples.
      delay: samples.
      latency_seconds: the longest time from a sample's arrival until a step of one hop has all that it needs to return
        it: the window and the frames after it.
      sample_rate: in Hz.
    """

    start: Callable[[Size, int], EnhancementState]
    step: Callable[[Variables, EnhancementState, Float[Array, "B C S"]], tuple[Float[Array, "B C S"], EnhancementState]]
    hop: int
    delay: int
    latency_seconds: float
    sample_rate: int


def enhancement_streaming(task: Any) -> EnhancementStreaming:
    """Makes the streaming form of an enhancement model.

    Raises:
      ConfigError: the model cannot stream; the message lists all reasons.
    """
    if obstacles := what_prevents(task):
        advice = "the recipe enhance_mini trains one that can"
        raise ConfigError(f"this model cannot run live: {'; '.join(obstacles)}. {advice}")
    model, rate = task.model, task.inference.sample_rate
    settings, late = model.stft, model.estimator.look_ahead

    def start(batch: Size, channels: int) -> EnhancementState:
        synthesis = streaming_stft.synthesis_start((batch, channels), settings)
        return EnhancementState(
            streaming_stft.analysis_start((batch, channels), settings),
            model.estimator.start(batch * channels, settings.num_bins),
            synthesis._replace(frame=synthesis.frame - late),
        )

    def step(
        variables: Variables, state: EnhancementState, samples: Float[Array, "B C S"]
    ) -> tuple[Float[Array, "B C S"], EnhancementState]:
        spectra, analysis = streaming_stft.analyse(jnp.asarray(samples), state.analysis, settings)
        estimator = {"params": variables["params"]["estimator"]}
        cleaned, estimated = model.estimator.apply(estimator, spectra, state.estimator, method="step")
        enhanced, synthesis = streaming_stft.synthesise(cleaned, state.synthesis, settings)
        return enhanced, EnhancementState(analysis, estimated, synthesis)

    return EnhancementStreaming(
        start=start,
        step=step,
        hop=settings.hop,
        delay=streaming_stft.delay(settings) + late * settings.hop,
        latency_seconds=(settings.fft_length + late * settings.hop) / rate,
        sample_rate=rate,
    )


def what_prevents(task: Any) -> list[str]:
    """The reasons why a model cannot stream, each as a phrase; empty if it can."""
    model = task.model
    estimator, settings = getattr(model, "estimator", None), getattr(model, "stft", None)
    if settings is None or not hasattr(type(estimator), "step") or not hasattr(estimator, "look_ahead"):
        return ["it looks at the whole recording"]
    found = {
        "it divides a recording by its peak": task.inference.scaled,
        "it draws noise": task.inference.random,
        "it takes several channels together": task.inference.channels != 1,
        "its windows are not two hops": settings.fft_length != 2 * settings.hop or not settings.centred,
        "it returns fewer samples than it takes (stft.exact_tail)": not settings.exact_tail,
        "its outputs are made consistent with the mixture": getattr(model, "mixture_consistency", "none") != "none",
        "its estimator does not return spectra": type(getattr(model, "processor", None)).__name__ != "Spectrum",
    }
    return [reason for reason, holds in found.items() if holds]
