"""Draws who speaks when: a lane for each speaker, wrapped into strips like lines of text.

An SVG is a picture alone. An HTML page has the recording too, where a click on a turn plays it. Neither loads anything
from elsewhere; the page's content security policy forbids requests, and scripts but its own.
"""

import base64
import hashlib
import html
import io
import math
from collections.abc import Sequence

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.report.style import CSS

# Lengths of a strip in seconds, of which the shortest is taken that makes at most so many strips.
STRIP_SECONDS, MOST_STRIPS = (10, 30, 60, 120, 300, 600, 1800), 24
# In pixels: width of a strip, space for names, height of a lane, space for times, and space between strips.
WIDTH, LEFT, LANE, AXIS, GAP = 1000, 110, 20, 20, 14
MARKS = 10  # times below a strip
# Of the lanes; they differ in lightness too.
COLORS = ("#2563c9", "#d97706", "#0f766e", "#9333a8", "#c62828", "#4d7c0f", "#0891b2", "#be185d", "#6b7280", "#854d0e")
LETTERS = 15  # of a name that are shown
# Where turns of a strip are fainter, they are less certain.
FAINTEST = 0.35

Turns = Sequence[tuple[float, float, str]]
Confidences = Sequence[float]


def timeline_svg(title: str, turns: Turns, *, duration: float, confidences: Confidences = ()) -> str:
    """Returns an SVG file.

    Args:
      title: above the picture.
      turns: (start, end, speaker) of each, times in seconds.
      duration: of the recording, in seconds.
      confidences: of each turn, from 0 to 1; none: all are certain.
    """
    drawing, height = _strips(turns, duration, confidences, top=34)
    total = LEFT + WIDTH + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height}" viewBox="0 0 {total} {height}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#444">\n<rect width="{total}" height="{height}" '
        f'fill="#fff"/>\n<text x="8" y="20" font-size="15" font-weight="600">{_text(title)}</text>\n{drawing}</svg>\n'
    )


def timeline_html(
    title: str,
    turns: Turns,
    *,
    duration: float,
    confidences: Confidences = (),
    samples: Float[np.ndarray, " S"] | None = None,
    sample_rate: int = 16000,
) -> str:
    """Returns an HTML page with the picture, a table of the speakers, and the recording to listen to.

    Args:
      title, turns, duration, confidences: as for `timeline_svg`.
      samples: of the recording; None: the page has no sound.
      sample_rate: in Hz.
    """
    drawing, height = _strips(turns, duration, confidences, top=4)
    total = LEFT + WIDTH + 20
    player = "" if samples is None else f'<audio id="player" controls src="{_sound(samples, sample_rate)}"></audio>'
    listen = "" if samples is None else "Click a turn, or anywhere in the picture, to hear it. "
    faint = "Fainter turns are less certain." if len(confidences) else ""
    body = (
        f'<h1>{_text(title)}</h1>\n<p class="note">{listen}{faint}</p>\n<div class="bar">{player}</div>\n'
        f'<div class="scroll"><svg id="timeline" width="{total}" height="{height}" viewBox="0 0 {total} {height}">'
        f'{drawing}<line id="now" class="now" y1="0" y2="0" x1="-9" x2="-9"/></svg></div>\n{_table(turns, duration)}'
    )
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return _PAGE.format(title=_text(title), css=CSS + _CSS, body=body, digest=digest, script=_SCRIPT)


def speakers_in_order(turns: Turns) -> list[str]:
    """Lists the speakers in the order in which they begin to speak."""
    return list(dict.fromkeys(speaker for _, _, speaker in sorted(turns, key=lambda turn: turn[:2])))


