"""Parquet, lhotse's cuts and Shar give the same examples as a manifest, bit for bit, and name what cannot be used."""

import gzip
import io
import itertools
import json
import tarfile

import numpy as np
import pytest
import soundfile

from jaxspeech.data.cuts import line_of_cut
from jaxspeech.data.decode import Decoder
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import evaluation_data, training_data

RATE = 8000
TOKENIZER = CharTokenizer("abc ")
COUNT = 11
# Each example is a part of its recording.
OFFSET = 0.125


def flac(values):
    file = io.BytesIO()
    soundfile.write(file, values, RATE, format="FLAC")
    return file.getvalue()


def cut(i, seconds, text, source=None, **more):
    """As lhotse writes it, with a supervision for each word."""
    said = [
        {"id": f"{i}-{k}", "recording_id": f"r{i}", "start": 0.01 * k, "duration": 0.01, "channel": 0, "text": word}
        | {"speaker": "anna", "language": "en"}
        for k, word in enumerate(text.split())
    ]
    recording = {"id": f"r{i}", "sampling_rate": RATE, "num_samples": 1, "duration": 9.0, "channel_ids": [0]}
    recording["sources"] = [source or {"type": "file", "channels": [0], "source": f"{i}.flac"}]
    place = {"id": f"cut.{i}", "start": OFFSET, "duration": seconds, "channel": 0, "type": "MonoCut"}
    return place | {"supervisions": said[::-1], "recording": recording, "custom": {"cer": 0.1}} | more


