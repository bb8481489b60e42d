"""Audio in local or remote tars and ArrayRecord files: the same batches, read in windows, resumed at any step."""

import gzip
import io
import itertools
import json
import tarfile

import fsspec
import grain
import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main
from jaxspeech.data import shard_windows as windows
from jaxspeech.data.braces import expand, numbers_of
from jaxspeech.data.containers import Containers
from jaxspeech.data.decode import Decoder
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.records import write_records
from jaxspeech.data.tars import Tar
from jaxspeech.errors import AudioError, ManifestError, SpeechError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import evaluation_data, training_data

RATE, SHARDS, PER_SHARD = 8000, 6, 5
TOKENIZER = CharTokenizer("abc ")


def speech():
    """(name, text, samples) of each utterance."""
    rng = np.random.default_rng(3)
    for i in range(SHARDS * PER_SHARD):
        samples = rng.integers(-9000, 9000, int(rng.uniform(0.2, 1.0) * RATE)).astype(np.int16)
        yield f"u{i}", "".join(rng.choice(list("abc "), 5)).strip() or "a", samples


def flac(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The same speech as files, as NeMo's tars with a manifest, and as WebDataset's with text and JSON inside."""
    folder = tmp_path_factory.mktemp("tars")
    lines, plain = [], []
    for shard in range(SHARDS):
        with (
            tarfile.open(folder / f"audio_{shard}.tar", "w") as nemo,
            tarfile.open(folder / f"web-{shard:03d}.tar", "w") as web,
            tarfile.open(folder / f"packed-{shard}.tar.gz", "w:gz") as packed,
        ):
            for name, text, samples in itertools.islice(speech(), shard * PER_SHARD, (shard + 1) * PER_SHARD):
                data, seconds = flac(samples), len(samples) / RATE
                (folder / f"{name}.flac").write_bytes(data)
                add(nemo, f"{name}.flac", data)
                for tar in (web, packed):
                    add(tar, f"x/{name}.flac", data)
                    if int(name[1:]) % 2:
                        add(tar, f"x/{name}.txt", text.encode())
                    else:
                        add(tar, f"x/{name}.json", json.dumps({"text": text, "speaker": name}).encode())
                plain.append({"audio_filepath": f"{name}.flac", "duration": seconds, "text": text})
                lines.append(plain[-1] | {"audio_filepath": f"some/where/{name}.wav", "shard_id": shard})
    for name, entries in (("plain", plain), ("tarred", lines)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    remote = fsspec.filesystem("memory")
    for path in folder.iterdir():
        remote.pipe_file(f"/bucket/{path.name}", path.read_bytes())
    return folder


def sources(folder):
    return {
        "files at a URL": "memory://bucket/plain.jsonl",
        "tars": {"path": f"{folder}/tarred.jsonl", "tars": f"{folder}/audio__OP_0..{SHARDS - 1}_CL_.tar"},
        "tars at a URL": {
            "path": "memory://bucket/tarred.jsonl",
            "tars": f"memory://bucket/audio_{{0..{SHARDS - 1}}}.tar",
        },
        "tars alone": {"tars": f"{folder}/web-{{000..00{SHARDS - 1}}}.tar"},
        "packed tars": {"tars": f"{folder}/packed-{{0..{SHARDS - 1}}}.tar.gz"},
    }


def quiet():
    return Problems(report=lambda line: None)


@pytest.mark.parametrize("kind", list(sources("")))
def test_every_kind_of_storage_gives_the_same_speech(corpus, kind):
    manifest = Manifest(sources(corpus)[kind], problems=quiet())
    decode, expected = Decoder(manifest, sample_rate=RATE), list(speech())
    assert [entry.fields["text"] for entry in manifest] == [text for _, text, _ in expected] and not len(
        manifest.problems
    )
    for index, (_, _, samples) in enumerate(expected):
        np.testing.assert_array_equal(decode(index), samples / np.float32(32768))
        assert manifest.durations[index] == len(samples) / RATE


def training(source, **options):
    options = {"sample_rate": RATE, "buckets": [0.6, 1.0], "batch_seconds": 4, "batch_size": 4, "seed": 5} | options
    return training_data(Manifest(source, problems=quiet()), TOKENIZER, **options)


def test_tars_are_read_window_by_window(corpus, monkeypatch):
    monkeypatch.setattr(windows, "MIXED", 2)
    data = training(sources(corpus)["tars at a URL"])
    for epoch in range(2):
        first, last = data._epochs.first_step(epoch), data._epochs.first_step(epoch + 1)
        batches = list(itertools.islice(data.batches(first), last - first))
        order = [sorted({int(i) // PER_SHARD for i in batch.index if i >= 0}) for batch in batches]
        shards = list(dict.fromkeys(shard for batch in order for shard in batch))
        assert sorted(shards) == list(range(SHARDS)) and shards != sorted(shards)
        seen = np.concatenate([batch.index for batch in batches])
        assert sorted(seen[seen >= 0]) == list(range(SHARDS * PER_SHARD))
        # Each batch comes from its own window and, for leftovers, from earlier ones.
        reached = np.maximum.accumulate([max(shards.index(s) for s in batch) // 2 for batch in order])
        assert [max(shards.index(s) for s in batch) // 2 for batch in order] == reached.tolist()
    assert not len(data.problems)


def test_resumed_at_any_step_tars_give_the_same_batches(corpus):
    source = sources(corpus)["tars at a URL"]
    whole = list(itertools.islice(training(source).batches(), 20))
    for start in (1, 9, 13):
        for batch, other in zip(whole[start:], training(source, num_threads=1).batches(start), strict=False):
            for a, b in zip(batch, other, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_tar_is_fetched_once_while_its_window_lasts(corpus, monkeypatch):
    opened = []
    monkeypatch.setattr("jaxspeech.data.containers.Tar", lambda path: opened.append(path) or Tar(path))
    data = training(sources(corpus)["tars at a URL"], cache_bytes=0)
    list(itertools.islice(data.batches(), 2 * data.steps_per_epoch))
    assert sorted(opened) == [f"memory://bucket/audio_{i}.tar" for i in range(SHARDS)]


def test_files_and_tars_are_mixed_by_weight(corpus):
    manifest = Manifest([sources(corpus)["tars"], {"path": corpus / "plain.jsonl", "weight": 2}], problems=quiet())
    data = training_data(manifest, TOKENIZER, sample_rate=RATE, buckets=[1.0], batch_seconds=8, batch_size=8)
    seen = np.concatenate([b.index for b in itertools.islice(data.batches(), data.steps_per_epoch)])
    times = np.bincount(seen[seen >= 0], minlength=len(manifest))
    assert (times[: SHARDS * PER_SHARD] == 1).all() and (times[SHARDS * PER_SHARD :] == 2).all()


def test_temperature_evens_out_the_shares_of_the_sources(tmp_path):
    def write(name, count):
        line = json.dumps({"audio_filepath": "a.wav", "duration": 2.0, "text": "a"})
        (tmp_path / name).write_text((line + "\n") * count)
        return tmp_path / name

    one, many = write("one.jsonl", 10), write("many.jsonl", 90)
    for temperature, expected in ((1, [0.1, 0.9]), (2, [0.25, 0.75]), (1e9, [0.5, 0.5])):
        manifest = Manifest([one, many], temperature=temperature)
        shares = [manifest.weights[:10].sum() / 100, manifest.weights[10:].sum() / 100]
        np.testing.assert_allclose(shares, expected, rtol=1e-6)
        weighted = Manifest([one, {"path": many, "weight": 3}], temperature=temperature)
        np.testing.assert_allclose(weighted.weights.sum(), 10 + 3 * 90)  # an epoch is as long as without


def test_a_damaged_tar_loses_only_the_members_after_the_damage(corpus, tmp_path):
    data = (corpus / "audio_2.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    tar = Tar(tmp_path / "cut.tar")
    assert tar.read("u10.flac") == tar.read("x/u10-sub2.wav") == (corpus / "u10.flac").read_bytes()
    with pytest.raises(AudioError, match=r"cut\.tar: (ends within|holds no) u14\.flac"):
        tar.read("u14.flac")
    (tmp_path / "no.tar").write_bytes(b"x" * 2000)
    with pytest.raises(AudioError, match=r"no\.tar: not a tar"):
        Tar(tmp_path / "no.tar")


def test_a_missing_tar_is_named_and_its_speech_counted(corpus):
    source = {"path": corpus / "tarred.jsonl", "tars": f"memory://elsewhere/audio_{{0..{SHARDS - 1}}}.tar"}
    data = training(source)
    with pytest.raises(ManifestError, match=r"unusable .*memory://elsewhere/audio_\d\.tar: no such file"):
        list(itertools.islice(data.batches(), data.steps_per_epoch))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"tars": "x_{1..}.tar"}, r"neither a range"),
        ({"tars": "x_{3..1}.tar"}, r"runs backwards"),
        ({"path": "m_{0..2}.jsonl", "tars": "a_{0..1}.tar"}, r"3 manifests, but 2 tars"),
        ({"tars": "memory://nowhere/x.tar"}, r"memory://nowhere/x\.tar: no such file"),
        ("unknown://a/b.jsonl", r"unknown"),
    ],
)
def test_unusable_sources_are_one_line(source, message):
    with pytest.raises(SpeechError, match=message) as caught:
        Manifest(source)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_is_a_bad_line(corpus):
    with pytest.raises(ManifestError, match=r"the shard_id is 4; the tars have the numbers 0 to 3"):
        Manifest(
            {"path": corpus / "tarred.jsonl", "tars": f"{corpus}/audio_{{0..3}}.tar"},
            problems=Problems(max_few=4, report=print),
        )


def test_braces():
    assert expand("a_{8..11}.tar") == ["a_8.tar", "a_9.tar", "a_10.tar", "a_11.tar"]
    assert expand("a__OP_0..1_CL_-{x,y}") == ["a_0-x", "a_0-y", "a_1-x", "a_1-y"]
    assert expand("s{08..10}") == ["s08", "s09", "s10"] and expand("plain (1)") == ["plain (1)"]
    assert numbers_of(["b/a_3.tar", "b/a_12.tar"]) == [3, 12] and numbers_of(["1/x.tar", "1/y.tar"]) == [0, 1]


def test_array_records_hold_the_same_speech(corpus, tmp_path, capsys):
    main(["prepare", "records", str(corpus / "plain.jsonl"), f"--output={tmp_path}", "--shards=3"])
    assert f"{tmp_path}/plain.jsonl: {SHARDS * PER_SHARD} utterances" in capsys.readouterr().out
    manifest = Manifest(tmp_path / "plain.jsonl")
    decode = Decoder(manifest, sample_rate=RATE)
    for index, (_, text, samples) in enumerate(speech()):
        np.testing.assert_array_equal(decode(index), samples / np.float32(32768))
        assert manifest[index].fields["text"] == text
    # Grain's own reader gives the same bytes.
    source = grain.sources.ArrayRecordDataSource(sorted(str(p) for p in tmp_path.glob("*.array_record")))
    assert len(source) == len(manifest) and source[7] == (corpus / "u7.flac").read_bytes()
    with pytest.raises(AudioError, match="none at 99"):
        Containers().read(tmp_path / "plain-00000-of-00003.array_record", 99)


def test_a_problem_names_its_tar_once():
    problems = Problems(report=lambda line: None)
    problems.add("a.tar:u1.flac", "a.tar: holds no u1.flac")
    problems.add("a.tar:u2.flac", "damaged")
    problems.add("m.jsonl:4", "m.jsonl: of another kind")
    assert problems.lines == (
        "a.tar: holds no u1.flac",
        "a.tar:u2.flac: damaged",
        "m.jsonl:4: m.jsonl: of another kind",
    )


def test_array_records_are_at_least_one_file(corpus, tmp_path, capsys):
    assert main(["prepare", "records", str(corpus / "plain.jsonl"), f"--output={tmp_path}", "--shards=0"]) == 2
    assert capsys.readouterr().err.startswith("jaxspeech prepare records: --shards: ")


def test_array_records_hold_only_the_selected_part(corpus, tmp_path):
    line = {"audio_filepath": str(corpus / "u3.flac"), "duration": 0.1, "offset": 0.05, "text": "a"}
    lost = {"audio_filepath": "lost.flac", "duration": 0.1, "text": "a"}
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(x) + "\n" for x in (line, lost)))
    manifest = Manifest(tmp_path / "m.jsonl", problems=quiet())
    path, count = write_records(manifest, tmp_path / "out", name="m")
    assert count == 1 and len(manifest.problems) == 1
    heard = Decoder(Manifest(path), sample_rate=RATE)(0)
    samples = list(speech())[3][2]
    np.testing.assert_array_equal(heard, samples[400:1200] / np.float32(32768))
    assert "offset" not in Manifest(path)[0].fields


def test_evaluation_reads_tars_in_order_of_length(corpus):
    manifest = Manifest(sources(corpus)["packed tars"], problems=quiet())
    data = evaluation_data(manifest, TOKENIZER, sample_rate=RATE, buckets=[1.0], batch_seconds=8, batch_size=8)
    index = np.concatenate([batch.index for batch in data.batches()])
    assert sorted(index[index >= 0]) == list(range(SHARDS * PER_SHARD)) and not len(data.problems)


def test_records_never_replace_their_source(tmp_path, capsys):
    sources = [tmp_path / "train.jsonl", tmp_path / "other" / "train.jsonl"]
    sources[1].parent.mkdir()
    for source in sources:
        source.write_text("as it was")
    assert main(["prepare", "records", str(sources[0]), f"--output={tmp_path}"]) == 2
    assert "would be overwritten" in capsys.readouterr().err and sources[0].read_text() == "as it was"
    assert main(["prepare", "records", *map(str, sources), f"--output={tmp_path / 'out'}"]) == 2
    assert "would become train.jsonl too" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_broken_json_in_a_tar_is_a_bad_line(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("good", b'{"speaker": "x"}'), ("broken", b"{"), ("list", b"[]")):
            add(tar, f"{name}.flac", flac(np.zeros(800, np.int16)))
            add(tar, f"{name}.json", content)
    manifest = Manifest({"tars": f"{tmp_path}/a.tar"}, problems=quiet())
    assert [entry.fields["speaker"] for entry in manifest] == ["x"] and len(manifest.problems) == 2


def test_a_packed_tar_with_bad_bytes_is_one_line(tmp_path):
    whole = gzip.compress(np.random.default_rng(0).bytes(4096))
    (tmp_path / "a.tar.gz").write_bytes(whole[:10] + b"\xff" * 20 + whole[30:])
    with pytest.raises(AudioError, match=r"a\.tar\.gz: damaged: ") as caught:
        Tar(tmp_path / "a.tar.gz")
    assert "\n" not in str(caught.value)
