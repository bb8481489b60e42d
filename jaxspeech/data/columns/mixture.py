"""The columns of mixtures: their samples, and the targets of a model."""

import threading
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.data.augment import stretch_samples
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.decode import Decoder
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixture import Mixture, Mixtures
from jaxspeech.data.mixture_options import MixtureOptions
from jaxspeech.data.rng import generator
from jaxspeech.data.variant import Variant

# Apart from the random numbers of an augmentation with the same seed; those of evaluation sets are further apart.
OWN_SEED, OF_SETS = 2**34, 2**35


def mixture_columns(
    manifest: Manifest,
    options: MixtureOptions,
    *,
    sample_rate: int,
    channel: Channel = "mean",
    train: bool,
    seed: int = 0,
    cache_bytes: int = 2**30,
) -> tuple[Mapping[str, Column], str]:
    """Make the columns "samples" [C S] and "targets" [M S]; both are of the same mixture.

    Each line of the manifest is a talker, whose speed and cuts are those of the augmentation. What is drawn besides
    follows from the seed, the epoch and the number of the example; in an evaluation set, from its number alone.

    Args:
      manifest: of utterances.
      options: how mixtures are drawn.
      sample_rate: in Hz.
      channel: of recordings with several channels; see `audio`.
      train: for an evaluation set, the noises that are held out are drawn instead of the others.
      seed: of the mixtures.
      cache_bytes: memory for decoded speech.

    Returns:
      (the columns, a description of the noises by their content).

    Raises:
      ConfigError: `channel` is invalid, or a noise or a room is not there.
      ManifestError: a manifest of noises or rooms cannot be used.
    """
    plain = audio(manifest, sample_rate=sample_rate, channel=channel)
    speech = Decoder(manifest, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)
    mixtures = Mixtures(options, sample_rate=sample_rate, speech=speech, held_out=not train, seed=seed)
    latest = threading.local()

    def mixture(example: int, variant: Variant) -> Mixture:
        # A row's columns are loaded one after the other in one thread.
        key = example, variant
        if getattr(latest, "key", None) != key:
            rng = variant.generator(seed + OWN_SEED) if train else generator(seed + OF_SETS, 0, example)
            samples = stretch_samples(speech(example), variant, sample_rate=sample_rate)
            speaker = manifest[example].fields.get("speaker") if options.talkers[1] > 1 else None
            latest.key, latest.found = key, mixtures(samples, rng, speaker=speaker)
        return latest.found

    def samples(example: int, variant: Variant) -> Float[np.ndarray, "C S"]:
        return mixture(example, variant).samples

    def targets(example: int, variant: Variant) -> Float[np.ndarray, "M S"]:
        return mixture(example, variant).targets

    columns = {
        "samples": plain._replace(row=samples, before=(options.channels,)),
        "targets": plain._replace(row=targets, before=(len(options.targets),), counted=False),
    }
    return columns, mixtures.content
