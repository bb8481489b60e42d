"""The section `loss` of a vocoder: how the terms of its losses are weighed."""

from dataclasses import dataclass

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.losses.adversarial import DISTANCES


@dataclass(frozen=True)
class VocoderLoss:
    """The section `loss`.

    Attributes:
      distance: of the discriminators' scores: "squares" or "hinge".
      mel_weight: factor of the distance of the mels.
      adversarial_weight: factor of the generator's loss from the scores.
      feature_weight: factor of the feature loss, which is 2 by itself.
      resolutions: (size of the transform, hop, mel bands) of further mels, whose distances are averaged with that of
        the first.
    """

    distance: str = "squares"
    mel_weight: int | float = 45.0
    adversarial_weight: int | float = 1.0
    feature_weight: int | float = 1.0
    resolutions: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise ConfigError(
                f"model.loss.distance cannot be {self.distance!r}{did_you_mean(self.distance, DISTANCES)}"
            )
        if min(self.mel_weight, self.adversarial_weight, self.feature_weight) < 0 or self.mel_weight == 0:
            raise ConfigError("model.loss: mel_weight must be positive, and no weight negative")
