"""Times of a recogniser with an attention decoder: where they are from, and that files keep what finds them."""

import json

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.archive import Archive, load_archive
from jaxspeech.cli.main import main
from jaxspeech.errors import ArchiveError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.prompted import _Prompts
from jaxspeech.inference.writers import WORD_FORMATS, open_writer
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_archive, random_variables

NAMES = "en", "de", "pnc", "nopnc", "itn", "noitn", "timestamp", "notimestamp", "diarize", "nodiarize", "emo:undefined"
SPECIAL = ["<|startofcontext|>", START, END, *(f"<|{name}|>" for name in NAMES)]
TEXTS = ["say a word. or two!", "to a wood, sad day?"]
NOISE = np.random.default_rng(0).normal(0, 0.1, 6 * 16000).astype(np.float32)
CLIPS = [NOISE[:40000], NOISE[:36000], NOISE[30000:72000]]
RATE, FRAME = 16000, 0.08
CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "num_layers": 1, "width": 8, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc"},
}


def archive_of(*, special=(), **more):
    """A random model that never writes a special token, and writes short texts."""
    tokenizer = train_tokenizer(TEXTS, type="bpe", vocab_size=36 + len(special), special=[*SPECIAL, *special])
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.pieces.index(END)}
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | sizes, "search": {"beam_size": 1, "more_than_frames": -20}}
    variables = jax.tree.map(lambda x: 2 * x, random_variables(model | more))
    decoder = variables["params"]["decoder"]
    decoder["bias"] = np.where(np.arange(len(decoder["bias"])) <= len(SPECIAL), -50, decoder["bias"]).astype(np.float32)
    assets = {"tokenizer": tokenizer, "prompt": PromptFormat("canary2")}
    return Archive(model | more, assets, variables, {})


@pytest.fixture(scope="module")
def plain():
    return Recognizer(archive_of())


@pytest.fixture(scope="module")
def aligned():
    aligner = random_archive(CTC, train_tokenizer(TEXTS, type="bpe", vocab_size=24))
    return Recognizer(archive_of()._replace(aligner=aligner))


def check(hypothesis, begin=0.0):
    """Times never go back, lie in the recording, and segments are made of words."""
    borders = [border for word in hypothesis.words for border in (word.start, word.end)]
    assert borders == pytest.approx(sorted(borders), abs=1e-4)
    assert begin <= borders[0] and borders[-1] <= begin + hypothesis.duration + 1e-4
    assert " ".join(word.text for word in hypothesis.words) == " ".join(hypothesis.text.split())
    assert hypothesis.segments[0].start == hypothesis.words[0].start
    assert hypothesis.segments[-1].end == hypothesis.words[-1].end
    assert " ".join(segment.text for segment in hypothesis.segments) == " ".join(hypothesis.text.split())


def test_times_by_attention_do_not_change_the_text_and_depend_on_no_other_recording(plain):
    found, usual = plain.transcribe(CLIPS, timestamps=True), plain.transcribe(CLIPS)
    for hypothesis, without, clip in zip(found, usual, CLIPS, strict=True):
        assert hypothesis.text == without.text and (hypothesis.timing, without.timing) == ("attention", None)
        check(hypothesis)
        (alone,) = plain.transcribe([clip], timestamps=True)
        assert [w.text for w in alone.words] == [w.text for w in hypothesis.words]
        spans = [[w[1:3] for w in of.words] for of in (alone, hypothesis)]
        np.testing.assert_allclose(*spans, atol=FRAME / 10)
        assert len(hypothesis.chars) == len(hypothesis.tokens)