def _strips(turns: Turns, duration: float, confidences: Confidences, *, top: int) -> tuple[str, int]:
    """Draws all strips; returns them and the height that they need."""
    speakers = speakers_in_order(turns)
    lanes, end = max(len(speakers), 1), max([duration, *(turn[1] for turn in turns)], default=0.0) or 1.0
    length = next((s for s in STRIP_SECONDS if end <= s * MOST_STRIPS), STRIP_SECONDS[-1])
    length = min(length, max(math.ceil(end), 1)) if end <= STRIP_SECONDS[0] else length
    count, step = max(math.ceil(end / length), 1), lanes * LANE + AXIS + GAP
    scale, parts = WIDTH / length, list[str]()
    for strip in range(count):
        y, begin = top + strip * step, strip * length
        shown = min(end - begin, length) * scale
        parts.append(
            f'<g class="strip" data-begin="{begin}" data-length="{length}" data-y="{y}" data-height="{lanes * LANE}">'
            f'<rect class="ground" x="{LEFT}" y="{y}" width="{shown:.1f}" height="{lanes * LANE}" fill="#f1f2ef"/></g>'
        )
        for lane, speaker in enumerate(speakers):
            name = speaker if len(speaker) <= LETTERS else speaker[: LETTERS - 1] + "…"
            parts.append(
                f'<text x="{LEFT - 8}" y="{y + lane * LANE + 14}" text-anchor="end" fill="{_color(lane)}">'
                f"<title>{_text(speaker)}</title>{_text(name)}</text>"
            )
        if not speakers:
            parts.append(f'<text x="{LEFT + 8}" y="{y + 14}">nobody speaks</text>')
        for mark in range(MARKS + 1):
            seconds = begin + mark * length / MARKS
            if seconds <= end + 1e-6:
                x = LEFT + (seconds - begin) * scale
                parts.append(
                    f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + lanes * LANE + 3}" '
                    f'stroke="#d4d6d1"/>'
                    f'<text class="time" x="{x:.1f}" y="{y + lanes * LANE + 15}" text-anchor="middle" font-size="11">'
                    f"{_clock(seconds, exact=length < MARKS * 2)}</text>"
                )
    lane_of = {speaker: lane for lane, speaker in enumerate(speakers)}
    for number, (start, stop, speaker) in enumerate(turns):
        sure = confidences[number] if number < len(confidences) else 1.0
        tip = f"{speaker} {_clock(start, exact=True)} to {_clock(stop, exact=True)}"
        tip += f", confidence {sure:.2f}" if len(confidences) else ""
        lane, opacity = lane_of[speaker], FAINTEST + (1 - FAINTEST) * min(max(sure, 0.0), 1.0)
        for strip in range(int(start // length), min(int(stop // length), count - 1) + 1):
            first, last = max(start, strip * length), min(stop, (strip + 1) * length)
            if last > first:
                parts.append(
                    f'<rect class="turn" data-start="{start:.3f}" data-end="{stop:.3f}" '
                    f'x="{LEFT + (first - strip * length) * scale:.1f}" y="{top + strip * step + lane * LANE + 3}" '
                    f'width="{max((last - first) * scale, 1):.1f}" height="{LANE - 6}" rx="2" fill="{_color(lane)}" '
                    f'fill-opacity="{opacity:.2f}"><title>{_text(tip)}</title></rect>'
                )
    return "\n".join(parts) + "\n", top + count * step


def _table(turns: Turns, duration: float) -> str:
    rows = []
    for lane, speaker in enumerate(speakers_in_order(turns)):
        own = [stop - start for start, stop, name in turns if name == speaker]
        share = 100 * sum(own) / duration if duration else 0.0
        rows.append(
            f'<tr><th style="color:{_color(lane)}">{_text(speaker)}</th><td>{len(own)}</td><td>{sum(own):.1f} s</td>'
            f"<td>{share:.0f} %</td></tr>"
        )
    head = "<tr><th>speaker</th><th>turns</th><th>time</th><th>of the recording</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _sound(samples: Float[np.ndarray, " S"], sample_rate: int) -> str:
    """The recording as a data URI: MP3, an eighth of the size of its samples, or FLAC where that cannot be written."""
    file, lossy = io.BytesIO(), "MP3" in soundfile.available_formats() and sample_rate <= 48000
    kind, coding = ("MP3", "MPEG_LAYER_III") if lossy else ("FLAC", "PCM_16")
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format=kind, subtype=coding)
    kind = "audio/mpeg" if lossy else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _color(lane: int) -> str:
    return COLORS[lane % len(COLORS)]


def _clock(seconds: float, *, exact: bool) -> str:
    whole = seconds if exact else round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:05.2f}" if exact else f"{int(rest):02d}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def _text(text: str) -> str:
    """Escapes a text; characters that XML forbids are replaced."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in text))


_CSS = """
.bar { position: sticky; top: 0; background: var(--page); z-index: 1; }
.turn { cursor: pointer; } .turn:hover { stroke: var(--ink); stroke-width: 1.5; }
.ground { fill: var(--rule); fill-opacity: .45; cursor: pointer; }
svg .grid { stroke: var(--rule); pointer-events: none; }
#timeline text { font-size: 12px; } #timeline .time { font-size: 11px; }
.now { stroke: var(--bad); stroke-width: 1.5; pointer-events: none; }
main { max-width: 1170px; } table { max-width: 560px; margin-top: 20px; }
"""

# A click plays a turn to its end; a line follows the player.
_SCRIPT = """
const player = document.getElementById("player"), now = document.getElementById("now");
const strips = [...document.querySelectorAll(".strip")].map(s => s.dataset), left = LEFT, width = WIDTH;
let stop = Infinity;
function show() {
  const at = player.currentTime;
  const s = strips.find(s => at < +s.begin + +s.length) || strips[strips.length - 1];
  const x = left + (at - s.begin) / s.length * width;
  for (const [name, value] of [["x1", x], ["x2", x], ["y1", s.y], ["y2", +s.y + +s.height]])
    now.setAttribute(name, value);
  if (at >= stop) { player.pause(); stop = Infinity; }
  if (!player.paused) requestAnimationFrame(show);
}
if (player) {
  for (const name of ["play", "seeked", "timeupdate"]) player.addEventListener(name, show);
  document.getElementById("timeline").addEventListener("click", event => {
    const turn = event.target.closest(".turn"), ground = event.target.closest(".strip");
    if (turn) { player.currentTime = +turn.dataset.start; stop = +turn.dataset.end; }
    else if (ground) {
      const box = event.currentTarget.getBoundingClientRect();
      const x = (event.clientX - box.left - left) / width;
      player.currentTime = +ground.dataset.begin + x * ground.dataset.length;
      stop = Infinity;
    } else return;
    player.play();
  });
}
""".replace("LEFT", str(LEFT)).replace("WIDTH", str(WIDTH))

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; media-src data:; \
script-src 'sha256-{digest}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
