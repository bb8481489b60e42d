"""The model of contrastive pretraining: an encoder that tells, for what is masked, its target from others.

c = decode(encode(mask(features of the audio, clean or noisy)))
q = targets of the clean features, whose frames are put side by side to c's frame rate

Which of the targets is that of a masked frame is the contrastive loss (see `losses.contrastive`). Where targets are
quantized, further heads can predict the numbers of their codes from the encoder's output: at the masked frames, as in
masked language models, or in sequence with CTC or an RNN-T. Sources: Baevski et al., "wav2vec 2.0" (2020); Chung et
al., "W2v-BERT" (2021); NeMo's asr/models/ssl_models.py, SpeechEncDecSelfSupervisedModel.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.reconstruction import ReconstructionDecoder
from jaxspeech.decoders.transducer import JointInputs, TransducerDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.features.masked_patches import MaskedPatches
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.quantizers.gumbel import GumbelQuantizer, LinearTargets, Targets, joint_ids
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.contrastive_options import (
    CODEBOOK,
    TRANSDUCER_FIELDS,
    CodePrediction,
    ContrastiveOptions,
    TransducerCodes,
)
from jaxspeech.types import Key

# The collection of what counts the steps of training.
STEPS = "steps"


class Encoded(NamedTuple):
    """A masked batch, encoded.

    Attributes:
      encoded, num_frames: the encoder's output.
      for_masked, for_ctc, for_rnnt: what the heads of codes take, the same or that of a layer.
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
    for_masked: Float[Array, "B M D"]
    for_ctc: Float[Array, "B M D"]
    outputs: Float[Array, "B N E"]
    num_outputs: Int[Array, " B"]
    groups: Float[Array, "B N F"]
    masked: Bool[Array, "B N"]
    complete: Bool[Array, "B N"]
    hidden: Bool[Array, "B T"]
    num_features: Int[Array, " B"]
    for_rnnt: Float[Array, "B M D"] | None = None


class ContrastiveModel(AcousticModel, kw_only=True):
    """An encoder with what it is pretrained with.

    Attributes:
      quantizer: makes the targets.
      decoder: makes vectors of the targets' width.
      masking: what is masked.
      loss: the contrastive loss.
      masked_codes, ctc_codes, rnnt_codes: further losses; None: there is no such head.

    Raises:
      ConfigError: the parts do not fit each other.
    """

    quantizer: GumbelQuantizer | LinearTargets
    decoder: ReconstructionDecoder
    masking: MaskedPatches = MaskedPatches()
    loss: ContrastiveOptions = ContrastiveOptions()
    masked_codes: CodePrediction | None = None
    ctc_codes: CodePrediction | None = None
    rnnt_codes: TransducerCodes | None = None

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
        return any(part is not None for part in (self.masked_codes, self.ctc_codes, self.rnnt_codes))

    def setup(self) -> None:
        heads = {"masked_head": self.masked_codes, "ctc_head": self.ctc_codes}
        for name, chosen in heads.items():
            if chosen is not None:
                setattr(self, name, CTCHead(self.quantizer.num_ids, dtype=self.decoder.dtype))
        if (chosen := self.rnnt_codes) is not None:
            self.rnnt_head = transducer_of_codes(chosen, self.quantizer.num_ids, dtype=self.decoder.dtype)
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
        (for_decoder, for_masked, for_ctc, for_rnnt), encoded, num_frames = self._heads_inputs(
            silenced, num_features, train=train
        )
        outputs, num_outputs = self.decoder(for_decoder, num_frames, train=train)
        group, count = self.decoder.frames_per(self.encoder.total_factor), outputs.shape[1]
        groups = _side_by_side(jax.lax.stop_gradient(features), group, count)
        share = _side_by_side(hidden[..., None], group, count).mean(-1, dtype=jnp.float32)
        real = length_mask(num_outputs, count)
        complete = real & length_mask(num_features // group, count)
        masked = real & (share > self.loss.mask_threshold)
        return Encoded(
            encoded,
            num_frames,
            for_masked,
            for_ctc,
            outputs.astype(jnp.float32),
            num_outputs,
            groups,
            masked,
            complete,
            hidden,
            num_features,
            for_rnnt,
        )

    def _heads_inputs(
        self, features: Float[Array, "B T F"], num_features: Int[Array, " B"], *, train: bool
    ) -> tuple[list[Array], Array, Array]:
        """Encodes features; returns what decoder and heads take of it, and the encoder's output."""
        parts = self.loss, self.masked_codes, self.ctc_codes, self.rnnt_codes
        wanted = [getattr(part, "layer", None) for part in parts]
        layers = sorted({layer for layer in wanted if layer is not None})
        if not layers:
            encoded, num_frames = self.encode_features(features, num_features, train=train)
            return [encoded] * len(wanted), encoded, num_frames
        encoded, num_frames, found = self.encode_features_layers(features, num_features, layers, train=train)
        for layer, output in zip(layers, found, strict=True):
            if output.frames.shape[1] != encoded.shape[1]:
                raise ConfigError(f"layer {layer} of the encoder has another frame rate than its output")
        by_layer = {None: encoded, **{layer: x.frames for layer, x in zip(layers, found, strict=True)}}
        return [by_layer[layer] for layer in wanted], encoded, num_frames

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

    def rnnt_inputs(self, encoded: Float[Any, "B T D"], ids: Int[Any, "B U"], *, train: bool = False) -> JointInputs:
        """Computes the inputs of the RNN-T loss of the codes."""
        return self.rnnt_head.joint_inputs(encoded, ids, train=train)

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
            if self.masked_codes is not None:
                self.masked_logits(found.for_masked)
            if self.ctc_codes is not None:
                self.ctc_logits(found.for_ctc)
            if self.rnnt_codes is not None and found.for_rnnt is not None:
                self.rnnt_inputs(found.for_rnnt, self.code_ids(targets))
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


def transducer_of_codes(chosen: TransducerCodes, num_ids: int, *, dtype: Any = jnp.float32) -> TransducerDecoder:
    """Returns the prediction and joint networks of an RNN-T of `num_ids` codes."""
    sizes: Any = {name: getattr(chosen, name) for name in TRANSDUCER_FIELDS}
    return TransducerDecoder(num_ids, **sizes, dtype=dtype)
