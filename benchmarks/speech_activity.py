"""Scores detectors of speech on recordings with RTTM: a model of frames, and silero-vad beside it on the same frames.

    python -m benchmarks.speech_activity --model=runs/vad/model.jaxspeech --manifest=ami_diar/manifest.jsonl \\
        --silero=silero_vad.onnx

The detection error rate is that of md-eval with no collar: missed and wrongly found speech over all true speech.
Each line of the manifest has "audio_filepath" and "rttm_filepath". Prints a JSON line for each
detector and each way to make segments of its probabilities:

  frames: speech where the probability is above 0.5;
  usual: silero-vad's default rules for both: on above 0.5, off below 0.35, silences of 0.1 s filled, 0.25 s at least;
  best: the best of a grid of these rules on these same recordings, so the least error that a detector can have here.

silero_vad.onnx is in the wheel of silero-vad (MIT) on PyPI, which itself needs torch; this needs `onnxruntime`.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import jaxspeech
from jaxspeech.audio.read import read
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.data.manifest import Manifest
from jaxspeech.diarization.line_turns import turns_of_line
from jaxspeech.diarization.subsegments import merge_overlaps
from jaxspeech.diarization.turns import Turn
from jaxspeech.evaluation.diarization import diarization_errors, total

RATE = 16000
# Silero's model takes 32 ms and the 4 ms before them.
STEP, CONTEXT = 512, 64
USUAL = {"onset": 0.5, "offset": 0.35, "min_silence": 0.1, "min_speech": 0.25, "silence_first": True}
USUAL |= {"pad_onset": 0.03, "pad_offset": 0.03}
# Probabilities of speech in each frame, and the seconds of a frame.
Detector = Callable[[np.ndarray], tuple[np.ndarray, float]]
# The same, the seconds of the recording, and its true speech, as the turns of one speaker.
Found = tuple[np.ndarray, float, float, list[Turn]]


def ours(path: str) -> Detector:
    """Loads a model of frames."""
    model = jaxspeech.load(path, jaxspeech.Classifier)

    def detect(samples: np.ndarray) -> tuple[np.ndarray, float]:
        found = model.segments([samples], sample_rate=RATE)[0]
        return found.probabilities, found.frame_seconds

    return detect


def silero(path: str) -> Detector:
    """Loads silero-vad's ONNX file for 16 kHz, one step of which returns a probability and its next state."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)

    def detect(samples: np.ndarray) -> tuple[np.ndarray, float]:
        state, context = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
        padded, found = np.pad(samples, (0, -len(samples) % STEP)), []
        for block in padded.reshape(-1, STEP):
            inputs = {"input": np.concatenate([context, block])[None], "state": state, "sr": np.asarray(RATE)}
            outputs: Any = session.run(None, inputs)
            probability, state = outputs
            context = block[-CONTEXT:]
            found.append(probability.item())
        return np.array(found), STEP / RATE

    return detect


def of_one(segments: Any) -> list[Turn]:
    """Makes turns of one speaker of segments (start, end, ...), joined where they overlap."""
    joined = merge_overlaps(np.array([(segment[0], segment[1]) for segment in segments]))
    return [Turn(start, end, "speech") for start, end in joined.tolist()]


def score(found: Sequence[Found], rules: dict[str, Any]) -> dict[str, float]:
    """Returns the error rate and its two parts, in percent of the true speech."""
    options, parts = SegmentOptions(**rules), []
    for probabilities, seconds, duration, truth in found:
        segments = speech_segments(probabilities, frame_seconds=seconds, options=options, duration=duration)
        parts.append(diarization_errors(truth, of_one(segments)))
    errors = total(parts)
    shares = {"error": errors.der}
    shares |= {"missed": errors.share(errors.missed), "false_alarms": errors.share(errors.false_alarm)}
    return {name: round(100 * share, 2) for name, share in shares.items()}


def grid() -> Iterable[dict[str, Any]]:
    """Yields 360 settings of the rules."""
    onsets, gaps, pads = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.0, 0.2, 0.5, 1.0, 1.5), (0.0, 0.1, 0.2, 0.3)
    for onset, gap, pad, shortest in itertools.product(onsets, gaps, pads, (0.0, 0.25)):
        low = max(onset - 0.15, onset / 2)
        yield {
            "onset": onset,
            "offset": low,
            "min_silence": gap,
            "min_speech": shortest,
            "pad_onset": pad,
            "pad_offset": pad,
        }


def main() -> None:
    """Prints the scores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speech_activity", description="Detection error rates")
    parser.add_argument("--model", action="append", default=[], help="a model of frames; may be repeated")
    parser.add_argument("--silero", help="the ONNX file of silero-vad")
    parser.add_argument("--manifest", required=True, help="recordings with rttm_filepath")
    flags = parser.parse_args()
    detectors = {path: ours(path) for path in flags.model}
    if flags.silero:
        detectors["silero-vad"] = silero(flags.silero)

    recordings = []
    for entry in Manifest(flags.manifest):
        samples, _ = read(entry.path, sample_rate=RATE)
        recordings.append((samples, of_one(turns_of_line(entry.fields))))

    for name, detect in detectors.items():
        found = [(*detect(samples), len(samples) / RATE, truth) for samples, truth in recordings]
        best = min(grid(), key=lambda rules: score(found, rules)["error"])
        for called, rules in (("frames", {}), ("usual", USUAL), ("best", best)):
            chosen = best if called == "best" else {}
            print(json.dumps({"detector": name, "rules": called, **score(found, rules), **chosen}))


if __name__ == "__main__":
    main()
