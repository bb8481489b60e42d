"""What a model has read and written of one conversation, so that it reads only what is new.

held    what the state holds            u1 u1 a1 a1
asked   the whole conversation          u1 u1 a1 a1 u2 u2
        read after the common part:                 u2 u2

The tokens of a turn are the same whatever follows. Where they are not (a template leaves out the thoughts of earlier
answers, a text has another spelling in tokens than the answer had), the common part is shorter, and the answer that is
asked for is still that to the whole conversation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxspeech.inference.answer_programs import AnswerPrograms, Prefilled, Prompt, padded_places
from jaxspeech.text.chat import AUDIO
from jaxspeech.types import Variables

# The first state has room for so many times the first prompt and its answer.
SPARE = 2


class AnswerMemory:
    """The state of one conversation.

    Args:
      programs: of the model.
    """

    def __init__(self, programs: AnswerPrograms):
        self._programs = programs
        self._held: list[int] = []
        self._state: Any = None

    def read(self, variables: Variables, prompt: Prompt, *, more: int) -> Prefilled:
        """Reads a conversation up to the answer that is asked for.

        Args:
          variables: of the model.
          prompt: of the whole conversation.
          more: places for the answer.
        """
        kept, heard = common(self._held, prompt.ids, prompt.frames)
        need = len(prompt.ids) + more
        if not kept:
            size = padded_places(len(prompt.ids))
            room = max(padded_places(SPARE * need), size + more)
            return self._programs.start(variables, [prompt], rows=1, size=size, more=room - size)
        # An extension is padded to places of which the last have no room to be in: they are not stored.
        state = self._state.first(np.array([kept], np.int32))
        if need > state.most_tokens:
            state = state.with_room(padded_places(SPARE * need))
        return self._programs.extend(
            variables, Prompt(prompt.ids[kept:], prompt.audio[heard:], prompt.frames[heard:]), state
        )

    def keep(self, prompt: Prompt, written: Sequence[int], state: Any) -> None:
        """Remembers what a state holds: a prompt and, as far as it has them, the tokens that were written after it."""
        self._held = [*prompt.ids, *written][: int(state.count[0])]
        self._state = state

    def forget(self) -> None:
        """Forgets everything."""
        self._held, self._state = [], None


def common(held: Sequence[int], asked: Sequence[int], frames: Sequence[int]) -> tuple[int, int]:
    """How much of a conversation is held already: places, and whole audios among them.

    At least one place is left to be read, from which the first token of the answer comes; and no audio is in two parts.

    Args:
      held: ids of the places that a state holds.
      asked: those of the whole conversation.
      frames: the numbers of places of its audios.
    """
    most = min(len(held), len(asked) - 1)
    kept = next((i for i in range(most) if held[i] != asked[i]), most)
    ends = np.cumsum(frames, dtype=int)
    of_audio = np.flatnonzero(np.asarray(asked) == AUDIO)
    heard = int((ends <= (of_audio < kept).sum()).sum())
    begun = of_audio[(of_audio < kept)][int(ends[heard - 1]) if heard else 0 :]
    return (int(begun[0]) if len(begun) else kept), heard
