"""Shows spoken texts beside their recordings in HTML: players, spectrograms, scores, and what a recogniser hears."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.evaluation.synthesis import MEASURES, SpokenScore, show_scores
from jaxspeech.report.enhanced import SIDE_BY_SIDE, Sound, sounds_shown
from jaxspeech.report.players import transcripts
from jaxspeech.report.utterance import scored

# The number of texts that can be heard.
SHOWN = 9
Samples = tuple[Float[np.ndarray, " S"], int]


class Example(NamedTuple):
    """A text that is shown.

    Attributes:
      name: of it.
      said: its words.
      heard: what a recogniser hears; None without one.
      score: of it.
      sounds: what the voice says and the recording, which may be empty: samples and their rate in Hz.
    """

    name: str
    said: str
    heard: str | None
    score: SpokenScore
    sounds: tuple[Samples, Samples]


def worst(scores: Sequence[SpokenScore], errors: Sequence[int | None], count: int) -> list[int]:
    """The texts with the most wrong words; of equally many, the farthest from their recordings."""

    def badness(number: int) -> tuple[int, float]:
        distance = scores[number].values.get("mel_distance")
        return errors[number] or 0, -math.inf if distance is None else distance

    return sorted(range(len(scores)), key=badness, reverse=True)[:count]


def synthesis_section(scores: Sequence[SpokenScore], examples: Sequence[Example]) -> str:
    """HTML about a set of spoken texts: how their scores spread, and the worst to listen to.

    Args:
      scores: of all texts.
      examples: those to listen to.
    """
    rows = [["", "lowest tenth", "median", "highest tenth"]]
    for name in MEASURES:
        found = [value for x in scores if (value := x.values.get(name)) is not None]
        if found:
            low, middle, high = (show_scores({name: float(np.quantile(found, q))}) for q in (0.1, 0.5, 0.9))
            rows.append([name.replace("_", " "), low, middle, high])
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>'
    cards = "".join(map(_card, examples))
    return f'{table if cells else ""}<h3>Worst first</h3><div class="cards">{cards}</div>'


def _card(example: Example) -> str:
    known = {name: value for name, value in example.score.values.items() if value is not None}
    facts = show_scores(known) if known else "nothing to compare with"
    named = zip(("voice", "recording"), example.sounds, strict=True)
    sounds = [Sound(name, *sound) for name, sound in named if len(sound[0])]
    if example.heard is None:
        words = f"<p>{html.escape(example.said)}</p>"
    else:
        utterance = scored(name=example.name, speaker="", seconds=0.0, said=example.said, heard=example.heard)
        words = transcripts(utterance)
    return (
        f'<article style="grid-column: 1 / -1"><header><b>{html.escape(example.name)}</b>'
        f'<span>{html.escape(facts)}</span></header><div style="{SIDE_BY_SIDE}">{sounds_shown(sounds)}</div>'
        f"{words}</article>"
    )
