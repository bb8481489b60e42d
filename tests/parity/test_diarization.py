"""Compares windows, turns and scores of diarization with NeMo's."""

import json

import numpy as np
import pytest

from jaxspeech.diarization.subsegments import merge_overlaps, subsegments
from jaxspeech.diarization.turns import Turn, Utterance, turns_of_labels
from jaxspeech.evaluation.cpwer import speaker_word_errors
from jaxspeech.evaluation.diarization import diarization_errors, total

# The stretch that NeMo scored where the name of a score ends in "uem", in seconds.
SCORED = [(2.0, 25.0)]


def texts_of(name, request):
    """NeMo's texts and numbers; skips if they are missing."""
    file = request.getfixturevalue("refs") / f"{name}.json"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    return json.loads(file.read_text())


def turns(lines):
    return [Turn(float(start), float(end), speaker) for start, end, speaker in map(str.split, lines)]


def test_windows(request):
    notes = texts_of("diar_segments", request)
    cases = {name: case for name, case in notes.items() if isinstance(case, dict)}
    for name, case in cases.items():
        window, shift = map(float, name.split(".", 1)[1].split("_"))
        start = case["offset"]
        found = subsegments(np.array([(start, start + case["duration"])]), window=window, shift=shift, shortest=0.0)
        ours = np.stack([found.times[:, 0], np.diff(found.times)[:, 0]], 1)
        np.testing.assert_allclose(ours, case["scriptable"], atol=1e-9, err_msg=name)
    assert cases


def test_merged_segments_and_turns(request):
    notes = texts_of("diar_segments", request)
    for given, expected in notes["merge_float_intervals"]:
        ours = merge_overlaps(np.array(given).reshape(-1, 2))
        np.testing.assert_allclose(ours, np.array(expected).reshape(-1, 2), atol=1e-6)
    for times, labels, expected in notes["labels"]:
        assert turns_of_labels(np.array(times), np.array(labels)) == turns(expected)


@pytest.mark.parametrize("name", ["diar_der", "diar_der_vox"])
def test_error_rates(name, request):
    notes = texts_of(name, request)
    compared = 0
    for key, expected in notes["scores"].items():
        system, rest = key.split(".collar")
        whole, hundredths, mode, *more = rest.split(".")
        found = {
            recording: diarization_errors(
                turns(lines),
                turns(notes["hypotheses"][system].get(recording, [])),
                collar=float(f"{whole}.{hundredths}"),
                skip_overlap=mode == "skip_overlap",
                scored=SCORED if more == ["uem"] else None,
            )
            for recording, lines in notes["reference"].items()
        }
        pairs = [(expected, total(list(found.values())))]
        if more == ["per_file"]:
            pairs = [(expected[recording], found[recording]) for recording in expected]
        for theirs, ours in pairs:
            values = {part: ours.share(getattr(ours, part)) for part in ("missed", "false_alarm", "confusion")}
            assert values | {"DER": ours.der} == pytest.approx(theirs, abs=1e-6), key
            compared += 1
    assert compared > 0


def test_words_of_speakers(request):
    for case in texts_of("diar_der", request)["cpwer"]:
        sides = [[Utterance(0, 1, str(i), text) for i, text in enumerate(case[side])] for side in ("ref", "hyp")]
        assert speaker_word_errors(*sides).rate == pytest.approx(case["value"], abs=1e-9)
