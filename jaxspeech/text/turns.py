"""Turns of conversations: who speaks, and what is said."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from jaxspeech.errors import TokenizerError

SYSTEM, USER, ASSISTANT = ROLES = ("system", "user", "assistant")


class Turn(NamedTuple):
    """What one speaker of a conversation says.

    Attributes:
      role: "system", "user" or "assistant".
      text: what is said; in a user's or a system's text "<audio>" stands for a recording.
    """

    role: str
    text: str


def checked_turns(turns: Sequence[Turn]) -> list[Turn]:
    """Returns the turns of a conversation, which may also be pairs.

    Raises:
      TokenizerError: there is none, or one is of an unknown role.
    """
    found = [Turn(*turn) for turn in turns]
    if not found:
        raise TokenizerError("a conversation has at least one turn")
    for turn in found:
        if turn.role not in ROLES:
            raise TokenizerError(f"a turn is of the role {turn.role!r}; it can be {', '.join(ROLES)}")
    return found


def join_turns(turns: Sequence[Turn]) -> list[Turn]:
    """Joins neighbouring turns of one role by a space, as NeMo does with the parts of a conversation in a manifest."""
    groups = itertools.groupby(turns, key=lambda turn: turn.role)
    return [Turn(role, " ".join(turn.text for turn in group)) for role, group in groups]
