"""Uses an encoder by itself: waveforms to frames, for any model on top of it."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Variables


@dataclass(frozen=True, eq=False)  # compared by identity, because jit needs a hash
class EncoderOnly:
    """A model's frontend and encoder, as a function of waveforms.

    Attributes:
      model: has the methods `features`, `encode` and `encode_features` for these variables.
      variables: of the encoder alone, {"params": {"encoder": ...}, ...}.
      config: the sections `features` and `encoder` of the model's configuration.
    """

    model: AcousticModel
    variables: Variables
    config: dict[str, Any]

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, in Hz."""
        return self.model.frontend.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Seconds of audio per frame."""
        return self.model.frame_seconds

    @property
    def width(self) -> int:
        """D, the width of a frame."""
        return self.model.encoder.output_dim

    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Encodes padded waveforms to padded frames; a pure function, so jit, vmap and grad work on it.

        Samples beyond a row's length have no influence, and frames beyond its number of frames no meaning.
        """
        apply: Any = self.model.apply
        return apply(self.variables, samples, num_samples, method="encode")


def encoder_only(model: Any, variables: Variables, config: dict[str, Any]) -> EncoderOnly:
    """Extracts the encoder from a whole model.

    Raises:
      ConfigError: its layers see what the model's CTC head finds.
    """
    if getattr(model, "conditioned_layers", ()):
        raise ConfigError("the encoder alone: its layers see the tokens of the CTC head (interctc.conditioned)")
    parts = {kind: {"encoder": tree["encoder"]} for kind, tree in variables.items() if "encoder" in tree}
    alone = AcousticModel(frontend=model.frontend, encoder=model.encoder, product_dtype=model.product_dtype)
    return EncoderOnly(alone, parts, {name: config[name] for name in ("features", "encoder")})
