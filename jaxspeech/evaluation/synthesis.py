"""Scores of synthesised speech against recordings of the same texts.

"mel_distance" is the mel-cepstral distance in dB along the path of dynamic time warping (mel_distance.py), "duration"
how much longer it is than the recordings, "pitch" the root mean square difference of the pitch in cents where both are
voiced, along this path; "wer" what a recogniser hears wrong, and "dnsmos" an estimate of opinions (perceived.py).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.pitch import extract_pitch
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.evaluation.mel_distance import Path, mel_distance
from jaxspeech.evaluation.perceived import check_package, dnsmos
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.normalize import normalize

MEASURES = ("mel_distance", "duration", "pitch", "dnsmos")
# Those that need samples, not only mel frames.
OF_SAMPLES = ("pitch", "dnsmos")
# Samples of recordings, their rate in Hz -> what is heard in each.
Listen = Callable[[Sequence[Float[np.ndarray, " S"]], int], list[str]]
OCTAVE = 1200.0


class SpokenScore(NamedTuple):
    """The scores of one synthesised text.

    Attributes:
      values: by name; None where there is nothing to compare.
      frames, wanted: mel frames of it, and of the recording.
      heard: what a recogniser hears; None without one.
    """

    values: Mapping[str, float | None]
    frames: int
    wanted: int
    heard: str | None = None


class Pair(NamedTuple):
    """A synthesised text and its recording.

    Attributes:
      mel, wanted_mel: log-mel frames.
      samples, wanted_samples: in [-1, 1]; no samples where there is no vocoder.
    """

    mel: Float[np.ndarray, "T F"]
    wanted_mel: Float[np.ndarray, "R F"]
    samples: Float[np.ndarray, " S"] | None = None
    wanted_samples: Float[np.ndarray, " W"] | None = None


def check_measures(measures: Sequence[str]) -> None:
    """Checks that these scores are known and can be computed.

    Raises:
      ConfigError: one is not known, or its package is not installed.
    """
    for name in measures:
        if name not in MEASURES:
            raise ConfigError(f"{name!r} is not a score{did_you_mean(name, MEASURES)}")
        check_package(name)


def score_pair(
    pair: Pair, *, sample_rate: int, hop: int, measures: Sequence[str] = MEASURES[:3], heard: str | None = None
) -> SpokenScore:
    """Scores one text.

    Args:
      pair: what was made, and the recording.
      sample_rate, hop: of the samples in Hz, and samples of a frame.
      measures: names among `MEASURES`.
      heard: what a recogniser hears.
    """
    frames, wanted = len(pair.mel), len(pair.wanted_mel)
    values: dict[str, float | None] = dict.fromkeys(measures)
    if frames and wanted:
        distance, path = mel_distance(pair.mel, pair.wanted_mel)
        values |= {"mel_distance": distance} if "mel_distance" in measures else {}
        if pair.samples is not None and pair.wanted_samples is not None and "pitch" in measures:
            values["pitch"] = _pitch_error(pair.samples, pair.wanted_samples, path, sample_rate=sample_rate, hop=hop)
    if "duration" in measures and wanted:
        values["duration"] = frames / wanted - 1
    if "dnsmos" in measures and pair.samples is not None:
        values["dnsmos"] = (dnsmos(pair.samples, sample_rate) or {}).get("dnsmos")
    return SpokenScore(values, frames, wanted, heard)


def _pitch_error(
    samples: Float[np.ndarray, " S"], wanted: Float[np.ndarray, " W"], path: Path, *, sample_rate: int, hop: int
) -> float | None:
    """The root mean square difference in cents, where both are voiced."""
    found, true = (extract_pitch(x, sample_rate, hop=hop) for x in (samples, wanted))
    a, b = (pitch[np.minimum(places, len(pitch) - 1)] for pitch, places in zip((found, true), path, strict=True))
    both = (a > 0) & (b > 0)
    return float(np.sqrt(np.mean((OCTAVE * np.log2(a[both] / b[both])) ** 2))) if both.any() else None


def synthesis_scores(
    *, sample_rate: int, hop: int, measures: Sequence[str] = MEASURES[:3], listen: Listen | None = None
) -> Evaluation:
    """Returns the evaluation of what a text-to-mel model, or a voice, says for the texts of recordings.

    Args:
      sample_rate: in Hz.
      hop: samples of a frame.
      measures: names among `MEASURES`.
      listen: a recogniser, for the word error rate of what it hears.

    Raises:
      ConfigError: a score is not known, or its package is not installed.
    """
    check_measures(measures)
    options: Any = {"sample_rate": sample_rate, "hop": hop, "measures": tuple(measures)}

    def collect(prediction: Any, batch: Any) -> list[SpokenScore]:
        mel, samples = getattr(prediction, "spoken", prediction), getattr(prediction, "samples", None)
        pairs = []
        for row, count in enumerate(np.asarray(batch.num_samples).tolist()):
            frames, wanted = int(mel.num_frames[row]), int(mel.num_target[row])
            sound = None if samples is None else np.asarray(samples[row, : frames * hop], np.float32)
            recording = np.asarray(batch.samples[row, :count], np.float32)
            pairs.append(Pair(mel.mel[row, :frames], mel.target[row, :wanted], sound, recording))
        real = np.flatnonzero(np.asarray(batch.index) >= 0).tolist()
        heard: dict[int, str] = {}
        if listen is not None and samples is not None:
            sounds = [sound for row in real if (sound := pairs[row].samples) is not None]
            heard = dict(zip(real, listen(sounds, sample_rate), strict=True))
        return [
            score_pair(pair, heard=heard.get(row), **options) if row in real else SpokenScore({}, 0, 0)
            for row, pair in enumerate(pairs)
        ]

    def score(found: Mapping[int, SpokenScore], fields: Mapping[int, Fields]) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name in dict.fromkeys(name for row in found.values() for name in row.values if name != "duration"):
            known = [value for row in found.values() if (value := row.values.get(name)) is not None]
            if known:
                scores[name] = float(np.mean(known))
        if "duration" in measures and (wanted := sum(row.wanted for row in found.values())):
            scores["duration"] = sum(row.frames for row in found.values()) / wanted - 1
        heard = {index: row.heard for index, row in found.items() if row.heard is not None}
        counts = word_errors([normalize(said(fields[i])) for i in heard], [normalize(text) for text in heard.values()])
        return scores | ({"wer": counts.rate} if counts.length else {})

    def sample(found: SpokenScore, fields: Fields) -> str:
        heard = "" if found.heard is None else f"\n  heard: {found.heard}"
        return f"  said:  {said(fields)}{heard}\n  {show_scores(_known(found.values))}"

    rising = ("dnsmos",)
    return Evaluation(
        True, collect, score, show_scores, sample, identity=("text",), shares=("wer", "duration"), rising=rising
    )


def said(fields: Fields) -> str:
    """The text of an example; "" without one."""
    return str(fields.get("text") or "")


def show_scores(scores: Scores) -> str:
    """The scores in words: "mel distance 5.12 dB, 3.1% longer, pitch 120 cents off, WER 4.20%"."""
    parts = []
    if "mel_distance" in scores:
        parts.append(f"mel distance {scores['mel_distance']:.2f} dB")
    if "duration" in scores:
        share = scores["duration"]
        parts.append(f"{abs(share):.1%} {'longer' if share >= 0 else 'shorter'}")
    if "pitch" in scores:
        parts.append(f"pitch {scores['pitch']:.0f} cents off")
    if "wer" in scores:
        parts.append(f"WER {scores['wer']:.2%}")
    if "dnsmos" in scores:
        parts.append(f"DNSMOS {scores['dnsmos']:.2f}")
    return ", ".join(parts) or "no score (nothing was said)"


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
