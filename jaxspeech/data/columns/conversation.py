"""The columns of simulated conversations: their samples, and the activity of their speakers."""

import threading
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxspeech.data.augment import Augment, AugmentConfig, stretch_samples
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.conversation import Conversation
from jaxspeech.data.conversation_manifest import ConversationManifest
from jaxspeech.data.variant import Variant
from jaxspeech.diarization.targets import ACTIVE, activity_of_turns
from jaxspeech.diarization.turns import Turn


def conversation_columns(
    manifest: ConversationManifest,
    *,
    most_speakers: int,
    frame_seconds: float,
    augment: AugmentConfig | None = None,
    seed: int = 0,
    soft: bool = False,
) -> Mapping[str, Column]:
    """Make the columns "samples" and "activity"; both are of the same conversation in each epoch.

    Args:
      manifest: the conversations.
      most_speakers: C, of the model.
      frame_seconds: of the model.
      augment: the augmentation of the mixture; none by default.
      seed: of the conversations and of the augmentation.
      soft: keep shares of frames between 0 and 1; otherwise who speaks half of a frame or more is active.
    """
    rate = manifest.conversations.utterances.sample_rate
    change = None if augment is None else Augment(augment, sample_rate=rate)
    latest = threading.local()

    def conversation(example: int, variant: Variant) -> Conversation:
        # A row's columns are loaded one after the other in one thread.
        key = example, variant.epoch, variant.copy
        if getattr(latest, "key", None) != key:
            latest.key, latest.found = key, manifest.draw(example, variant, seed=seed)
        return latest.found

    def samples(example: int, variant: Variant) -> Float[np.ndarray, " S"]:
        found = conversation(example, variant).samples
        if change is None:
            return stretch_samples(found, variant, sample_rate=rate)
        changes = {"speed": variant.speed, "before": variant.before, "after": variant.after}
        return change(found, **changes, rng=variant.generator(seed))

    def activity(example: int, variant: Variant) -> Float[np.ndarray, "T C"]:
        found = conversation(example, variant)
        turns = [Turn(turn.start / variant.speed, turn.end / variant.speed, turn.speaker) for turn in found.turns]
        seconds = max(variant.at(len(found.samples) / rate) + variant.after, 0.0)
        options = {"most_speakers": most_speakers, "frame_seconds": frame_seconds}
        shares = activity_of_turns(turns, seconds=seconds, offset=-variant.before, **options).shares
        return shares if soft else (shares >= ACTIVE).astype(np.float32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds / frame_seconds).astype(int) + 2).tolist())

    everything = np.broadcast_to(True, len(manifest))
    return {
        "samples": audio(manifest, sample_rate=rate)._replace(row=samples),
        "activity": Column(np.float32, (most_speakers,), widths, everything, activity),
    }
