"""A manifest's examples as a model takes them: samples and labels."""

from collections.abc import Iterable

import msgspec
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.convert import Channel
from jaxspeech.data.decode import Decoder, name_audio
from jaxspeech.data.manifest import Entry, Manifest
from jaxspeech.errors import ManifestError, TokenizerError
from jaxspeech.text.counting import TokenCounter
from jaxspeech.text.tokenizer import Tokenizer

# Label widths are multiples of this, so that buckets share shapes.
LABELS_MULTIPLE = 8


class Utterances:
    """Examples whose transcripts the tokenizer can spell; the others are counted and named in `manifest.problems`.

    Attributes:
      manifest: the examples.
      num_labels: tokens of each transcript.
      samples: `samples(index)` decodes an example.
    """

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: Tokenizer | None,
        *,
        sample_rate: int,
        channel: Channel = "mean",
        cache_bytes: int = 2**30,
    ):
        """Encode every transcript once; without a tokenizer all are usable, and labels are empty.

        Raises:
          ManifestError: too many transcripts cannot be encoded.
        """
        self._tokenizer = tokenizer
        num_labels = np.zeros(len(manifest), np.int32) if tokenizer is None else _count_labels(manifest, tokenizer)
        usable = np.flatnonzero(num_labels >= 0)
        self.manifest = manifest if len(usable) == len(manifest) else manifest.take(usable)
        self.num_labels: Int[np.ndarray, " N"] = num_labels[usable]
        self.samples = Decoder(self.manifest, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)

    def __len__(self) -> int:
        return len(self.manifest)

    def fetch(self, shards: Iterable[int]) -> None:
        """Tells of tars that soon will be needed."""
        self.samples.containers.fetch(self.manifest.tars[shard] for shard in shards)

    def labels(self, index: int) -> list[int]:
        return [] if self._tokenizer is None else _encode(self._tokenizer, self.manifest[index])

    def label_widths(
        self, shortest: Float[np.ndarray, " N"], bucket_seconds: Float[np.ndarray, " K"]
    ) -> tuple[int, ...]:
        """The most labels that can occur in each bucket, rounded up; examples may come to any bucket that holds them.

        Args:
          shortest: seconds of each example at its shortest.
          bucket_seconds: of each bucket, ascending.
        """
        most = np.zeros(len(bucket_seconds), np.int64)
        np.maximum.at(most, np.searchsorted(bucket_seconds, shortest), self.num_labels)
        most = np.maximum(np.maximum.accumulate(most), 1)
        return tuple((-(-most // LABELS_MULTIPLE) * LABELS_MULTIPLE).tolist())


class _Spoken(msgspec.Struct, gc=False):
    """What a line says about the transcript."""

    text: str = ""
    lang: str | None = None


_DECODER = msgspec.json.Decoder(_Spoken)


def _count_labels(manifest: Manifest, tokenizer: Tokenizer) -> Int[np.ndarray, " N"]:
    """Tokens of each transcript; -1 where the tokenizer cannot spell it."""
    num_labels = np.full(len(manifest), -1, np.int32)
    count = TokenCounter(tokenizer)
    for index, line in enumerate(manifest.lines()):
        try:
            try:
                spoken = _DECODER.decode(line)
                num_labels[index] = count(_spaced(spoken.text), spoken.lang)
            except msgspec.MsgspecError:
                num_labels[index] = len(_encode(tokenizer, manifest[index]))
        except TokenizerError as error:
            manifest.problems.add(name_entry(manifest[index]), str(error))
    manifest.problems.check(len(manifest))
    if num_labels.max() < 0:
        raise ManifestError(f"no transcript can be spelt; the last: {manifest.problems.lines[-1]}")
    return num_labels


def _encode(tokenizer: Tokenizer, entry: Entry) -> list[int]:
    return tokenizer.encode(_spaced(entry.text), entry.fields.get("lang"))


def _spaced(text: str) -> str:
    """One space between words, whatever white space the transcript has: as tokenizers are trained."""
    return " ".join(text.split())


def name_entry(entry: Entry) -> str:
    """What a problem with an example is filed under."""
    return f"{name_audio(entry)} at {entry.offset:g} s" if entry.offset else name_audio(entry)