def test_an_aligner_gives_the_times_that_it_gives_for_the_given_text(aligned):
    found = aligned.transcribe(CLIPS, timestamps=True)
    second = Recognizer(aligned.archive.aligner)
    assert [h.timing for h in found].count("aligner") >= 2
    for hypothesis, clip in zip(found, CLIPS, strict=True):
        check(hypothesis)
        (given,) = second.align([(clip, hypothesis.text)], on_error="skip")
        if hypothesis.timing == "attention":
            assert "do not fit" in given.error  # and so the times are those of the first model
            continue
        assert [w[:2] for w in hypothesis.words] == [w[:2] for w in given.words]
        marks = {",", ".", "!", "?"}
        for word, own in zip(hypothesis.words, given.words, strict=True):
            assert word.end == own.end if word.text[-1] not in marks else word.end <= own.end
    # How sure the words are, the first model says.
    (plain,) = Recognizer(aligned.archive._replace(aligner=None)).transcribe(CLIPS[:1], timestamps=True)
    assert [w.confidence for w in plain.words] == pytest.approx([w.confidence for w in found[0].words], rel=1e-5)
    # The given text of other recordings is aligned by it too.
    both = [asr.align([(CLIPS[2], "a word")])[0].words for asr in (aligned, second)]
    assert [w[:3] for w in both[0]] == [w[:3] for w in both[1]]


def test_a_translation_is_not_aligned_and_each_line_counts_from_the_beginning_of_its_file(aligned, tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE, RATE, subtype="FLOAT")
    lines = [{"offset": 2.0, "duration": 2.5}, {"offset": 2.0, "duration": 2.5, "target_lang": "de"}]
    lines += [{"audio_filepath": "missing.wav"}, {"duration": 0.01}, {"offset": 3.0, "duration": 2.5}]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("".join(json.dumps({"audio_filepath": "a.wav", **line}) + "\n" for line in lines))
    found = aligned.transcribe(manifest, timestamps=True, on_error="skip", batch_size=2)
    same, translation, missing, short, last = found
    check(same, 2.0)
    check(translation, 2.0)
    check(last, 3.0)
    assert translation.timing == "attention" and "aligner" in (same.timing, last.timing)
    assert missing.error and short.words == ()
    # An error ends the results after those before it.
    results = aligned.transcribe_iter(manifest, timestamps=True, batch_size=8)
    assert [next(results).words, next(results).words] == [same.words, translation.words]
    with pytest.raises(Exception, match=r"missing\.wav"):
        next(results)


def asked_of(archive, monkeypatch, *lines, **options):
    """The prompts of a call, as pieces."""
    prompts = []
    start = Programs.start

    def watched(self, variables, shape, audio, *beside, **options):
        for asked in beside:
            rows = zip(asked.prompt, asked.num_prompt, strict=True)
            prompts.extend([archive.assets["tokenizer"].pieces[i] for i in row[:count]] for row, count in rows)
        return start(self, variables, shape, audio, *beside, **options)

    monkeypatch.setattr(Programs, "start", watched)
    recordings = [Recording(str(i), CLIPS[0], fields=line) for i, line in enumerate(lines)]
    found = Recognizer(archive).transcribe(recordings, **options)
    return ["<|timestamp|>" in prompt for prompt in prompts], found


TIMES = [f"<|{n}|>" for n in range(30)]
LINES = {}, {"target_lang": "de"}, {"timestamp": "no"}, {"timestamp": "yes"}


@pytest.mark.parametrize(
    ("times", "asks"),
    [((True, True), [1, 1, 0, 1]), ((False, True), [0, 1, 0, 1]), ((False, False), [0, 0, 0, 1])],
)
def test_prompts_ask_for_times_where_nothing_better_is_there(times, asks):
    tokenizer = train_tokenizer(TEXTS, type="bpe", vocab_size=36 + len(TIMES), special=[*SPECIAL, *TIMES])
    prompts = _Prompts(PromptFormat("canary2"), tokenizer, {}, most_tokens=99, times=times)
    timestamp = tokenizer.pieces.index("<|timestamp|>")
    assert [timestamp in prompts.of(line) for line in LINES] == asks


