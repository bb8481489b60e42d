"""How many speakers a model that speaks has, and what depends on them."""

from dataclasses import dataclass

from jaxspeech.errors import ConfigError
from jaxspeech.nn.conditioning import WAYS

# The modules that can be conditioned on a speaker.
CONDITIONED = ("encoder", "decoder", "duration", "pitch", "energy", "aligner")


@dataclass(frozen=True)
class Speakers:
    """The section `speakers`: how many there are, and by which of `nn.conditioning.WAYS` each module depends on them.

    Attributes:
      number: size of the table of learnt vectors; 0: there are style tokens alone.
      encoder, decoder, duration, pitch, energy, aligner: the ways of each module; () for none.
    """

    number: int = 0
    encoder: tuple[str, ...] = ("add",)
    decoder: tuple[str, ...] = ("add",)
    duration: tuple[str, ...] = ("add",)
    pitch: tuple[str, ...] = ("add",)
    energy: tuple[str, ...] = ("add",)
    aligner: tuple[str, ...] = ("add",)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ConfigError(f"speakers.number is {self.number}: at least 0")
        for module in CONDITIONED:
            known = WAYS[:2] if module == "aligner" else WAYS
            if any(way not in known for way in getattr(self, module)):
                raise ConfigError(f"speakers.{module} is {getattr(self, module)}: a tuple of {', '.join(known)}")
