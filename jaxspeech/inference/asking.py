"""Asks a model with prompts for the rows of a batch: the arguments of its program beside the audio."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxspeech.inference.inputs import Recording
from jaxspeech.tasks.asked import Asked, Drawn
from jaxspeech.text.prompt import padded
from jaxspeech.text.prompt_slots import UNKNOWN

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Asking:
    """What is asked of a model in a call besides the prompts.

    Attributes:
      languages: token ids of the languages among which that of a recording is found.
      most_repeats: see `search.loops`; None: texts may repeat themselves.
    """

    languages: Ids = ()
    most_repeats: int | None = None

    def beside(self, recordings: Sequence[Recording], rows: int) -> tuple[Asked]:
        """Asks for the recordings of a batch; see `rows.Strategy`."""
        return self.of([recording.prompt for recording in recordings], rows)

    def of(
        self, prompts: Sequence[Ids], rows: int, *, temperature: float | None = None, seeds: Sequence[int] = ()
    ) -> tuple[Asked]:
        """Asks for what the prompts say; filler rows ask for what the first row does.

        Args:
          prompts: of each real row.
          rows: of the batch.
          temperature, seeds: draw the tokens, each row with its own seed; None: the search that is configured.
        """
        fillers = rows - len(prompts)
        prompt, num_prompt = padded([*prompts, *[prompts[0]] * fillers])
        asked = Asked(prompt, num_prompt)
        # Only where a row needs it is the search for the language in the program.
        if any(UNKNOWN in ids for ids in prompts):
            asked = asked._replace(languages=np.tile(np.array(self.languages, np.int32), (rows, 1)))
        if self.most_repeats is not None:
            asked = asked._replace(most_repeats=np.full(rows, self.most_repeats, np.int32))
        if temperature is not None:
            seeds = [*seeds, *[seeds[0]] * fillers]
            asked = asked._replace(drawn=Drawn(np.full(rows, temperature, np.float32), np.array(seeds, np.uint32)))
        return (asked,)
