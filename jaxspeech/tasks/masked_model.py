"""The model of masked prediction: the codes of clean speech, found by an encoder in masked and noisy speech.

    ids = quantize(features of the clean audio)                                   tasks of the random projection
    encoded = encode(mask(features of the noisy audio));  logits = decode(encoded)       at the masked frames alone

The mask covers feature frames or, at the position "subsampled", the frames between the encoder's subsampling and its
layers. There the subsampling stays as it was drawn, because the targets come from it: trained, it could make all codes
the same one. Sources: Chiu et al., "Self-supervised learning with random-projection quantizer for speech recognition"
(BEST-RQ, 2022); Huang et al., "NEST: self-supervised Fast Conformer as all-purpose seasoning to speech processing
tasks" (2024); NeMo's asr/models/ssl_models.py.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.softmax import CodeSoftmax
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.features.block_mask import BlockMask, MaskDraws, draw_masks
from jaxspeech.features.checks import check_choice
from jaxspeech.features.random_projection import RandomProjection
from jaxspeech.losses.masked import MaskedSums, masked_nll_of_frames
from jaxspeech.masks import length_mask
from jaxspeech.nn.products import products_in
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Key

POSITIONS = ("features", "subsampled")


class Masked(NamedTuple):
    """A masked batch, encoded.

    Attributes:
      encoded, num_frames: the encoder's output and its real frames.
      ids: the codes of the clean audio at each of its frames.
      selected: the frames at which they are predicted.
      mask: which feature frames, or subsampled frames, are masked.
      num_masked_of: the number of real frames that `mask` could have covered.
    """

    encoded: Float[Array, "B N D"]
    num_frames: Int[Array, " B"]
    ids: Int[Array, "B N H"]
    selected: Bool[Array, "B N"]
    mask: Bool[Array, "B T"]
    num_masked_of: Int[Array, " B"]


class MaskedModel(AcousticModel, kw_only=True):
    """An encoder with what it is pretrained with.

    Attributes:
      quantizer: makes the targets.
      masking: what is masked.
      decoder: logits of the codes.
      mask_position: "features", before the encoder, or "subsampled", before its layers.
      mask_threshold: a frame is predicted if more than this share of its feature frames is masked.
    """

    quantizer: RandomProjection
    masking: BlockMask
    decoder: CodeSoftmax
    mask_position: str = "features"
    mask_threshold: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("mask_position", self.mask_position, POSITIONS)
        for name in ("num_codes", "num_books"):
            ours, theirs = getattr(self.decoder, name), getattr(self.quantizer, name)
            if ours != theirs:
                raise ConfigError(f"decoder.{name} is {ours}, quantizer.{name} {theirs}: they must be the same")
        if self.mask_position == "subsampled" and not isinstance(self.encoder, FastConformer):
            name = type(self.encoder).__name__
            raise ConfigError(f'mask_position "subsampled" needs a fastconformer as the encoder, not {name}')

    def masked(
        self,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        noisy: Float[Any, "B S"] | None,
        index: Int[Any, " B"],
        key: Key,
        *,
        train: bool = False,
    ) -> Masked:
        """Masks and encodes recordings.

        Args:
          samples, num_samples: clean recordings.
          noisy: the same with noise or other speakers; None: as they are.
          index: the number of each example, which chooses its mask.
          key: of the masks.
          train: whether gradients will be computed.
        """
        clean, num_frames = self.features(samples, num_samples, train=train)
        mixed = clean if noisy is None else self.features(noisy, num_samples, train=train)[0]
        draws = draw_masks(key, jnp.asarray(index), clean.shape[1])
        return self.masked_features(clean, mixed, num_frames, draws, train=train)

    def masked_features(
        self,
        clean: Float[Array, "B T F"],
        noisy: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        draws: MaskDraws,
        *,
        train: bool = False,
    ) -> Masked:
        """Masks and encodes feature frames, with the random numbers of the masks."""
        if self.mask_position == "subsampled":
            return self._in_the_encoder(clean, noisy, num_frames, draws, train=train)
        group = self.encoder.total_factor
        ids = self.quantizer(clean, num_frames, group=group)
        hidden, mask = self.masking(noisy, num_frames, draws)
        encoded, count = self.encode_features(hidden, num_frames, train=train)
        if encoded.shape[1] != ids.shape[1]:
            raise ConfigError(
                f"encoder: makes {encoded.shape[1]} frames of {clean.shape[1]} features, which are {ids.shape[1]} "
                f"groups of {group}; masked prediction needs an encoder that keeps a last, incomplete group"
            )
        grouped = jnp.pad(mask, ((0, 0), (0, ids.shape[1] * group - mask.shape[1])))
        share = grouped.reshape(*ids.shape[:2], group).mean(-1, dtype=jnp.float32)
        selected = (share > self.mask_threshold) & length_mask(count, ids.shape[1])
        return Masked(encoded, count, ids, selected, mask, num_frames)

    def _in_the_encoder(
        self, clean: Array, noisy: Array, num_frames: Array, draws: MaskDraws, *, train: bool
    ) -> Masked:
        """Masks the subsampled frames."""
        encoder: Any = self.encoder  # a FastConformer
        with products_in(self.product_dtype):
            frames, count = encoder(noisy, num_frames, only="subsampling")
            targets = frames if noisy is clean else encoder(clean, num_frames, only="subsampling")[0]
            ids = self.quantizer(targets, count)
            hidden, mask = self.masking(jax.lax.stop_gradient(frames), count, draws)
            encoded, _ = encoder(hidden, count, train=train, only="layers")
        return Masked(encoded, count, ids, mask, mask, count)

    def sums(self, found: Masked) -> MaskedSums:
        """Computes the losses of a masked batch."""
        if self.is_initializing():
            self.decoder(found.encoded)
        decoder, params = self.decoder.clone(parent=None), {"params": self.decoder.variables["params"]}

        def score(encoded: Float[Array, "B K D"]) -> Float[Array, "B K V H"]:
            apply: Any = decoder.apply
            return apply(params, encoded)

        return masked_nll_of_frames(score, found.encoded, found.ids, found.selected)

    def __call__(self, *inputs: Any, train: bool = False) -> tuple[Masked, MaskedSums]:
        """Does both, see `masked`."""
        found = self.masked(*inputs, train=train)
        return found, self.sums(found)
