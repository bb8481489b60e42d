"""The columns of conversations: their recordings, their token ids, and which of these a model learns to say.

A place of `ids` is a token or, as -1, a frame of audio; so a row's length is known on the host, for each speed at which
its recordings are played. What the user says of several texts is drawn from the seed, the epoch and the example.
"""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.convert import Channel
from jaxspeech.data.augment import Augment, AugmentConfig
from jaxspeech.data.chat_audio import ChatAudio
from jaxspeech.data.chat_lines import AUDIOS
from jaxspeech.data.chat_turns import first, turns_of
from jaxspeech.data.columns.audio import ROUNDING_SAMPLES
from jaxspeech.data.columns.column import Column, Examples, Widths, widest
from jaxspeech.data.frame_counts import FrameCounts
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.chat import EncodedChat
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.turns import ASSISTANT, USER, Turn

# Apart from the random numbers of an augmentation with the same seed.
OWN_SEED = 2**36


class Measured(NamedTuple):
    """What is known of the examples before anything is decoded.

    Attributes:
      tokens: most ids of each example's texts, with one for each recording; -1 where they cannot be encoded.
      audios: number of each example's recordings.
      seconds: of each recording, one example after another.
    """

    tokens: Int[np.ndarray, " N"]
    audios: Int[np.ndarray, " N"]
    seconds: Float[np.ndarray, " R"]


class Row(NamedTuple):
    """The recordings of an example, as they are varied, and its ids."""

    sounds: list[Float[np.ndarray, " S"]]
    encoded: EncodedChat


def chat_columns(
    manifest: Manifest,
    prompts: ChatPrompts,
    *,
    asked: Sequence[str],
    frames: FrameCounts,
    sample_rate: int,
    channel: Channel = "mean",
    augment: AugmentConfig | None = None,
    seed: int = 0,
    cache_bytes: int = 2**30,
) -> Mapping[str, Column]:
    """Make the columns samples [A S], num_samples [A], ids [L], num_prompt and answers [L]; A recordings a row.

    Args:
      manifest: the examples, see `data.chat_turns`.
      prompts: writes conversations as ids.
      asked: what a user says about a recording whose line does not say it.
      frames: counts the places that a recording takes.
      sample_rate: in Hz.
      channel: of recordings with several channels; see `columns.audio`.
      augment: the augmentation, for training, which also draws one of several texts. None: the first text is taken.
      seed: of what is drawn.
      cache_bytes: memory for decoded audio.

    Raises:
      ConfigError: recordings are to be cut, and a conversation has several.
      ManifestError: a manifest of noises or rooms cannot be used.
    """
    options: Any = {"sample_rate": sample_rate, "channel": channel, "cache_bytes": cache_bytes}
    load = _Loader(manifest, prompts, asked, frames, augment=augment, seed=seed, **options)
    found = _measure(manifest, prompts, asked, drawn=augment is not None)
    if augment is not None and (augment.crop_seconds or augment.crop_to) and (found.audios > 1).any():
        raise ConfigError("augment: conversations of several recordings cannot be cut; leave out crop_seconds, crop_to")
    # At the slowest speed, and with the most silence.
    slowest, silence = (1.0, 0.0) if augment is None else (min(augment.speed), 2 * augment.pad_seconds)
    most = np.ceil((found.seconds / slowest + silence) * sample_rate).astype(np.int64) + ROUNDING_SAMPLES
    owners = np.repeat(np.arange(len(manifest)), found.audios)
    places = np.bincount(owners, frames(most), len(manifest)).astype(np.int64)
    lengths = np.where(found.tokens >= 0, found.tokens + places - found.audios, -1).astype(np.int32)
    # The share of an example's seconds that its longest recording has.
    share = np.zeros(len(manifest))
    np.maximum.at(share, owners, found.seconds / manifest.durations[owners])
    num_audios = max(1, int(found.audios.max(initial=0)))

    def samples(example: int, variant: Variant) -> Float[np.ndarray, "A S"]:
        sounds = load(example, variant).sounds
        padded = np.zeros((num_audios, max((len(sound) for sound in sounds), default=0)), np.float32)
        for row, sound in zip(padded, sounds, strict=False):
            row[: len(sound)] = sound
        return padded

    def num_samples(example: int, variant: Variant) -> Int[np.ndarray, " A"]:
        counts = [len(sound) for sound in load(example, variant).sounds]
        return np.array(counts + [0] * (num_audios - len(counts)), np.int32)

    def sample_widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        largest = np.zeros(len(bucket_seconds))
        np.maximum.at(largest, np.searchsorted(bucket_seconds, shortest), share[examples])
        seconds = np.minimum(bucket_seconds, np.maximum.accumulate(largest) * bucket_seconds + silence)
        return tuple((np.ceil(seconds * sample_rate).astype(int) + ROUNDING_SAMPLES).tolist())

    def id_widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(lengths[examples], shortest, bucket_seconds)

    def column(dtype: Any, row: Callable[[int, Variant], Any], widths: Widths | None = None, **more: Any) -> Column:
        return Column(dtype, more.pop("shape", ()), widths, lengths >= 0, row, **more)

    of_ids: Any = {"widths": id_widths, "planned": True}
    return {
        "samples": column(np.float32, samples, sample_widths, before=(num_audios,), counted=False),
        "num_samples": column(np.int32, num_samples, shape=(num_audios,)),
        "ids": column(np.int32, lambda i, v: load(i, v).encoded.ids, lengths=lengths, **of_ids),
        "num_prompt": column(np.int32, lambda i, v: load(i, v).encoded.num_prompt),
        "answers": column(np.bool_, lambda i, v: load(i, v).encoded.answers, counted=False, **of_ids),
    }


