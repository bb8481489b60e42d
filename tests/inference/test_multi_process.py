"""Several processes share a list of recordings: each is done once, resumed, merged in order."""

import contextlib
import json
from pathlib import Path

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.multi_process import Share, SharedOutput, find_share

RECORDINGS = [Recording(f"{i}.wav", Path(f"{i}.wav"), text=f"said {i}", fields={"id": i}) for i in range(7)]


def hypothesis(recording: Recording, *, error: str | None = None) -> Hypothesis:
    return Hypothesis(f"heard {recording.source}", 0.0, (), 1.0, 1.5, recording.source, error=error)


def shared(folder, process_id, *, of=2, recordings=RECORDINGS) -> SharedOutput:
    return SharedOutput(str(folder / "out.jsonl"), recordings, Share(process_id, of), output_format="jsonl")


def do(output: SharedOutput, count: int | None = None) -> list[str]:
    """Transcribes the first `count` of the remaining recordings; returns their names."""
    chosen = output.remaining[:count]
    with output.open() as write:
        for recording in chosen:
            write(recording, hypothesis(recording, error="broken" if recording.source == "3.wav" else None))
    return [recording.source for recording in chosen]


def test_killed_and_started_again_every_recording_is_done_once_and_merged_in_order(tmp_path):
    first, second = shared(tmp_path, 0), shared(tmp_path, 1)
    done = do(first, 2)
    part = tmp_path / "out.jsonl.parts" / "0000-of-0002.jsonl"
    part.write_bytes(part.read_bytes() + b'{"place": 4, "source": "4.w')  # killed in the middle of a line
    done += do(second)
    assert second.merge() is None and not (tmp_path / "out.jsonl").exists()
    assert not second.complete and second.remaining == []
    again = shared(tmp_path, 0)
    done += do(again)
    assert sorted(done) == [recording.source for recording in RECORDINGS]
    entries = again.merge()
    assert entries is not None and [entry["skipped"] for entry in entries] == [i == 3 for i in range(7)]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(line["id"], line["pred_text"]) for line in lines] == [(i, f"heard {i}.wav") for i in range(7) if i != 3]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert second.merge() is None and shared(tmp_path, 1).complete  # a later process finds nothing to do


def test_two_processes_of_the_same_number_are_refused(tmp_path):
    one, other = shared(tmp_path, 0), shared(tmp_path, 0)
    with one.open(), pytest.raises(ConfigError, match="another process has the same --process_id"), other.open():
        pass
    with other.open():
        pass


def test_a_different_number_of_processes_resumes_too(tmp_path):
    done = do(shared(tmp_path, 0, of=2), 2) + do(shared(tmp_path, 1, of=2), 1)
    rest = [do(shared(tmp_path, i, of=3)) for i in range(3)]
    assert sorted([*done, *(source for part in rest for source in part)]) == [
        recording.source for recording in RECORDINGS
    ]
    assert shared(tmp_path, 2, of=3).merge() is not None


def test_parts_of_another_list_are_refused(tmp_path):
    do(shared(tmp_path, 0))
    with pytest.raises(ConfigError, match="a different list"):
        _ = shared(tmp_path, 0, recordings=[Recording(f"x{i}.wav") for i in range(7)]).remaining


def test_an_edited_list_is_reported_and_only_what_it_changed_is_done_again(tmp_path):
    before = shared(tmp_path, 0, of=1)
    do(before)
    assert before.edited == "" and shared(tmp_path, 0, of=1).remaining == []
    new, other = Recording("new.wav"), RECORDINGS[5]._replace(fields={"id": 5, "speaker": "x"})
    edited = [new, *RECORDINGS[:5], other]  # one before all others, one with a new field, the last one deleted
    after = shared(tmp_path, 0, of=1, recordings=edited)
    assert "was edited" in after.edited and "of 7 results 5 are kept, 2 of now 7" in after.edited
    assert do(after) == ["new.wav", "5.wav"]
    entries = after.merge()
    assert entries is not None
    assert [entry["heard"] for entry in entries] == [f"heard {recording.source}" for recording in edited]


def test_where_all_were_skipped_an_old_output_stays(tmp_path):
    output = shared(tmp_path, 0, of=1)
    with output.open() as write:
        for recording in output.remaining:
            write(recording, hypothesis(recording, error="broken"))
    assert output.merge() is not None and list(tmp_path.iterdir()) == []


def test_what_cannot_be_formatted_is_done_and_keeps_its_place(tmp_path):
    output = shared(tmp_path, 0, of=1)
    with output.open() as write:
        for recording in output.remaining:
            bad = recording.source == "2.wav"
            with pytest.raises(TypeError) if bad else contextlib.nullcontext():
                write(recording._replace(fields={"id": object()}) if bad else recording, hypothesis(recording))
    entries = output.merge()
    assert entries is not None and [entry["skipped"] for entry in entries] == [i == 2 for i in range(7)]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 3, 4, 5, 6]


def test_the_share_comes_from_flags_or_from_the_launcher():
    slurm = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}
    assert find_share(None, None, environment={}) is None
    assert find_share(None, None, environment=slurm) == (3, 4)
    assert find_share(2, 1, environment=slurm) == (1, 2) and find_share(1, 0, environment={}) == (0, 1)
    for flags in ((2, None), (2, 2), (None, 0)):
        with pytest.raises(ConfigError, match="both are needed"):
            find_share(*flags, environment={})


@pytest.mark.parametrize(("output", "output_format", "why"), [(None, "jsonl", "--output=FILE"), ("x", "srt", "srt")])
def test_what_cannot_be_split_is_reported(output, output_format, why):
    with pytest.raises(ConfigError, match=why):
        SharedOutput(output, RECORDINGS, Share(0, 2), output_format=output_format)
