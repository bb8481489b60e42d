"""The columns of utterances that are mixed with noise or other utterances as they are needed."""

import threading

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.data.columns.column import Column
from jaxspeech.data.decode import Decoder
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixing import Mixer, MixingOptions
from jaxspeech.data.rng import generator
from jaxspeech.data.variant import Variant

# Apart from the random numbers of an augmentation and of mixtures with the same seed; those of evaluation sets are
# further apart.
OWN_SEED, OF_SETS = 2**36, 2**37


def mixed_columns(
    samples: Column,
    manifest: Manifest,
    options: MixingOptions,
    *,
    sample_rate: int,
    channel: Channel = "mean",
    train: bool = True,
    seed: int = 0,
    cache_bytes: int = 2**29,
) -> tuple[dict[str, Column], str]:
    """Make the columns "samples" and "noisy_samples", as long as each other; the first is the given one.

    What is drawn follows from the seed, the epoch and the number of the example; in an evaluation set, from its number
    alone.

    Args:
      samples: the column of the utterances, augmented or not.
      manifest: of these utterances; others are drawn from it too, as they are recorded.
      options: how they are mixed.
      sample_rate: in Hz.
      channel: of recordings with several channels; see `audio`.
      train: whether every epoch draws others.
      seed: of the mixtures.
      cache_bytes: memory for decoded speech of the others.

    Returns:
      (the columns, a description of the noises by their content).

    Raises:
      ConfigError: the manifests of noises have none.
      ManifestError: a manifest of noises cannot be used.
    """
    speech = Decoder(manifest, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)
    mixer, latest = Mixer(options, speech=speech), threading.local()

    def clean(example: int, variant: Variant) -> Float[np.ndarray, " S"]:
        # A row's columns are loaded one after the other in one thread.
        key = example, variant
        if getattr(latest, "key", None) != key:
            latest.found, latest.key = samples.row(example, variant), key
        return latest.found

    def noisy(example: int, variant: Variant) -> Float[np.ndarray, " S"]:
        rng = variant.generator(seed + OWN_SEED) if train else generator(seed + OF_SETS, 0, example)
        return mixer(clean(example, variant), rng, example=example)

    columns = {
        "samples": samples._replace(row=clean),
        "noisy_samples": samples._replace(row=noisy, counted=False, lengths=None),
    }
    return columns, mixer.content
