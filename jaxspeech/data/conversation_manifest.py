"""A manifest of conversations that are simulated when they are loaded, so that each epoch has new ones.

    {"sessions": 2000, "speakers": [2, 3], "seconds": [10, 30], "overlap": [0.0, 0.3], "turns": [1, 6], ...}

Its lines name numbers of conversations and their lengths; who speaks when follows from the seed, the epoch and the
number when a row is loaded.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.data.conversation import Conversation, Conversations
from jaxspeech.data.conversation_options import parse_conversations
from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.data.rng import generator
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError

# Fields of the part `conversations` of a recipe, besides those of `ConversationOptions`.
SESSIONS, FIELD = "sessions", "speaker_field"
# Memory for decoded utterances.
CACHE_BYTES = 2**30
OWN_SEED = 2**32


class ConversationManifest(Manifest):
    """A manifest whose examples are simulated.

    Attributes:
      conversations: draws them.
    """

    conversations: Conversations

    def draw(self, example: int, variant: Variant, *, seed: int) -> Conversation:
        """Simulates the conversation of an example in an epoch; `example` counts in this manifest."""
        # Not the random numbers of the augmentation, which has the same seed.
        rng = generator(seed + OWN_SEED, variant.epoch, example, copy=variant.copy)
        return self.conversations.draw(rng, float(self.durations[example]))


def conversation_manifest(
    settings: Mapping[str, Any], utterances: Manifest, *, sample_rate: int, seed: int = 0
) -> ConversationManifest:
    """Makes a manifest of simulated conversations.

    Args:
      settings: the part `conversations` of a recipe: fields of `ConversationOptions`; "sessions", the number of
        conversations in an epoch; and "speaker_field", the manifest's field that names the speaker.
      utterances: of one speaker each.
      sample_rate: of the conversations, in Hz.
      seed: determines their lengths.

    Raises:
      ConfigError: a field is unknown or invalid.
      ManifestError: there are fewer speakers than the settings ask for.
    """
    rest = dict(settings)
    sessions, field = rest.pop(SESSIONS, 1000), rest.pop(FIELD, "speaker")
    if isinstance(sessions, bool) or not isinstance(sessions, int) or sessions < 1:
        raise ConfigError(f"conversations.{SESSIONS} is {sessions!r}; it is the number of conversations in an epoch")
    options = parse_conversations(rest)
    rng = np.random.default_rng(seed)
    seconds = np.round(rng.uniform(*options.seconds, sessions), 3).tolist()
    place = utterances.problems.name or "conversations"
    # The content of the first line stands for all that the conversations follow from.
    of = {
        "utterances": utterances.content,
        "settings": {key: list(v) if isinstance(v, tuple) else v for key, v in settings.items()},
    }
    lines = [
        {"audio_filepath": f"/{place}/conversation-{number:06d}", "duration": length} | (of if number == 0 else {})
        for number, length in enumerate(seconds)
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "conversations.jsonl")
        write_manifest(path, lines)
        manifest = ConversationManifest(path, problems=utterances.problems)
    manifest.conversations = Conversations(
        utterances, options, sample_rate=sample_rate, field=field, cache_bytes=CACHE_BYTES
    )
    return manifest
