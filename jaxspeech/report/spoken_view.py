"""Shows what a text-to-mel model or a voice says for the texts of recordings, next to these, with alignments."""

import base64
import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxspeech.evaluation.synthesis import SpokenScore, said, show_scores
from jaxspeech.report.picture import COLORS, png, spectrogram
from jaxspeech.report.players import pictured, played
from jaxspeech.report.sound import heard
from jaxspeech.report.utterance import Piece, ReplayedAudio
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.types import Variables

# The number of texts that are shown of each set: those that are furthest from their recordings, and the closest.
SHOWN = 9
# Of the picture of an alignment, in pixels: of each symbol and frame.
CELL = 4
GAP = 3


class Shown(NamedTuple):
    """One text: what was said, the recording, and how its frames were aligned with the symbols.

    Attributes:
      made: what was said; without samples, only the frames.
      recording: with the symbols that the aligner found.
      alignment: probability of each symbol at each frame of the recording.
    """

    made: ReplayedAudio
    recording: ReplayedAudio
    alignment: Float[np.ndarray, "T N"]


class SpokenView:
    """Speaks texts of an evaluation set again.

    Args:
      predict: (variables, batch) -> what `evaluation.synthesis` scores; jitted.
      front_end: names the symbols.
      sample_rate, hop: in Hz, and samples of a frame.
      put: moves a batch to the devices.
    """

    def __init__(
        self,
        predict: Callable[[Variables, Any], Any],
        front_end: FrontEnd,
        *,
        sample_rate: int,
        hop: int,
        put: Callable[[Any], Any],
    ):
        self._predict = predict
        self._front_end = front_end
        self._rate, self._hop = sample_rate, hop
        self._put = put

    def pictures(self, variables: Variables, data: Any, indices: list[int]) -> dict[int, bytes]:
        """Alignments, above the spectrograms of the recording and of what was said."""
        found = {}
        for index, shown in self._shown(variables, data, indices):
            mels = [spectrogram(audio.features) for audio in (shown.recording, shown.made)]
            found[index] = png(_stacked([alignment_picture(shown.alignment), *mels]))
        return found

    def section(self, variables: Variables, data: Any, results: Mapping[int, SpokenScore]) -> str:
        """Texts with players, spectrograms with their symbols, and alignments; the worst first."""
        order = sorted(results, key=lambda index: -(next(iter(results[index].values.values()), None) or 0.0))
        wanted = order if len(order) <= SHOWN else order[: SHOWN - SHOWN // 3] + order[-(SHOWN // 3) :]
        shown = dict(self._shown(variables, data, wanted))
        cards = [self._card(shown[i], results[i], data.fields(i)) for i in wanted if i in shown]
        heading = "<h3>Furthest from the recording first; the last ones are the closest</h3>" if cards else ""
        return f'<p>{len(results)} texts.</p>{heading}<div class="cards">{"".join(cards)}</div>'

    def _card(self, shown: Shown, score: SpokenScore, fields: Mapping[str, Any]) -> str:
        scores = show_scores({name: value for name, value in score.values.items() if value is not None})
        texts = [("text", said(fields))] + ([] if score.heard is None else [("heard", score.heard)])
        words = "".join(f"<dt>{name}</dt><dd>{html.escape(text) or '<i>nothing</i>'}</dd>" for name, text in texts)
        show = played if len(shown.made.samples) else pictured
        image = base64.b64encode(png(alignment_picture(shown.alignment))).decode()
        return (
            f'<article style="grid-column: 1 / -1"><header><b>{html.escape(said(fields))}</b>'
            f"<span>{html.escape(scores)}</span></header><p class=note>said</p>{show(shown.made)}"
            f"<p class=note>recording, with the symbols that the aligner finds</p>{played(shown.recording)}"
            f'<p class=note>alignment</p><img class="mel" alt="alignment" src="data:image/png;base64,{image}">'
            f"<dl>{words}</dl></article>"
        )

    def _shown(self, variables: Variables, data: Any, indices: Iterable[int]) -> Iterator[tuple[int, Shown]]:
        wanted = set(indices)
        # With several processes, none holds the rows of the others.
        for batch in data.batches_with(wanted) if jax.process_count() == 1 else ():
            spoken = jax.device_get(self._predict(variables, self._put(batch)))
            for row, index in enumerate(np.asarray(batch.index).tolist()):
                if index in wanted:
                    yield index, self._row(spoken, batch, row)

    def _row(self, spoken: Any, batch: Any, row: int) -> Shown:
        mel, samples = getattr(spoken, "spoken", spoken), getattr(spoken, "samples", None)
        frames, wanted, count = int(mel.num_frames[row]), int(mel.num_target[row]), int(mel.num_symbols[row])
        ids = np.asarray(batch.text[row, :count])
        made = (
            np.zeros(0, np.float32) if samples is None else np.asarray(samples[row, : frames * self._hop], np.float32)
        )
        recording = np.asarray(batch.samples[row, : int(batch.num_samples[row])], np.float32)
        symbols = self._pieces(ids, mel.durations[row, :count])
        if len(made):
            replayed = heard(np.clip(made, -1, 1), self._rate, symbols)
        else:
            replayed = ReplayedAudio(made, self._rate, np.asarray(mel.mel[row, :frames]), tuple(symbols))
        true = heard(recording, self._rate, self._pieces(ids, mel.aligned[row, :count]))
        return Shown(replayed, true, np.asarray(mel.alignment[row, :wanted, :count]))

    def _pieces(self, ids: Int[np.ndarray, " N"], durations: Int[np.ndarray, " N"]) -> list[Piece]:
        ends = np.cumsum(durations) * self._hop / self._rate
        starts = ends - durations * self._hop / self._rate
        names = [self._front_end.tokenizer.pieces[number] for number in ids.tolist()]
        return [Piece(name, *place) for name, *place in zip(names, starts.tolist(), ends.tolist(), strict=True)]


def alignment_picture(alignment: Float[np.ndarray, "T N"]) -> UInt8[np.ndarray, "H W 3"]:
    """Draws how likely each symbol is at each frame: time to the right, the first symbol at the bottom."""
    levels = (np.clip(alignment.T[::-1], 0, 1) * 255).astype(np.uint8)
    return COLORS[levels].repeat(CELL, axis=0).repeat(CELL, axis=1)


def _stacked(images: list[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "H W 3"]:
    width = max(image.shape[1] for image in images)
    parts = []
    for image in images:
        filled = np.full((image.shape[0] + GAP, width, 3), 255, np.uint8)
        filled[: image.shape[0], : image.shape[1]] = image
        parts.append(filled)
    return np.concatenate(parts)
