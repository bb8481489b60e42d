"""Thoughts of models that think before they answer (Qwen3), in the texts of a conversation.

    <think>\\nTHOUGHTS\\n</think>\\n\\nANSWER          the block is empty where the model answers at once

Source: Qwen3PromptFormatter of NeMo's collections/common/prompts/qwen.py.
"""

from collections.abc import Sequence

import numpy as np

from jaxspeech.errors import TokenizerError
from jaxspeech.text.turns import ASSISTANT, SYSTEM, Turn

OPEN, CLOSE = "<think>", "</think>"
NO_THOUGHTS = f"{OPEN}\n\n{CLOSE}\n\n"


def with_thoughts(turns: Sequence[Turn], *, draw: np.random.Generator | None = None) -> list[Turn]:
    """Gives a conversation the form in which a thinking model reads it.

    Earlier answers lose their thoughts. The last answer, if the conversation ends with one, has exactly one block of
    thoughts before it, which is empty if the text has none. An empty system turn at the start is left out.

    Args:
      turns: of a conversation.
      draw: for training, asks at random places whether to think, as NeMo does: "/no_think" before or after the text of
        a system or user turn where the last answer has no thoughts, "/think" in half of the other conversations.
        None: asks for nothing.

    Raises:
      TokenizerError: the last answer has half of a block, or text before it.
    """
    found = [*(_forget(turn) for turn in turns[:-1]), *turns[-1:]]
    if found and found[-1].role == ASSISTANT:
        thoughts, answer = _parts(found[-1].text)
        block = f"{OPEN}\n{thoughts}\n{CLOSE}\n\n" if thoughts else NO_THOUGHTS
        found[-1] = Turn(ASSISTANT, block + answer)
        if draw is not None:
            found = _with_request(found, "/think" if thoughts else "/no_think", draw)
    empty = found[:1] and found[0].role == SYSTEM and not found[0].text.strip()
    return found[1:] if empty else found


def without_thoughts(text: str) -> str:
    """Returns an answer without its block of thoughts."""
    return text.split(CLOSE, 1)[1].strip() if CLOSE in text else text


def _forget(turn: Turn) -> Turn:
    return turn._replace(text=without_thoughts(turn.text)) if turn.role == ASSISTANT else turn


def _parts(text: str) -> tuple[str, str]:
    """The thoughts and what is after them."""
    if OPEN not in text and CLOSE not in text:
        return "", text
    if not text.startswith(OPEN) or CLOSE not in text:
        raise TokenizerError(f"an answer has {OPEN} or {CLOSE}, but does not begin with one whole block of thoughts")
    thoughts, answer = text.removeprefix(OPEN).split(CLOSE, 1)
    return thoughts.strip(), answer.lstrip("\n")


def _with_request(turns: list[Turn], request: str, draw: np.random.Generator) -> list[Turn]:
    if request == "/think" and draw.random() >= 0.5:
        return turns
    asking = [place for place, turn in enumerate(turns) if turn.role != ASSISTANT]
    if not asking:
        return turns
    place = asking[int(draw.integers(len(asking)))]
    text = turns[place].text
    asked = f"{text} {request}" if draw.random() < 0.5 else f"{request} {text}"
    return [*turns[:place], turns[place]._replace(text=asked), *turns[place + 1 :]]
