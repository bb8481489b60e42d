"""The model of contrastive pretraining: an encoder that tells, for what is masked, its target from others.

c = decode(encode(mask(features of the audio, clean or noisy)))
q = targets of the clean features, whose frames are put side by side to c's frame rate

Which of the targets is that of a masked frame is the contrastive loss (see `losses.contrastive`). Where targets are
quantized, further heads can predict the numbers of their codes from the encoder's output: at the masked frames, as in
masked language models, or in sequence with CTC. Sources: Baevski et al., "wav2vec 2.0" (2020); Chung et al., "W2v-BERT"
(2021); NeMo's asr/models/ssl_models.py, SpeechEncDecSelfSupervisedModel.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.reconstruction import ReconstructionDecoder
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.masked_patches import MaskedPatches
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.quantizers.gumbel import GumbelQuantizer, LinearTargets, Targets, joint_ids
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Key

# What the negatives of a frame are: of its utterance or of the batch, the masked frames or all; or codes.
UTTERANCE_MASKED, UTTERANCE, BATCH_MASKED, BATCH, CODEBOOK = NEGATIVES = (
    *("utterance_masked", "utterance", "batch_masked", "batch"),
    "codebook",
)
# The collection of what counts the steps of training.
STEPS = "steps"


@dataclass(frozen=True)
class ContrastiveOptions:
    """The contrastive loss.

    Attributes:
      num_negatives: N.
      negatives: what they are, one of NEGATIVES.
      temperature: by which cosines are divided.
      diversity: weight of the loss of a codebook that is used unevenly.
      scale: factor of the sum over a row's masked frames.
      mask_threshold: a frame counts if more than this share of its features' frames is masked.
      noise_temperature: of the Gumbel softmax: at first, at last, and the factor of each step.
    """

    num_negatives: int = 100
    negatives: str = UTTERANCE_MASKED
    temperature: float = 0.1
    diversity: float = 0.1
    scale: float = 16.0
    mask_threshold: float = 0.8
    noise_temperature: tuple[float, float, float] = (2.0, 0.5, 0.999995)

    def __post_init__(self) -> None:
        if self.negatives not in NEGATIVES:
            raise ConfigError(f"model.loss.negatives is {self.negatives!r}{did_you_mean(self.negatives, NEGATIVES)}")
        if self.num_negatives < 1 or not self.temperature > 0 or not 0 <= self.mask_threshold < 1:
            raise ConfigError(
                f"model.loss: num_negatives {self.num_negatives}, temperature {self.temperature}, mask_threshold "
                f"{self.mask_threshold}: at least 1, above 0, and a share below 1"
            )


@dataclass(frozen=True)
class CodePrediction:
    """A further loss: a head of the encoder predicts the codes of the quantizer.

    Attributes:
      weight: of the loss, a mean over a row's masked frames or, with CTC, its sum over a row.
      merge_repeats: for CTC, equal codes that follow one another are one.
      first_step: of training that has this loss.
    """

    weight: float = 1.0
    merge_repeats: bool = True
    first_step: int = 0


class Encoded(NamedTuple):
    """A masked batch, encoded.

    Attributes:
      encoded, num_frames: the encoder's output.
      outputs: c, of N frames.
      num_outputs: real ones of each row.
      groups: the features of each of them, put side by side.
      masked: which of them count.
      complete: those whose features are all real.
      hidden: which feature frames are masked.
      num_features: real ones of each row.
    """

    encoded: Float[Array, "B M D"]
    num_frames: Int[Array, " B"]
    outputs: Float[Array, "B N E"]
    num_outputs: Int[Array, " B"]
    groups: Float[Array, "B N F"]
    masked: Bool[Array, "B N"]
    complete: Bool[Array, "B N"]
    hidden: Bool[Array, "B T"]
    num_features: Int[Array, " B"]


class ContrastiveModel(AcousticModel, kw_only=True):
    """An encoder with what it is pretrained with.

    Attributes:
      quantizer: makes the targets.
      decoder: makes vectors of the targets' width.
      masking: what is masked.
      loss: the contrastive loss.
      masked_codes, ctc_codes: further losses; None: there is no such head.

    Raises:
      ConfigError: the parts do not fit each other.
    """

    quantizer: GumbelQuantizer | LinearTargets
    decoder: ReconstructionDecoder
    masking: MaskedPatches = MaskedPatches()
    loss: ContrastiveOptions = ContrastiveOptions()
    masked_codes: CodePrediction | None = None
    ctc_codes: CodePrediction | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder.width != self.quantizer.width:
            raise ConfigError(
                f"model.decoder.width is {self.decoder.width}, model.quantizer.width {self.quantizer.width}: they must "
                "be the same"
            )
        if not self.quantizer.num_ids and (self.has_codes or self.loss.negatives == CODEBOOK):
            raise ConfigError('model.quantizer: without codes there are none to predict; use the name "gumbel"')
        if self.has_codes and self.decoder.stride_layers:
            raise ConfigError("model.decoder.stride_layers must be 0 where codes are predicted, for each encoder frame")
        self.decoder.frames_per(self.encoder.total_factor)

    @property
    def has_codes(self) -> bool:
        """Whether a head predicts codes."""
        return self.masked_codes is not None or self.ctc_codes is not None

    def setup(self) -> None:
        heads = {"masked_head": self.masked_codes, "ctc_head": self.ctc_codes}
        for name, chosen in heads.items():
            if chosen is not None:
                setattr(self, name, CTCHead(self.quantizer.num_ids, dtype=self.decoder.dtype))
        self.steps = self.variable(STEPS, "count", jnp.zeros, (1,))

    def encode_masked(
        self,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        noisy: Float[Any, "B S"] | None,
        keys: Key,
        *,
        train: bool = False,
    ) -> Encoded:
        """Masks recordings and encodes them; see `__call__`."""
        features, num_features = self.features(samples, num_samples, train=train)
        features = heard = zero_padding(features, num_features)
        if noisy is not None:
            heard = zero_padding(self.features(noisy, num_samples, train=train)[0], num_features)
        silenced, hidden = self.masking(heard, num_features, keys)
        encoded, num_frames = self.encode_features(silenced, num_features, train=train)
        outputs, num_outputs = self.decoder(encoded, num_frames, train=train)
        group, count = self.decoder.frames_per(self.encoder.total_factor), outputs.shape[1]
        groups = _side_by_side(jax.lax.stop_gradient(features), group, count)
        share = _side_by_side(hidden[..., None], group, count).mean(-1, dtype=jnp.float32)
        real = length_mask(num_outputs, count)
        complete = real & length_mask(num_features // group, count)
        masked = real & (share > self.loss.mask_threshold)
        return Encoded(
            encoded,
            num_frames,
            outputs.astype(jnp.float32),
            num_outputs,
            groups,
            masked,
            complete,
            hidden,
            num_features,
        )

    def targets(self, groups: Float[Any, "B N F"], noise: Float[Any, "B N G V"] | None) -> Targets:
        """Makes targets, with the temperature of the step."""
        start, end, decay = self.loss.noise_temperature
        temperature = jnp.maximum(start * decay ** self.steps.value[0], end)
        return self.quantizer(groups, noise, temperature)

    def masked_logits(self, encoded: Float[Any, "B K D"]) -> Float[Array, "B K W"]:
        """Computes scores of the codes at masked frames."""
        return self.masked_head(encoded)

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes scores of the codes and the blank."""
        return self.ctc_head(encoded)

    def __call__(
        self,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        noisy: Float[Any, "B S"] | None,
        keys: Key,
        noise_keys: Key | None = None,
        *,
        train: bool = False,
    ) -> tuple[Encoded, Targets]:
        """Encodes recordings and makes their targets.

        Args:
          samples, num_samples: recordings, of which targets are made.
          noisy: the same with noise or other speakers, which are encoded; None: they are as they are.
          keys: of each row's mask.
          noise_keys: of each row's Gumbel noise; None: there is none.
          train: whether gradients will be computed.
        """
        found = self.encode_masked(samples, num_samples, noisy, keys, train=train)
        noise = None
        if noise_keys is not None and isinstance(self.quantizer, GumbelQuantizer):
            shape = found.masked.shape[1], self.quantizer.groups, self.quantizer.size
            noise = jax.vmap(lambda key: jax.random.gumbel(key, shape))(noise_keys)
        targets = self.targets(found.groups, noise)
        if self.is_initializing():
            for chosen, head in ((self.masked_codes, self.masked_logits), (self.ctc_codes, self.ctc_logits)):
                if chosen is not None:
                    head(found.encoded)
        if train and self.is_mutable_collection(STEPS) and not self.is_initializing():
            self.steps.value = self.steps.value + 1
        return found, targets

    def code_ids(self, targets: Targets) -> Int[Array, "B N"]:
        """Returns one number for the codes of each target."""
        size = self.quantizer.size if isinstance(self.quantizer, GumbelQuantizer) else 0
        return joint_ids(targets.ids, size)


def _side_by_side(x: Any, group: int, count: int) -> Array:
    """Puts `group` frames [B T F] side by side, time first; `count` groups, of zeros beyond T."""
    size = group * count
    x = jnp.pad(x[:, :size], ((0, 0), (0, max(size - x.shape[1], 0)), (0, 0)))
    return x.reshape(x.shape[0], count, -1)
