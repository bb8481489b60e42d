"""Writes a page with what a voice has said: players, spectrograms, and when each word is said."""

import html
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.report.enhanced import MOST_SECONDS
from jaxspeech.report.page import EvaluatedSet, write_report
from jaxspeech.report.players import played
from jaxspeech.report.sound import heard
from jaxspeech.report.utterance import Piece


class Heard(NamedTuple):
    """A spoken text.

    Attributes:
      name: of its file.
      text: as it was given.
      samples: waveform in [-1, 1].
      sample_rate: in Hz.
      words: (word, start, end), in seconds.
    """

    name: str
    text: str
    samples: Float[np.ndarray, " S"]
    sample_rate: int
    words: Sequence[tuple[str, float, float]]


def write_page(path: str | os.PathLike[str], texts: Sequence[Heard], *, model: str) -> None:
    """Writes the page, and replaces an existing one.

    Args:
      path: of the HTML file.
      texts: to see and to listen to.
      model: the voice's name.

    Raises:
      OSError: the page cannot be written.
    """
    note = f"<p class=note>At most {MOST_SECONDS:g} s of each text.</p>"
    sets = [EvaluatedSet("Spoken texts", "", note + f'<div class="cards">{"".join(map(spoken_card, texts))}</div>')]
    facts = {"voice": model, "texts": str(len(texts))}
    write_report(path, title="Speech", facts=facts, history=(), sets=sets, settings={"model": model})


def spoken_card(text: Heard) -> str:
    """HTML of one text: its name and words, what is heard, and what is seen of it."""
    samples = np.clip(text.samples[: round(MOST_SECONDS * text.sample_rate)], -1, 1)
    words = [Piece(*word) for word in text.words if word[2] <= MOST_SECONDS]
    title = f"<b>{html.escape(text.name)}</b><span>{len(text.samples) / text.sample_rate:.1f} s</span>"
    return (
        f'<article style="grid-column: 1 / -1"><header>{title}</header>'
        f"{played(heard(samples, text.sample_rate, words))}<p>{html.escape(text.text[:1000])}</p></article>"
    )
