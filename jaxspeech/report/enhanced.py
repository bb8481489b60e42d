"""Shows enhanced recordings in HTML: scores, and of some recordings players and spectrograms before and after."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float, UInt8

from jaxspeech.evaluation.enhancement import GAIN, IN_DECIBELS, TITLES, UNSCORED, Scored, shown, summarize
from jaxspeech.report.picture import png, spectrogram
from jaxspeech.report.sound import decibels

# The number of recordings that can be heard.
SHOWN = 9
# Of each so much, which keeps the page small.
MOST_SECONDS = 20.0
HEIGHT = 120
# Between spectrograms, in pixels.
GAP = 3
# Of a spectrogram: the darkest and the brightest level, relative to the loudest of the clean signal, in dB.
FLOOR, CEILING = -70.0, 0.0
# Of the noisy recordings' SI-SDR, in dB.
# Sets are often mixed at multiples of 5 dB, which are in the middle.
LEVELS = (-math.inf, -7.5, -2.5, 2.5, 7.5, 12.5, 17.5, 22.5, math.inf)


class Sound(NamedTuple):
    """A signal with its name ("before"), in [-1, 1]; the rate is in Hz."""

    name: str
    samples: Float[np.ndarray, " S"]
    sample_rate: int


class Example(NamedTuple):
    """A recording that is shown.

    Attributes:
      name: of it.
      scored: its scores.
      sounds: before, after, clean.
      texts: what was recognised, by name.
    """

    name: str
    scored: Scored
    sounds: Sequence[Sound]
    texts: Mapping[str, str] = MappingProxyType({})


def example(
    name: str,
    scored: Scored,
    signals: tuple[Float[np.ndarray, "M S"], Float[np.ndarray, "M S"], Float[np.ndarray, "_ S"] | None],
    sample_rate: int,
    texts: Mapping[str, str] = MappingProxyType({}),
) -> Example:
    """A recording to show, of its enhanced, clean and noisy signals."""
    after, clean, before = signals
    named = [("before", before if before is not None else after[:0]), ("after", after), ("clean", clean)]
    sounds = [
        Sound(title if len(channels) == 1 else f"{title} {i + 1}", samples, sample_rate)
        for title, channels in named
        for i, samples in enumerate(channels)
    ]
    return Example(name, scored, sounds, texts)


def chosen(scored: Sequence[Scored], count: int) -> list[int]:
    """The recordings that are worth a look: those with the least gain, or score, and a few with the greatest."""

    def value(number: int) -> float:
        name = next(iter(scored[number].after))
        after, before = scored[number].after.get(name), scored[number].before.get(name)
        return math.inf if after is None else after - (before or 0.0)

    order = sorted(range(len(scored)), key=value)
    if len(order) <= count:
        return order
    best = count // 3
    return order[: count - best] + order[len(order) - best :]


def means(scored: Sequence[Scored]) -> list[list[str]]:
    """A table: the means of the noisy recordings, of the enhanced ones, of the gains; how many could not be scored."""
    rows, scores = [["", "noisy", "enhanced", "gain", "not scored"]], summarize(scored)
    for name, title in TITLES.items():
        if not any(name in x.after for x in scored):
            continue
        before = [value for x in scored if (value := x.before.get(name)) is not None]
        gain = scores.get(name + GAIN)
        cells = [shown(name, float(np.mean(before)) if before else None), shown(name, scores.get(name))]
        cells.append("–" if gain is None else ("+" if gain >= 0 else "") + shown(name, gain))
        unit = " (dB)" if name in IN_DECIBELS else ""
        missing = f"{scores.get(name + UNSCORED, 0):.0f}"
        rows.append([title + unit, *(cell.removesuffix(" dB") for cell in cells), missing])
    return rows


def enhanced_section(table: Sequence[Sequence[str]], scored: Sequence[Scored], examples: Sequence[Example]) -> str:
    """HTML about a set of enhanced recordings, escaped.

    Args:
      table: rows of cells with the means; the first row has the titles.
      scored: of all recordings.
      examples: those to listen to.
    """
    levels = _by_input(scored)
    heading = "<h3>Least gain first; the last ones have the greatest</h3>" if examples else ""
    cards = "".join(map(example_card, examples))
    return f'{_table(table)}{levels}{heading}<div class="cards">{cards}</div>'


def example_card(example: Example) -> str:
    """HTML of one recording: what is heard and seen of it before and after, and its scores."""
    scores = " · ".join(_change(name, example.scored) for name in example.scored.after)
    title = f"<b>{html.escape(example.name)}</b><span>{html.escape(scores)}</span>"
    texts = "".join(
        f"<dt>{html.escape(_TEXTS.get(name, name))}</dt><dd>{html.escape(text) or '<i>nothing</i>'}</dd>"
        for name, text in example.texts.items()
    )
    words = f"<dl>{texts}</dl>" if texts else ""
    # Wide, so that before and after stand side by side.
    return (
        f'<article style="grid-column: 1 / -1"><header>{title}</header><div style="{SIDE_BY_SIDE}">'
        f"{sounds_shown(example.sounds)}</div>{words}</article>"
    )


# Three on a wide screen.
SIDE_BY_SIDE = "display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(280px,100%),1fr))"
_TEXTS = {"text": "said", "noisy_pred_text": "heard before", "pred_text": "heard after"}


def sounds_shown(sounds: Sequence[Sound]) -> str:
    """Players, each with a spectrogram; all have the same colours for the same levels."""
    parts = []
    for sound, image in zip(sounds, _pictures(sounds), strict=True):
        parts.append(
            f"<div><p class=note>{html.escape(sound.name)}</p>{_player(sound)}"
            f'<img class="mel" alt="spectrogram" style="width:100%;height:{HEIGHT}px" src="'
            f'data:image/png;base64,{base64.b64encode(png(image)).decode()}"></div>'
        )
    return "".join(parts)


def stacked(sounds: Sequence[Sound]) -> UInt8[np.ndarray, "H T 3"]:
    """The spectrograms of signals of the same length, one below the other."""
    parts = []
    for image in _pictures(sounds):
        parts += [image, np.full((GAP, image.shape[1], 3), 255, np.uint8)]
    return np.concatenate(parts[:-1])


def _pictures(sounds: Sequence[Sound]) -> list[UInt8[np.ndarray, "H T 3"]]:
    levels = [decibels(_cut(x), x.sample_rate) for x in sounds]
    loudest = float(levels[-1].max()) if levels else 0.0
    return [spectrogram(x, limits=(loudest + FLOOR, loudest + CEILING)) for x in levels]


def _cut(sound: Sound) -> Float[np.ndarray, " S"]:
    return np.asarray(sound.samples[: round(MOST_SECONDS * sound.sample_rate)], np.float64)


def _player(sound: Sound) -> str:
    file = io.BytesIO()
    # Lossless, so that one hears what was scored.
    soundfile.write(file, np.clip(_cut(sound), -1, 1), sound.sample_rate, format="FLAC", subtype="PCM_16")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<audio controls preload="none" src="data:audio/flac;base64,{data}"></audio>'


def _by_input(scored: Sequence[Scored]) -> str:
    """A table of the gain by how noisy the recordings were; "" if that is not known."""
    name = "si_sdr"
    known = [
        (before, after)
        for x in scored
        if (before := x.before.get(name)) is not None and (after := x.after.get(name)) is not None
    ]
    if not known:
        return ""
    rows = [["noisy SI-SDR", "recordings", "enhanced", "gain"]]
    for low, high in pairwise(LEVELS):
        inside = np.array([pair for pair in known if low <= pair[0] < high])
        if len(inside):
            before, after = inside.mean(0)
            title = f"below {high} dB" if low == -math.inf else f"from {low} dB" if high == math.inf else ""
            rows.append(
                [title or f"{low} to {high} dB", str(len(inside)), f"{after:.2f} dB", f"{after - before:+.2f} dB"]
            )
    return "<h3>By the noise of the input</h3>" + _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        f"<tr><th>{html.escape(row[0])}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows[1:]
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _change(name: str, scored: Scored) -> str:
    before = scored.before.get(name)
    arrow = "" if before is None else f"{shown(name, before)} → "
    return f"{TITLES[name]} {arrow}{shown(name, scored.after[name])}"
