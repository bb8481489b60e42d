"""Mixes a talker with other talkers and noise, in a room or as they were recorded, with the targets of a model.

    talkers, scaled by their ratios -> responses of the room -> + noise at its ratio -> level -> samples [C S]
    each talker, or the noise, in the same room and at the same level                        -> targets [M S]

The targets are what the first microphone hears of each source; the direct sound is not delayed. All of it follows from
the talker's samples and the random numbers that are given.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.data.decode import Decoder
from jaxspeech.data.mixture_options import TALKER, MixtureOptions
from jaxspeech.data.noise import SILENCE, rms
from jaxspeech.data.noises import Noises, stretch_of
from jaxspeech.data.rooms import Response, in_room, open_rooms

LOUDEST = 0.99


class Mixture(NamedTuple):
    """A mixture and what a model makes of it.

    Attributes:
      samples: at the C microphones.
      targets: of the M outputs.
      snr_db: ratio of the first talker to the noise; None without noise.
    """

    samples: Float[np.ndarray, "C S"]
    targets: Float[np.ndarray, "M S"]
    snr_db: float | None


class Mixtures:
    """`mixtures(samples, rng, ...)` makes a mixture. Safe to call from any thread.

    Attributes:
      options: how mixtures are drawn.
      content: describes the noises, for runs that resume.
    """

    def __init__(
        self,
        options: MixtureOptions,
        *,
        sample_rate: int,
        speech: Decoder | None = None,
        held_out: bool = False,
        seed: int = 0,
    ):
        """Opens the manifests of noises and rooms.

        Args:
          options: how mixtures are drawn.
          sample_rate: in Hz.
          speech: further talkers, and those of babble.
          held_out: draw the noises that are held out from training.
          seed: of the simulated rooms.

        Raises:
          ConfigError: a noise or a room that is asked for is not there.
          ManifestError: a manifest cannot be used.
        """
        self.options, self._rate, self._speech = options, sample_rate, speech
        self._noises = Noises(options, sample_rate=sample_rate, speech=speech, held_out=held_out)
        self.content = self._noises.content
        shape = {"channels": options.channels, "sample_rate": sample_rate}
        self._rooms = open_rooms(options.rooms, seed=seed, **shape) if options.rooms else None

    def __call__(
        self, samples: Float[np.ndarray, " S"], rng: np.random.Generator, *, speaker: object = None
    ) -> Mixture:
        """Makes a mixture as long as the samples of its first talker.

        Args:
          samples: of the first talker.
          rng: random numbers of the mixture.
          speaker: name of the first talker; the others have different ones, where they are known.

        Raises:
          AudioError: a recording cannot be read.
        """
        options, size = self.options, len(samples)
        talkers = [samples]
        for _ in range(int(rng.integers(options.talkers[0], options.talkers[1] + 1)) - 1):
            talkers.append(self._other(samples, speaker, rng))
        room = self._draw_room(rng, len(talkers) + 1)
        heard = [self._heard(talker, room, number) for number, talker in enumerate(talkers)]
        targets = [image for _, image in heard]
        mixture = np.sum([sound for sound, _ in heard], 0)
        reference, snr_db = rms(heard[0][0][0]), None
        silence = np.zeros(size, np.float32)
        noise_image = silence
        if rng.random() < options.noise_probability:
            sound, noise_image = self._heard(self._noises(rng, size), room if options.channels > 1 else [], -1)
            between = options.clean_snr_db if rng.random() < options.clean else options.snr_db
            snr_db, level = float(rng.uniform(*between)), rms(sound[0])
            gain = 0.0
            if reference > SILENCE and level > SILENCE:
                gain = reference / level * 10 ** (-snr_db / 20)
            mixture, noise_image = mixture + sound * np.float32(gain), noise_image * np.float32(gain)
        scale = 1.0
        if options.level_db and reference > SILENCE:
            scale = 10 ** (float(rng.uniform(options.level_db[0], options.level_db[1])) / 20) / reference
        scale = min(scale, LOUDEST / max(float(np.abs(mixture).max(initial=0)), SILENCE))
        chosen, number = [], 0
        for target in options.targets:
            if target == TALKER:
                chosen.append(targets[number] if number < len(targets) else silence)
                number += 1
            else:
                chosen.append(noise_image)
        return Mixture(mixture * np.float32(scale), np.stack(chosen) * np.float32(scale), snr_db)

    def _other(self, samples: Float[np.ndarray, " S"], speaker: object, rng: np.random.Generator) -> np.ndarray:
        """A stretch of a different talker, at the ratio to the first that is drawn."""
        if self._speech is None:
            return np.zeros_like(samples)
        manifest, found = self._speech.manifest, 0
        for _ in range(8):
            found = int(rng.integers(len(manifest)))
            if speaker is None or manifest[found].fields.get("speaker") != speaker:
                break
        part = stretch_of(self._speech(found), len(samples), rng)
        ratio = 10 ** (-float(rng.uniform(*self.options.sir_db)) / 20)
        return part * np.float32(ratio * rms(samples) / max(rms(part), SILENCE))

    def _draw_room(self, rng: np.random.Generator, count: int) -> list[Response]:
        if self._rooms is None or not rng.random() < self.options.room_probability:
            return []
        return self._rooms(rng, count)

    def _heard(
        self, samples: Float[np.ndarray, " S"], room: list[Response], number: int
    ) -> tuple[Float[np.ndarray, "C S"], Float[np.ndarray, " S"]]:
        """What the microphones hear of a source, and its target."""
        if not room:
            return np.broadcast_to(samples, (self.options.channels, len(samples))), samples
        response = room[number]
        sound = in_room(samples, response.full, response.start)
        keep = self.options.keep
        if keep == "all":
            return sound, sound[0]
        return sound, in_room(samples, response.kept(keep, self._rate)[:1], response.start)[0]
