"""Plans what a speech language model reads of a conversation: each recording as -1 once for each of its frames.

    ids of the chat   27 91 5 -1 28          frames of the recordings: [3]
    ids of the plan   27 91 5 -1 -1 -1 28

The model puts the k-th frame of its encoder in the place of the k-th -1. Lengths are known on the host before anything
is computed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxspeech.errors import TokenizerError
from jaxspeech.text.chat import AUDIO, Chat, EncodedChat
from jaxspeech.text.turns import Turn


class ChatPrompts:
    """Encodes conversations with recordings.

    Args:
      chat: the form of the conversations.
      tokenizer: has the special tokens of its template.
      most_tokens: most ids of a prompt, frames included, or of a training example; None: any number.
    """

    def __init__(self, chat: Chat, tokenizer: Any, *, most_tokens: int | None = None):
        self.chat, self.tokenizer, self.most_tokens = chat, tokenizer, most_tokens

    def __call__(
        self, turns: Sequence[Turn], frames: Sequence[int] = (), *, thinking: bool = True
    ) -> Int[np.ndarray, " L"]:
        """Plans a conversation that is to be answered.

        Args:
          turns: (role, text); "<audio>" stands for a recording.
          frames: number of frames of each recording, in the order of their places.
          thinking: False makes a model that can think answer at once.

        Raises:
          TokenizerError: there are more or fewer recordings than places, the prompt is too long, or as `Chat.prompt`.
        """
        ids = self.chat.prompt(turns, self.tokenizer, thinking=thinking)
        counts = self._counts(ids, frames)
        self._check_length("prompt", counts, frames)
        return np.repeat(ids, counts)

    def example(
        self, turns: Sequence[Turn], frames: Sequence[int] = (), *, draw: np.random.Generator | None = None
    ) -> EncodedChat:
        """Plans a conversation that ends with an answer, as for training; takes what `Chat.encode` does.

        Raises:
          TokenizerError: as above, or as `Chat.encode`.
        """
        ids, answers, num_prompt = self.chat.encode(turns, self.tokenizer, draw=draw)
        counts = self._counts(ids, frames)
        self._check_length("conversation", counts, frames)
        return EncodedChat(np.repeat(ids, counts), np.repeat(answers, counts), int(counts[:num_prompt].sum()))

    def _counts(self, ids: Int[np.ndarray, " L"], frames: Sequence[int]) -> Int[np.ndarray, " L"]:
        """How often each id stands in the plan."""
        counts = np.ones(len(ids), np.int64)
        places = np.flatnonzero(ids == AUDIO)
        if len(places) != len(frames):
            raise TokenizerError(
                f"the conversation has {_number(len(places), 'place')} for audio, but came with "
                f'{_number(len(frames), "recording")}; write "<audio>" once for each'
            )
        counts[places] = frames
        return counts

    def _check_length(self, kind: str, counts: Int[np.ndarray, " L"], frames: Sequence[int]) -> None:
        total = int(counts.sum())
        if self.most_tokens is not None and total > self.most_tokens:
            raise TokenizerError(
                f"the {kind} has {total} tokens, {sum(frames)} of them frames of audio, and at most "
                f"{self.most_tokens} fit; shorten the audio or the text"
            )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