def write_lines(path, lines):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The same examples as a manifest, as cuts, in Shar and, if pyarrow is there, in Parquet files."""
    folder, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    lines, cuts, rows, shar = [], [], [], []
    for i in range(COUNT):
        seconds, text = round(0.2 + 0.03 * ((7 * i) % COUNT), 3), " ".join(["ab", "c"][: 1 + i % 2])
        values = rng.integers(-9000, 9000, round((seconds + 0.3) * RATE)).astype(np.int16)
        (folder / f"{i}.flac").write_bytes(flac(values))
        part = flac(values[round(OFFSET * RATE) :][: round(seconds * RATE)])
        lines.append({"audio_filepath": f"{i}.flac", "offset": OFFSET, "duration": seconds, "text": text})
        cuts.append(cut(i, seconds, text))
        shar.append((cut(i, seconds, text, {"type": "shar", "channels": [0], "source": ""}, start=0), part))
        rows.append({"audio": {"bytes": part, "path": f"{i}.flac"}, "sentence": text, "speaker": i % 2, "score": 0.5})
    write_lines(folder / "train.jsonl", lines)
    write_lines(folder / "cuts.jsonl.gz", cuts)
    for number, first in enumerate(range(0, COUNT, 4)):
        write_lines(folder / f"shar.{number:06d}.jsonl.gz", [c for c, _ in shar[first : first + 4]])
        with tarfile.open(folder / f"recording.{number:06d}.tar", "w") as tar:
            for c, data in shar[first : first + 4]:
                for name, content in ((f"{c['id']}.flac", data), (f"{c['id']}.json", b"{}")):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    write_parquet(folder / "rows.parquet", rows)
    write_parquet(
        folder / "timed.parquet", [{**r, "duration": x["duration"]} for r, x in zip(rows, lines, strict=True)]
    )
    return folder


def write_parquet(path, rows):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    classes = {"info": {"features": {"speaker": {"names": ["anna", "bob"], "_type": "ClassLabel"}}}}
    table = arrow.Table.from_pylist(rows).replace_schema_metadata({"huggingface": json.dumps(classes)})
    parquet.write_table(table, path, row_group_size=3)


SOURCES = {
    "cuts": "cuts.jsonl.gz",
    "shar": {"path": "shar.{000000..000002}.jsonl.gz", "tars": "recording.{000000..000002}.tar"},
    "rows": "rows.parquet",
    "timed": {"path": "timed.parquet", "fields": {"text": "sentence"}},
}


def open_source(folder, name, **options):
    source = SOURCES.get(name, name)
    if isinstance(source, dict):
        source = source | {k: str(folder / source[k]) for k in ("path", "tars") if k in source}
    else:
        source = str(folder / source)
    return Manifest(source, need=("text",), **options)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_examples_of_the_manifest(corpus, name):
    plain, other = open_source(corpus, "train.jsonl"), open_source(corpus, name)
    np.testing.assert_array_equal(plain.durations, other.durations)
    assert list(plain.texts()) == list(other.texts())
    options = {"sample_rate": RATE, "buckets": 2, "batch_seconds": 2, "batch_size": 4}
    pairs = zip(
        evaluation_data(plain, TOKENIZER, **options).batches(),
        evaluation_data(other, TOKENIZER, **options).batches(),
        strict=True,
    )
    assert len([np.testing.assert_array_equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True)]) >= 15
    assert not len(other.problems)


@pytest.mark.parametrize("name", ["shar", "rows"])
def test_training_resumes_bit_for_bit(corpus, name):
    def batches(start, count):
        options = {"sample_rate": RATE, "buckets": 2, "batch_seconds": 2, "batch_size": 4, "cache_bytes": 0}
        return list(
            itertools.islice(training_data(open_source(corpus, name), TOKENIZER, **options).batches(start), count)
        )

    whole = batches(0, 9)
    for a, b in zip(whole[4:], batches(4, 5), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert sorted(np.unique(np.concatenate([batch.index for batch in whole])))[-COUNT:] == list(range(COUNT))


def test_fields_of_cuts_and_rows(corpus):
    fields = open_source(corpus, "cuts")[3].fields
    assert fields["id"] == "cut.3" and fields["cer"] == 0.1 and fields["speaker"] == "anna" and fields["lang"] == "en"
    row = open_source(corpus, "rows")[3]
    assert row.fields["speaker"] == "bob" and row.fields["score"] == 0.5
    assert str(row.path).endswith("rows.parquet#audio/1") and row.member == "3"


@pytest.mark.parametrize(
    "change, why",
    [
        ({"type": "PaddingCut"}, "a PaddingCut; of lhotse's cuts"),
        ({"recording": None}, "without a recording"),
        ({"channel": 1}, r"channel \[1\] of a recording with 2"),
        ({"transforms": [{"name": "Speed"}]}, "has transforms"),
        ({"sources": []}, "has 0 sources"),
        ({"source": "command"}, "its audio is in 'command'"),
    ],
)
def test_cuts_that_are_not_of_one_recording_say_so(tmp_path, change, why):
    wrong = cut(0, 1.0, "ab")
    for name, value in change.items():
        if name in ("type", "recording", "channel"):
            wrong[name] = value
        elif name == "source":
            wrong["recording"]["sources"][0]["type"] = value
        else:
            wrong["recording"][name] = value
    if "channel" in change:
        wrong["recording"]["channel_ids"] = [0, 1]
    with pytest.raises(ManifestError, match=why):
        line_of_cut(wrong, tmp_path / "cuts.jsonl")
    reported = []
    write_lines(tmp_path / "cuts.jsonl", [cut(1, 1.0, "ab"), wrong, cut(2, 1.0, "ab"), {"type": "MonoCut", "start": 0}])
    found = Manifest(tmp_path / "cuts.jsonl", problems=Problems(report=reported.append))
    assert len(found) == 2 and f"{tmp_path}/cuts.jsonl:2" in reported[0] and "cuts.jsonl:4" in reported[1]


def track(kind, made, **more):
    return {"type": kind, "cut": {name: value for name, value in made.items() if name != "type"}} | more


def test_a_mixed_cut_is_the_sum_of_its_tracks(corpus):
    """Two utterances one after the other with noise over them, between silence at the start and the end."""
    seconds = [0.2, 0.41, 0.3]
    parts = [cut(i, part, text) for i, (part, text) in enumerate(zip(seconds, ("ab", "c b", ""), strict=True))]
    silence = {"id": "p", "duration": 0.9, "sampling_rate": RATE, "num_samples": 7200, "feat_value": -23.0}
    tracks = [
        track("PaddingCut", silence),
        track("MonoCut", parts[0], offset=0.1),
        track("MonoCut", parts[1], offset=0.3),
        track("MonoCut", parts[2] | {"supervisions": []}, offset=0.25, snr=6.0),
        track("MonoCut", parts[2], offset=0.0, mute=True),
    ]
    write_lines(corpus / "mixed.jsonl", [{"id": "m", "type": "MixedCut", "tracks": tracks}, cut(0, 0.2, "ab")])
    manifest = Manifest(corpus / "mixed.jsonl")
    assert manifest[0].duration == 0.9 and manifest[0].fields["text"] == "ab c b"
    first, second, noise = (
        soundfile.read(corpus / f"{i}.flac", dtype="float32")[0][round(OFFSET * RATE) :][: round(part * RATE)]
        for i, part in enumerate(seconds)
    )
    expected = np.zeros(7200, np.float32)
    expected[800:2400] += first
    expected[2400:5680] += second
    expected[2000:4400] += noise * np.sqrt(np.mean(first**2) * 10**-0.6 / np.mean(noise**2))
    found = Decoder(manifest, sample_rate=RATE)(0)
    np.testing.assert_allclose(found, expected, atol=1 / 32768)
    np.testing.assert_array_equal(Decoder(manifest, sample_rate=RATE)(1), first)


@pytest.mark.parametrize(
    "tracks, why",
    [
        ([{"type": "MultiCut"}], "a mixed cut with a MultiCut"),
        ([{"type": "PaddingCut"}], "a mixed cut of padding alone"),
        ([{"snr": 3.0}], "none of them is the reference"),
    ],
)
def test_mixtures_that_cannot_be_made_say_so(tmp_path, tracks, why):
    tracks = [track(more.get("type", "MonoCut"), cut(0, 0.2, "a")) | more for more in tracks]
    with pytest.raises(ManifestError, match=why):
        line_of_cut({"id": "m", "type": "MixedCut", "tracks": tracks}, tmp_path / "cuts.jsonl")


def test_rows_that_cannot_be_used_are_counted_and_named(tmp_path):
    good = {"audio": {"bytes": flac(np.ones(800, np.int16)), "path": "a.flac"}, "text": "a"}
    bad = [
        {"audio": {"bytes": None, "path": "b.flac"}, "text": "b"},
        {"audio": {"bytes": b"no", "path": "c"}, "text": "c"},
    ]
    write_parquet(tmp_path / "rows.parquet", [good, *bad, good])
    reported = []
    found = Manifest(tmp_path / "rows.parquet", problems=Problems(report=reported.append))
    assert len(found) == 2 and [entry.member for entry in found] == ["0", "3"]
    assert "rows.parquet:2: has no bytes of audio" in reported[0] and "rows.parquet:3" in reported[1]
    # With durations nothing is read at first, and the row is found when its turn comes.
    write_parquet(tmp_path / "timed.parquet", [row | {"duration": 0.1} for row in (good, *bad, good)])
    entry = Manifest(tmp_path / "timed.parquet")[1]
    with pytest.raises(AudioError, match=r"timed\.parquet: row 1 has no bytes of audio"):
        Manifest(tmp_path / "timed.parquet").containers.read(entry.path, entry.member)


def test_what_is_no_parquet_file_with_audio_is_one_line(tmp_path):
    (tmp_path / "a.parquet").write_text("nothing of the kind")
    with pytest.raises(ManifestError, match=r"a\.parquet: not a Parquet file"):
        Manifest(tmp_path / "a.parquet")
    write_parquet(tmp_path / "b.parquet", [{"text": "a"}])
    with pytest.raises(ManifestError, match="no column has audio"):
        Manifest(tmp_path / "b.parquet")
    row = {"audio": {"bytes": b"", "path": ""}, "text": "a"}
    write_parquet(tmp_path / "c.parquet", [row])
    with pytest.raises(ManifestError, match="no column 'said'"):
        Manifest({"path": tmp_path / "c.parquet", "fields": {"text": "said"}})
    (tmp_path / "d.jsonl").write_text("{}\n")
    with pytest.raises(ManifestError, match="fields are named for Parquet files"):
        Manifest({"path": tmp_path / "d.jsonl", "fields": {"text": "said"}})
