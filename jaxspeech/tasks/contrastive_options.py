"""Sets the losses of contrastive pretraining: what a masked frame's target is compared with, and heads of its codes."""

from dataclasses import dataclass

from jaxspeech.errors import ConfigError, did_you_mean

# What the negatives of a frame are: of its utterance or of the batch, the masked frames or all; or codes.
UTTERANCE_MASKED, UTTERANCE, BATCH_MASKED, BATCH, CODEBOOK = NEGATIVES = (
    *("utterance_masked", "utterance", "batch_masked", "batch"),
    "codebook",
)


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
      layer: of the encoder, from 0, whose output the decoder takes; None: the encoder's own.
    """

    num_negatives: int = 100
    negatives: str = UTTERANCE_MASKED
    temperature: float = 0.1
    diversity: float = 0.1
    scale: float = 16.0
    mask_threshold: float = 0.8
    noise_temperature: tuple[float, float, float] = (2.0, 0.5, 0.999995)
    layer: int | None = None

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
      weight: of the loss, a mean over a row's masked frames or, of codes in sequence, its sum over a row.
      merge_repeats: of codes in sequence, equal ones that follow one another are one.
      first_step: of training that has this loss.
      layer: of the encoder, from 0, whose output the head takes; None: the encoder's own.
    """

    weight: float = 1.0
    merge_repeats: bool = True
    first_step: int = 0
    layer: int | None = None


@dataclass(frozen=True)
class TransducerCodes(CodePrediction):
    """A further loss: an RNN-T with the encoder predicts the codes in sequence.

    Attributes:
      width, num_layers, dropout: of its prediction network, an LSTM.
      joint_width, activation, joint_dropout: of its joint network.
    """

    width: int = 320
    num_layers: int = 1
    dropout: float = 0.0
    joint_width: int = 320
    activation: str = "relu"
    joint_dropout: float = 0.0


# What an RNN-T of codes has of a transducer's fields.
TRANSDUCER_FIELDS = ("width", "num_layers", "dropout", "joint_width", "activation", "joint_dropout")
