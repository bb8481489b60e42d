"""The columns of recordings with their targets: their samples, and the targets of a model."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxspeech.data.augment import stretch_samples
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.decode import name_entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.paired_audio import PairedAudio, PairOptions
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError, SpeechError

# Examples that are read until one says how many channels there are.
TRIED = 16


def paired_columns(
    manifest: Manifest, options: PairOptions, *, sample_rate: int, cache_bytes: int = 2**30
) -> Mapping[str, Column]:
    """Make the columns "samples" [C S] and "targets" [M S], which are changed in speed and cut together.

    The numbers of channels are those of the first example that can be read; a row with others is an error.

    Args:
      manifest: the examples.
      options: where its lines have what.
      sample_rate: in Hz.
      cache_bytes: memory for decoded audio.

    Raises:
      ManifestError: none of the first examples can be read.
    """
    pairs = PairedAudio(manifest, options, sample_rate=sample_rate, cache_bytes=cache_bytes)
    shape = _shape(manifest, pairs)

    def value(example: int, variant: Variant, which: int) -> Float[np.ndarray, "C S"]:
        sounds = pairs(example)
        if (found := tuple(len(sound) for sound in sounds)) != shape:
            raise ManifestError(
                f"{name_entry(manifest[example])}: has {found[0]} channels and {found[1]} targets, the first example "
                f"{shape[0]} and {shape[1]}"
            )
        return np.stack([stretch_samples(sound, variant, sample_rate=sample_rate) for sound in sounds[which]])

    plain = audio(manifest, sample_rate=sample_rate)
    return {
        "samples": plain._replace(row=lambda i, variant: value(i, variant, 0), before=shape[:1]),
        "targets": plain._replace(row=lambda i, variant: value(i, variant, 1), before=shape[1:], counted=False),
    }


def _shape(manifest: Manifest, pairs: PairedAudio) -> tuple[int, int]:
    """(C, M) of the first example that can be read."""
    for example in range(min(TRIED, len(manifest))):
        try:
            samples, targets = pairs(example)
        except SpeechError as error:
            manifest.problems.add(name_entry(manifest[example]), str(error))
            continue
        return len(samples), len(targets)
    name = manifest.problems.name or "the manifest"
    raise ManifestError(f"{name}: none of the first examples can be used; {manifest.problems.commonest}")
