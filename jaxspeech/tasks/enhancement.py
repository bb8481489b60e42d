"""Enhancement: waveforms -> STFT -> masks or spectra -> processor -> inverse STFT -> waveforms of each output.

An estimator is called with (spectra [B C N F], num_frames [B], train=) and returns masks [B M N F], which the processor
applies, or, with the processor "spectrum", complex spectra [B M N F]. Its attribute `any_channels` says whether its
parameters are the same for any number of channels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from jaxspeech.decoders.mask_processors import PROCESSORS, Spectrum
from jaxspeech.encoders.mask_channels import MaskChannels
from jaxspeech.encoders.mask_rnn import MaskRNN
from jaxspeech.errors import ConfigError
from jaxspeech.features.stft import STFT, istft, stft
from jaxspeech.masks import length_mask
from jaxspeech.signal.mask import consistent
from jaxspeech.tasks.enhancement_losses import LOSSES, in_best_order
from jaxspeech.tasks.kinds import Enhancement
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.spectrum_estimators import SPECTRUM_ESTIMATORS
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables

# Added to the peak by which waveforms are divided, as in NeMo.
EPSILON = 1e-8


class EnhancementRows(NamedTuple):
    """A padded batch of noisy recordings, and what should come out.

    Attributes:
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      samples: C channels at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      targets: M signals of the same length.
    """

    index: Int[Any, " B"]
    samples: Float[Any, "B C S"]
    num_samples: Int[Any, " B"]
    targets: Float[Any, "B M S"]


@dataclass(frozen=True)
class ChannelAugment:
    """The section `channel_augment`: in training, each step uses some of the channels, in another order in each row.

    Attributes:
      permute: whether the order changes.
      fewest, most: numbers of channels between which each step draws one; most None is all.
    """

    permute: bool = True
    fewest: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        if self.fewest < 1 or (self.most is not None and self.most < self.fewest):
            raise ConfigError(f"channel_augment: fewest {self.fewest}, most {self.most} is no range of channels")


class EnhancementModel(nn.Module):
    """An estimator between the STFT and its inverse.

    Attributes:
      estimator: of masks or spectra.
      processor: from its estimates to the spectra of the outputs.
      loss: of (estimates, targets, num_samples) -> [B].
      stft: the transform, see `features.stft`.
      sample_rate: in Hz.
      channels: C; None for any number.
      mixture_consistency: how the difference of the mixture, of one channel, and the sum of all outputs is added to
        them: "uniform", by their "power", or not at all, "none".
      normalize_input: whether recordings are divided by their greatest sample, and the outputs multiplied by it.
      channel_augment: of training.
      permutation_invariant: whether the order of the targets means nothing, as in separation: the loss is that of the
        best order.
    """

    estimator: Any
    processor: Any
    loss: Any
    stft: STFT = STFT()
    sample_rate: int = 16000
    channels: int | None = None
    mixture_consistency: Literal["none", "uniform", "power"] = "none"
    normalize_input: bool = False
    channel_augment: ChannelAugment | None = None
    permutation_invariant: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels is None and not getattr(self.estimator, "any_channels", False):
            raise ConfigError("model.channels is missing: this estimator is made for a fixed number of channels")
        if isinstance(self.estimator, tuple(SPECTRUM_ESTIMATORS.values())) != isinstance(self.processor, Spectrum):
            raise ConfigError(
                "model.processor 'spectrum' is for estimators of spectra, and they for no other processor "
                f"({', '.join(SPECTRUM_ESTIMATORS)})"
            )
        if self.mixture_consistency != "none" and self.channels != 1:
            raise ConfigError(f"model.mixture_consistency is for one channel, not {self.channels} (model.channels)")

    def __call__(
        self,
        samples: Float[Any, "B C S"],
        num_samples: Int[Any, " B"],
        *,
        peak: Float[Any, " B"] | None = None,
        train: bool = False,
    ) -> Float[Array, "B M S"]:
        """Computes the waveforms of the outputs; zero beyond each row's samples.

        Args:
          samples, num_samples: of the recordings, or of parts of them.
          peak: the greatest magnitude of the whole recordings, for `normalize_input`; None: of the rows.
          train: whether gradients will be computed.
        """
        samples, num_samples = jnp.asarray(samples), jnp.asarray(num_samples)
        real = length_mask(num_samples, samples.shape[-1])[:, None]
        samples = jnp.where(real, samples, 0.0)
        if self.normalize_input:
            peak = jnp.abs(samples).max((1, 2)) if peak is None else jnp.asarray(peak)
            scale = peak[:, None, None] + EPSILON
            samples = samples / scale
        spectra, num_frames = stft(samples, num_samples, self.stft)
        processed = self.process(spectra, num_frames, train=train)
        outputs = istft(processed, num_samples, self.stft, size=samples.shape[-1])
        return outputs * scale if self.normalize_input else outputs

    def estimate(
        self, spectra: Inexact[Any, "B C N F"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Inexact[Array, "B M N F"]:
        """Estimates masks, or spectra."""
        return self.estimator(jnp.asarray(spectra), jnp.asarray(num_frames), train=train)

    def process(
        self, spectra: Inexact[Any, "B C N F"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Inexact[Array, "B M N F"]:
        """Computes the spectra of the outputs, zero beyond each row's frames."""
        estimates = self.estimate(spectra, num_frames, train=train)
        outputs = self.processor(spectra, estimates, num_frames)
        if self.mixture_consistency != "none":
            outputs = consistent(outputs, spectra, weighting=self.mixture_consistency)
        return jnp.where(length_mask(num_frames, outputs.shape[2])[:, None, :, None], outputs, 0.0)