class _Loader:
    """Loads an example once for all of its columns, which are made one after the other in one thread."""

    def __init__(
        self,
        manifest: Manifest,
        prompts: ChatPrompts,
        asked: Sequence[str],
        frames: FrameCounts,
        *,
        augment: AugmentConfig | None,
        sample_rate: int,
        seed: int,
        **options: Any,
    ):
        self._manifest, self._prompts, self._asked, self._frames = manifest, prompts, asked, frames
        self._audio = ChatAudio(manifest, sample_rate=sample_rate, **options)
        self._augment = Augment(augment or AugmentConfig(), sample_rate=sample_rate)
        self._draws, self._seed = augment is not None, seed
        self._latest = threading.local()

    def __call__(self, example: int, variant: Variant) -> Row:
        key, latest = (example, variant), self._latest
        if getattr(latest, "key", None) != key:
            latest.key = None  # where loading fails
            latest.row, latest.key = self._load(example, variant), key
        return latest.row

    def _load(self, example: int, variant: Variant) -> Row:
        sounds, rng = self._audio(example), variant.generator(self._seed)
        varied: list[np.ndarray] = []
        for number, sound in enumerate(sounds):
            before = variant.before if number == 0 else 0.0
            after = variant.after if number == len(sounds) - 1 else 0.0
            varied.append(self._augment(sound, speed=variant.speed, before=before, after=after, rng=rng))
        fields, draw = self._manifest[example].fields, None
        if self._draws:
            draw = variant.generator(self._seed + OWN_SEED)
        choose = first if draw is None else lambda texts: texts[int(draw.integers(len(texts)))]
        turns = turns_of(fields, self._asked, choose, tag=self._prompts.chat.locator)
        counts = self._frames(np.array([len(sound) for sound in varied], np.int64)).tolist()
        return Row(varied, self._prompts.example(turns, counts, draw=draw))


def _measure(manifest: Manifest, prompts: ChatPrompts, asked: Sequence[str], *, drawn: bool) -> Measured:
    """Read every line, and encode it once, with the longest of several texts."""
    tokens, audios = np.full(len(manifest), -1, np.int64), np.zeros(len(manifest), np.int64)
    seconds, chat = list[float](), prompts.chat
    room = _room_for_requests(prompts) if drawn else 0

    @functools.cache
    def length(text: str) -> int:
        turns = [Turn(USER, text), Turn(ASSISTANT, "")]
        return len(prompts.example(turns, [1] * chat.count_audios(turns)).ids)

    def longest(texts: Sequence[str]) -> str:
        return max(texts, key=length) if drawn and len(texts) > 1 else texts[0]

    for example, line in enumerate(manifest.lines()):
        fields, whole = parse_line(line), float(manifest.durations[example])
        given = fields.get(AUDIOS)
        of_each = [whole] if given is None else [float(audio["duration"]) for audio in given]
        audios[example] = len(of_each)
        seconds += of_each
        try:
            turns = turns_of(fields, asked, longest, tag=chat.locator)
            tokens[example] = len(prompts.example(turns, [1] * len(of_each)).ids) + room
        except Exception:  # of whatever kind a tokenizer raises; `row` raises it again
            continue
    return Measured(tokens, audios, np.array(seconds, np.float64))


def _room_for_requests(prompts: ChatPrompts) -> int:
    """Tokens that a drawn request to think, or not to, adds at most."""
    turns = [Turn(USER, "a b"), Turn(ASSISTANT, "c")]
    plain = len(prompts.example(turns).ids)
    drawn = [len(prompts.example(turns, draw=np.random.default_rng(seed)).ids) for seed in range(8)]
    return max(0, 2 * (max(drawn) - plain))  # a token more, where its neighbours are split differently
