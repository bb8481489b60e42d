"""Shows an utterance in HTML: an audio player, the spectrogram with the recognised tokens, and both transcripts."""

import base64
import html
import io

import soundfile

from jaxspeech.report.picture import png, spectrogram
from jaxspeech.report.utterance import ReplayedAudio, Utterance
from jaxspeech.spacing import space_before
from jaxspeech.text.differences import differences

PIXELS_A_SECOND = 110
# Below the spectrogram: height of the band of tokens, rows of labels, and width of a letter; in pixels.
BAND, LABEL_ROWS, LETTER = 39, 2, 6.5
HEIGHT = 110


def card(utterance: Utterance, audio: ReplayedAudio | None) -> str:
    """The HTML of one utterance; without audio, only its words."""
    errors = utterance.errors
    seconds = f"{utterance.seconds:.1f} s" if utterance.seconds else ""  # not known
    facts = [utterance.speaker, seconds, f"{errors.errors} of {errors.length} words"]
    title = f"<b>{html.escape(utterance.name)}</b><span>{html.escape(' · '.join(filter(None, facts)))}</span>"
    seen = "" if audio is None else played(audio)
    return f"<article><header>{title}</header>{seen}{transcripts(utterance)}</article>"


def played(audio: ReplayedAudio) -> str:
    """The HTML of a recording: a player, and its spectrogram with the recognised tokens."""
    return _player(audio) + _picture(audio, len(audio.samples) / audio.sample_rate)


def pictured(audio: ReplayedAudio) -> str:
    """The HTML of a spectrogram with its tokens, without a player; it lasts until the last token."""
    return _picture(audio, max((piece.end for piece in audio.pieces), default=0.0) or 1.0)


def transcripts(utterance: Utterance) -> str:
    """Both transcripts, with the differences marked."""
    said, heard = "", ""
    for part in differences(utterance.said, utterance.heard):
        before, after = html.escape(part.said), html.escape(part.heard)
        if before:
            said += space_before(part.said) + (before if part.kind == "equal" else f"<del>{before}</del>")
        if after:
            heard += space_before(part.heard) + (after if part.kind == "equal" else f"<ins>{after}</ins>")
    rows = (("said", said), ("heard", heard))
    cells = (f"<dt>{name}</dt><dd>{words.strip() or '<i>nothing</i>'}</dd>" for name, words in rows)
    return f"<dl>{''.join(cells)}</dl>"


def _player(audio: ReplayedAudio) -> str:
    file = io.BytesIO()
    # FLAC is small and lossless, so that one hears what the model got.
    soundfile.write(file, audio.samples, audio.sample_rate, format="FLAC", subtype="PCM_16")
    return f'<audio controls preload="none" src="{_data_uri("audio/flac", file.getvalue())}"></audio>'


def _picture(audio: ReplayedAudio, seconds: float) -> str:
    width = max(160, round(seconds * PIXELS_A_SECOND))
    image = _data_uri("image/png", png(spectrogram(audio.features)))
    parts = [f'<image href="{image}" width="{width}" height="{HEIGHT}" preserveAspectRatio="none"/>']
    free = [0.0] * LABEL_ROWS
    for i, piece in enumerate(audio.pieces):
        x = piece.start / seconds * width
        span = max(2.0, (piece.end - piece.start) / seconds * width)
        tip = f"{piece.text} {piece.start:.2f} to {piece.end:.2f} s"
        room = LETTER * (len(piece.text) + 1)
        at = max(0.0, min(x, width - room))  # keeps the label inside the picture
        row = next((row for row in range(LABEL_ROWS) if free[row] <= at), None)
        label = ""
        if row is not None:  # where tokens are dense, some have only a tooltip
            free[row] = at + room
            label = f'<text x="{at:.1f}" y="{HEIGHT + 20 + 13 * row}">{html.escape(piece.text)}</text>'
        parts.append(
            f'<rect class="piece{i % 2}" x="{x:.1f}" y="{HEIGHT + 2}" width="{span:.1f}" height="5">'
            f"<title>{html.escape(tip)}</title></rect>" + label
        )
    height = HEIGHT + (BAND if audio.pieces else 0)
    drawing = (
        f'<svg class="mel" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )
    return f'<div class="scroll">{drawing}</div>'


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