def enhancement_task(model: EnhancementModel) -> Task[EnhancementRows, Any, Enhancement]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    apply: Any = model.apply

    def init(key: Key) -> Variables:
        samples = jnp.zeros((1, model.channels or 1, 4 * model.stft.fft_length))
        return dict(model.init(key, samples, jnp.array([samples.shape[-1]])))

    def loss(variables: Variables, batch: EnhancementRows, key: Key) -> tuple[RowLosses, Variables]:
        def of_channels(samples: Float[Array, "B C S"]) -> tuple[Float[Array, " B"], Variables]:
            outputs, updates = train_apply(model, variables, key, samples, batch.num_samples)
            targets, num_samples = jnp.asarray(batch.targets), jnp.asarray(batch.num_samples)
            if model.permutation_invariant:
                targets = in_best_order(model.loss, outputs, targets, num_samples)
            return model.loss(outputs, targets, num_samples), updates

        samples = jnp.asarray(batch.samples)
        augment = model.channel_augment
        losses, updates = of_channels(samples) if augment is None else with_channels(of_channels, samples, augment, key)
        return RowLosses(losses, jnp.ones_like(losses), {}), updates

    def enhance(variables: Variables, samples: Any, num_samples: Any, *, peak: Any = None) -> Array:
        return apply(variables, samples, num_samples, peak=peak)

    return Task(
        model=model,
        batch=EnhancementRows,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: enhance(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / model.sample_rate,
        inference=Enhancement(model.sample_rate, model.channels, enhance, scaled=model.normalize_input),
    )


def with_channels(
    loss: Callable[[Float[Array, "B C S"]], Any], samples: Float[Any, "B C S"], options: ChannelAugment, key: Key
) -> Any:
    """Computes `loss` of some of the channels: for each number that can be drawn there is a branch of the program.

    Raises:
      ConfigError: there are fewer channels than the fewest to be drawn.
    """
    channels = samples.shape[1]
    most = channels if options.most is None else min(options.most, channels)
    if channels < options.fewest:
        raise ConfigError(f"model.channel_augment.fewest is {options.fewest}; the recordings have {channels} channels")
    number_key, order_key = jax.random.split(jax.random.fold_in(key, 1))
    if options.permute:
        rows = jax.random.split(order_key, samples.shape[0])
        samples = jax.vmap(lambda key, row: jax.random.permutation(key, row, axis=0))(rows, samples)
    counts = range(options.fewest, most + 1)
    branches = [partial(lambda count, x: loss(x[:, :count]), count) for count in counts]
    drawn = jax.random.randint(number_key, (), 0, len(branches))
    return jax.lax.switch(drawn, branches, samples) if len(branches) > 1 else branches[0](samples)


ENHANCEMENT = Kind(
    EnhancementModel,
    enhancement_task,
    {
        "estimator": Part("estimator", {"mask_channels": MaskChannels, "mask_rnn": MaskRNN, **SPECTRUM_ESTIMATORS}),
        "processor": Part("processor", PROCESSORS),
        "loss": Part("loss", LOSSES),
    },
    {"stft": STFT, "channel_augment": ChannelAugment},
    {
        "sample_rate": None,
        "channels": None,
        "mixture_consistency": {name: name for name in ("none", "uniform", "power")},
        "normalize_input": None,
        "permutation_invariant": None,
    },
)
