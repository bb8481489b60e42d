"""Writes a page with the spectrograms of recordings before and after enhancement, and players of both."""

import html
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.report.enhanced import MOST_SECONDS, SIDE_BY_SIDE, Sound, sounds_shown
from jaxspeech.report.page import EvaluatedSet, write_report


class Heard(NamedTuple):
    """A recording: its name, its sounds by name ("before", "after"), all of one rate in Hz."""

    name: str
    sounds: Mapping[str, Float[np.ndarray, " S"]]
    sample_rate: int


def write_page(path: str | os.PathLike[str], recordings: Sequence[Heard], *, model: str) -> None:
    """Writes the page, and replaces an existing one.

    Args:
      path: of the HTML file.
      recordings: to see and to listen to.
      model: its name.

    Raises:
      OSError: the page cannot be written.
    """
    note = f"<p class=note>At most {MOST_SECONDS:g} s of each recording.</p>"
    sets = [EvaluatedSet("Before and after", "", note + "".join(map(_card, recordings)))]
    facts = {"model": model, "recordings": str(len(recordings))}
    write_report(path, title="Enhancement", facts=facts, history=(), sets=sets, settings={"model": model})


def _card(recording: Heard) -> str:
    sounds = [Sound(name, samples, recording.sample_rate) for name, samples in recording.sounds.items()]
    return (
        f'<article style="grid-column: 1 / -1"><header><b>{html.escape(recording.name)}</b></header>'
        f'<div style="{SIDE_BY_SIDE}">{sounds_shown(sounds)}</div></article>'
    )
