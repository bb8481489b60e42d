"""Compares the turns of probabilities with the lines that NeMo's post-processing of Sortformer prints."""

from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.activity_turns import turns_of_activity
from tests.parity.reference import arrays_of
from tests.parity.test_speech_segments import options_of


def lines(probabilities, options: SegmentOptions):
    found, _ = turns_of_activity(probabilities, frame_seconds=0.08, options=options)
    found = sorted(found, key=lambda turn: (int(turn.speaker.removeprefix("speaker_")), turn.start))
    return [f"{start:.3f} {end:.3f} {speaker}" for start, end, speaker in found]


def test_lines_are_those_of_nemo(request):
    arrays, notes = arrays_of("sortformer_post", request)
    compared = 0
    for name, expected in notes["lines"].items():
        case, number = name.split(".")
        options = options_of(notes["params"][int(number)], last_frame=False)
        probabilities = arrays[f"preds.{case}"]
        assert lines(probabilities.reshape(-1, probabilities.shape[-1]), options) == expected, name
        compared += 1
    assert compared > 0