@pytest.mark.slow
def test_a_model_that_writes_times_is_asked_to_where_nothing_better_is_there(monkeypatch):
    archive = archive_of(special=TIMES)
    asks, found = asked_of(archive, monkeypatch, *LINES, timestamps=True)
    assert asks == [True, True, False, True]
    for hypothesis in found:
        if hypothesis.text:
            check(hypothesis)
        assert "<|" not in hypothesis.text and (hypothesis.chars == ()) == (hypothesis.timing == "tokens")
    asks, found = asked_of(archive, monkeypatch, *LINES)
    assert asks == [False, False, False, True]
    aligner = random_archive(CTC, train_tokenizer(TEXTS, type="bpe", vocab_size=24))
    asks, found = asked_of(archive._replace(aligner=aligner), monkeypatch, *LINES, timestamps=True)
    assert asks == [False, True, False, True] and found[1].timing != "aligner" != found[3].timing


@pytest.mark.slow
def test_a_ctc_head_aligns_what_is_not_a_translation(monkeypatch):
    archive = archive_of(loss={"ctc_weight": 0.3})
    _, found = asked_of(archive, monkeypatch, {}, {"target_lang": "de"}, timestamps=True)
    assert [h.timing for h in found] == ["ctc", "attention"]
    for hypothesis in found:
        check(hypothesis)


def test_both_kinds_of_files_keep_the_aligner(aligned, tmp_path):
    (expected,) = aligned.transcribe(CLIPS[2:], timestamps=True)
    aligned.save(tmp_path / "x.jaxspeech")
    archive = load_archive(tmp_path / "x.jaxspeech")
    # NeMo cannot limit a text to fewer tokens than frames.
    save_nemo(tmp_path / "x.nemo", **archive._replace(model=archive.model | {"search": {}})._asdict())
    first = load_nemo(tmp_path / "x.nemo", stacked=False)
    for read in (archive, first):
        jax.tree.map(np.testing.assert_array_equal, read.aligner.variables, aligned.archive.aligner.variables)
        assert read.aligner.assets["tokenizer"].files() == aligned.archive.aligner.assets["tokenizer"].files()
    for name in ("y", "z"):
        save_nemo(tmp_path / f"{name}.nemo", **first._asdict())
    assert (tmp_path / "y.nemo").read_bytes() == (tmp_path / "z.nemo").read_bytes()
    with NemoFile(tmp_path / "x.nemo") as file:
        assert {"timestamps_asr_model_config.yaml", "timestamps_asr_model_weights.ckpt"} <= {*file.names}
        assert file.config()["restore_timestamps_model"] is True
    save_nemo(tmp_path / "x.nemo", **first._replace(aligner=None)._asdict())
    with NemoFile(tmp_path / "x.nemo") as file:
        assert not [name for name in file.names if "timestamps" in name]
    soundfile.write(tmp_path / "a.wav", CLIPS[2], RATE, subtype="FLOAT")
    output = tmp_path / "out.jsonl"
    command = ["transcribe", f"--model={tmp_path / 'x.jaxspeech'}", f"--output={output}", "--timestamps"]
    assert main([*command, str(tmp_path / "a.wav")]) == 0
    line = json.loads(output.read_text())
    assert line["pred_timing"] == expected.timing == "aligner"
    spans = [[(word["start"], word["end"]) for word in line["pred_words"]], [(w.start, w.end) for w in expected.words]]
    np.testing.assert_allclose(*spans, atol=1e-3)


def test_an_aligner_that_is_none_is_one_line(aligned, tmp_path):
    archive = aligned.archive._replace(model=aligned.config | {"search": {}})
    save_nemo(tmp_path / "x.nemo", **archive._replace(aligner=archive._replace(aligner=None))._asdict())
    with pytest.raises(ArchiveError, match=r"timestamps_asr_model_config\.yaml: this model has no CTC head"):
        load_nemo(tmp_path / "x.nemo")


def test_times_are_shown_in_every_format(aligned, tmp_path):
    (hypothesis,) = aligned.transcribe([Recording("a.wav", CLIPS[2])], timestamps=True)
    recording = Recording("a.wav", CLIPS[2])
    hypothesis = hypothesis._replace(chars=())  # as with times that the decoder wrote
    for name in WORD_FORMATS:
        with open_writer(str(tmp_path / name), output_format=name, recordings=[recording], named=False) as write:
            write(recording, hypothesis)
        text = (tmp_path / name).read_text()
        assert all(word.text in text for word in hypothesis.words) and len(text.splitlines()) >= 2
