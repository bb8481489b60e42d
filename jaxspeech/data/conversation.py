"""Simulates conversations from utterances of known speakers, so that who speaks when is known exactly.

    utterance -> trimmed, perhaps cut to a turn -> speed -> level of the speaker -> room of the speaker -> its place
    sum of all turns -> noise

All of it follows from the random numbers that are given: who speaks, for how long, where, when (conversation_times.py).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.data.augment import recordings_of_kind
from jaxspeech.data.conversation_options import SHORTEST_TURN, ConversationOptions, Number, drawn_share
from jaxspeech.data.conversation_times import Timeline
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.noise import SILENCE, add_noise
from jaxspeech.data.reverb import reverberate
from jaxspeech.data.speaker_utterances import SpeakerUtterances, Spoken, examples_of_speakers
from jaxspeech.diarization.turns import Turn, Utterance
from jaxspeech.errors import ConfigError, ManifestError

# Level of the speech relative to full scale, and the loudest sample.
LEVEL_DB, LOUDEST = -26.0, 0.99
# Most seconds of a room's echo after a turn, and of the pause after the last turn.
ECHO, TAIL = 0.5, 1.0
# Memory for rooms, and for noises, in bytes.
SOUND_BYTES = 2**28


class Conversation(NamedTuple):
    """A simulated conversation.

    Attributes:
      samples: with one channel.
      turns: the stretches of speech of each turn, in the order of the starts.
      utterances: each turn with its words; None where the words of one are not known.
    """

    samples: Float[np.ndarray, " S"]
    turns: list[Turn]
    utterances: list[Utterance] | None


class _Voice(NamedTuple):
    """What a speaker has throughout a conversation: name, utterances to come, speed, gain and room."""

    name: str
    queue: list[int]
    examples: np.ndarray
    speed: float
    gain: float
    room: Float[np.ndarray, " M"] | None


class Conversations:
    """`conversations.draw(rng, seconds)` simulates a conversation. Safe to call from any thread.

    Attributes:
      options: how they are drawn.
      utterances: of all speakers.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: ConversationOptions,
        *,
        sample_rate: int,
        field: str = "speaker",
        cache_bytes: int = 2**30,
    ):
        """Opens the manifests.

        Args:
          manifest: utterances of one speaker each.
          options: how conversations are drawn.
          sample_rate: of the conversations, in Hz.
          field: of the manifest, which names the speaker.
          cache_bytes: memory for decoded utterances.

        Raises:
          ManifestError: there are fewer speakers than the options ask for, or no names of speakers.
        """
        self.options = options
        others = {name for path in options.leave_out for name in examples_of_speakers(Manifest(path), field)}
        self.utterances = SpeakerUtterances(
            manifest, sample_rate=sample_rate, field=field, leave_out=others, cache_bytes=cache_bytes
        )
        found, asked = len(self.utterances.speakers), options.speakers[1]
        if found < asked:
            raise ManifestError(
                f"{self.utterances.place}: has {found} speaker{'s' * (found != 1)}, fewer than the {asked} of a "
                "conversation"
            )
        self._rooms = recordings_of_kind(options.rooms, "rir", sample_rate, SOUND_BYTES) if options.rooms else None
        self._noises = recordings_of_kind(options.noise, "noise", sample_rate, SOUND_BYTES) if options.noise else None

    def draw(self, rng: np.random.Generator, seconds: Number | None = None) -> Conversation:
        """Simulates a conversation.

        Args:
          rng: its random numbers.
          seconds: most seconds of it; drawn from the options if None.

        Raises:
          ConfigError: it is too short for its speakers.
          ManifestError: no utterance of a speaker can be used.
          AudioError: a noise or an impulse response cannot be read.
        """
        options, rate = self.options, self.utterances.sample_rate
        limit = float(rng.uniform(*options.seconds) if seconds is None else seconds)
        voices = self._draw_voices(rng)
        overlap, pauses = drawn_share(options.overlap, rng), drawn_share(options.pauses, rng)
        timeline = Timeline(overlap=overlap, pauses=pauses, rng=rng)
        samples = np.zeros(math.ceil(limit * rate), np.float32)
        turns: list[Turn] = []
        utterances: list[Utterance] = []
        speaker, silent = -1, len(voices)  # speakers who have not spoken yet
        while True:
            speaker = len(voices) - silent if silent else _next(speaker, len(voices), float(options.change), rng)
            voice, room = voices[speaker], (limit - timeline.end) / max(silent, 1)
            spoken = self._next_utterance(voice, room, rng)
            if spoken is None:
                if silent:
                    raise ConfigError(self._too_short(limit, voice, len(voices)))
                break
            start = timeline.place(speaker, spoken.spans, before=limit)
            silent = max(silent - 1, 0)
            _add(samples, round((start - spoken.lead) * rate), _voiced(spoken, voice, rate))
            turns += [Turn(start + first, start + last, voice.name) for first, last in spoken.spans.tolist()]
            utterances.append(Utterance(start, start + float(spoken.spans[-1, 1]), voice.name, spoken.words or ""))
        samples = samples[: math.ceil(min(timeline.end + min(timeline.lacking_pause(), TAIL), limit) * rate)]
        known = all(said.words for said in utterances)
        return Conversation(self._finished(samples, rng), sorted(turns), sorted(utterances) if known else None)

    def _draw_voices(self, rng: np.random.Generator) -> list[_Voice]:
        options, utterances = self.options, self.utterances
        count = int(rng.integers(options.speakers[0], options.speakers[1] + 1))
        voices, indoors = [], rng.random() < options.room_probability
        for number in rng.choice(len(utterances.speakers), count, replace=False).tolist():
            speed, gain = float(rng.choice(np.array(options.speed))), float(rng.uniform(*options.gain_db))
            room = self._rooms(int(rng.integers(len(self._rooms.manifest)))) if self._rooms and indoors else None
            examples = utterances.of[number]
            queue = rng.permutation(examples).tolist()
            voices.append(_Voice(utterances.speakers[number], queue, examples, speed, gain, room))
        return voices

    def _next_utterance(self, voice: _Voice, room: float, rng: np.random.Generator) -> Spoken | None:
        """The speaker's next utterance that fits into `room` seconds; None if there is none."""
        turns = self.options.turns
        most = float(rng.uniform(turns[0], turns[-1])) if turns else None
        if most is not None:
            if room < min(most, max(turns[0], SHORTEST_TURN)):
                return None
            most = min(most, room)
        for again in range(2):
            fitting = [i for i in voice.queue if most is not None or self._seconds(i, voice) <= room]
            for index in fitting:
                voice.queue.remove(index)
                spoken = self.utterances.spoken(index, most=most, speed=voice.speed, rng=rng)
                if spoken is not None:
                    return spoken
            if not again:  # all of them have been said
                voice.queue[:] = rng.permutation(voice.examples).tolist()
        if not any(self._seconds(i, voice) <= room or most is not None for i in voice.examples.tolist()):
            return None
        raise ManifestError(
            f"{self.utterances.place}: no utterance of {voice.name} can be used; "
            f"{self.utterances.manifest.problems.commonest}"
        )

    def _seconds(self, index: int, voice: _Voice) -> float:
        return float(self.utterances.durations[index]) / voice.speed

    def _finished(self, samples: Float[np.ndarray, " S"], rng: np.random.Generator) -> Float[np.ndarray, " S"]:
        if self._noises and rng.random() < self.options.noise_probability:
            noise = self._noises(int(rng.integers(len(self._noises.manifest))))
            level = 10 ** (LEVEL_DB / 20)
            samples = add_noise(samples, noise, snr_db=rng.uniform(*self.options.snr_db), speech_rms=level, rng=rng)
        peak = float(np.abs(samples).max(initial=0.0))
        return samples * np.float32(LOUDEST / peak) if peak > LOUDEST else samples

    def _too_short(self, limit: float, voice: _Voice, count: int) -> str:
        shortest = min(self._seconds(i, voice) for i in voice.examples.tolist())
        advice = "cut them to turns, or ask for longer conversations"
        cut = f"turns of {self.options.turns[0]:g} s or more do not fit" if self.options.turns else ""
        whole = f"the shortest utterance of {voice.name} has {shortest:.1f} s; {advice}"
        return f"conversations of {limit:.1f} s are too short for {count} speakers: {cut or whole}"


def _next(last: int, count: int, change: float, rng: np.random.Generator) -> int:
    """Draws who speaks next."""
    changes, place = rng.random() < change, int(rng.integers(max(count - 1, 1)))
    return (last + 1 + place) % count if changes and count > 1 else last


def _voiced(spoken: Spoken, voice: _Voice, rate: int) -> Float[np.ndarray, " S"]:
    """The samples at the speaker's level, in the speaker's room."""
    factor = 10 ** ((LEVEL_DB + voice.gain) / 20) / max(spoken.level, SILENCE)
    samples = spoken.samples * np.float32(factor)
    if voice.room is None:
        return samples
    return reverberate(np.pad(samples, (0, min(len(voice.room), int(ECHO * rate)))), voice.room)


def _add(samples: Float[np.ndarray, " S"], first: int, part: Float[np.ndarray, " R"]) -> None:
    """Adds what of the part lies within the samples, in place."""
    part = part[max(-first, 0) :]
    first = max(first, 0)
    part = part[: max(len(samples) - first, 0)]
    samples[first : first + len(part)] += part
