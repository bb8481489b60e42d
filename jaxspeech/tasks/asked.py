"""What is asked of an attention decoder for each row of a batch: arguments of its programs, as the audio is.

A part that is None is not in the program: what nobody asks for costs nothing.
"""

from typing import Any, NamedTuple

from jaxtyping import Int


class Asked(NamedTuple):
    """What is asked for, B leading in every leaf.

    Attributes:
      prompt: token ids that the decoder reads before the text.
      num_prompt: real tokens of each prompt, at least 1.
    """

    prompt: Int[Any, "B P"]
    num_prompt: Int[Any, " B"]
