"""A recogniser with an attention decoder: what it is asked for, and what it cannot do, in one line each."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.audio.chunks import cut_into_chunks
from jaxspeech.audio.voice_activity import ENERGY_DETECTOR
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference import decoding_again
from jaxspeech.inference.guard import Guarded
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.prompted import _Prompts
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.prompt import PromptFormat
from tests.contract.cases import ATTENTION
from tests.interop.random_model import CHARACTERS, random_archive
from tests.pipelines.prompted_model import prompted_archive

SPEECH = {"long": "segments", "voice_activity": lambda samples, rate: [(0.5, 1.5), (40.0, 41.0)]}
NOISE = np.random.default_rng(0).normal(0, 0.1, 50 * 16000).astype(np.float32)


@pytest.fixture(scope="module")
def asr():
    return Recognizer(prompted_archive())


@pytest.fixture(scope="module")
def empty():
    return Recognizer(prompted_archive(ends_at_once=True))


def test_the_text_depends_on_what_is_asked_for_and_on_no_other_recording(asr):
    clips = [NOISE[:16000], NOISE[:9000]]
    usual = asr.transcribe(clips)
    same = asr.transcribe(clips, source_lang="en", task="asr", pnc=True)
    assert [h.tokens for h in same] == [h.tokens for h in usual]
    (alone,) = asr.transcribe(clips[1:])
    assert alone.tokens == usual[1].tokens and alone.score == pytest.approx(usual[1].score, rel=1e-5)
    other = asr.transcribe(clips, source_lang="de", target_lang="de", pnc="no")
    assert [h.score for h in other] != [h.score for h in usual]


def test_a_line_of_a_manifest_asks_for_itself(asr, tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE[:16000], 16000, subtype="FLOAT")
    lines = [{"source_lang": "de"}, {}, {"taskname": "ast"}, {"source_lang": "xx"}]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("".join(json.dumps({"audio_filepath": "a.wav", **line}) + "\n" for line in lines))
    found = asr.transcribe(manifest, target_lang="de", on_error="skip")
    asked = [{"source_lang": "de"}, {}, {"task": "translate"}]
    for hypothesis, slots in zip(found, asked, strict=False):
        assert hypothesis.score == asr.transcribe([NOISE[:16000]], target_lang="de", **slots)[0].score
    assert "source_lang cannot be 'xx'" in found[3].error and len({h.score for h in found[:3]}) == 3


def test_different_prompts_share_a_program_and_a_batch(asr, monkeypatch):
    shapes = []
    start = Programs.start

    def counted(self, variables, shape, audio, *beside, **options):
        shapes.append((shape.rows, beside[0].prompt.shape, beside[0].prompt[:, 1].tolist()))
        return start(self, variables, shape, audio, *beside, **options)

    monkeypatch.setattr(Programs, "start", counted)
    asked = "de", "en", "de", "en"
    lines = [Recording(str(i), NOISE[: 9000 - i], fields={"source_lang": lang}) for i, lang in enumerate(asked)]
    found = Recognizer(asr.archive).transcribe(lines)
    known = [asr.tokenizer.pieces.index(f"<|{lang}|>") for lang in asked]
    assert shapes == [(4, (4, 16), known)]
    for hypothesis, recording in zip(found, lines, strict=True):
        (alone,) = asr.transcribe([recording.audio], source_lang=recording.fields["source_lang"])
        assert hypothesis.tokens == alone.tokens and hypothesis.score == pytest.approx(alone.score, rel=1e-5)


@pytest.mark.slow
def test_the_language_is_found_and_said(asr):
    clips = [NOISE[:16000], NOISE[20000:36000]]
    for given in ({}, {"target_lang": "en"}):
        for found in asr.transcribe(clips, source_lang="auto", **given):
            clip = clips[int(found.source.split()[1])]
            slots = {"source_lang": found.language, "target_lang": found.language} | given
            (alone,) = asr.transcribe([clip], **slots)
            assert found.language in ("en", "de") and alone.language is None
            assert found.tokens == alone.tokens and found.score == pytest.approx(alone.score, rel=1e-5)
    for long in ("segments", "auto"):
        (whole,) = asr.transcribe([NOISE], source_lang="auto", **SPEECH | {"long": long})
        assert whole.language in ("en", "de") and ("segments" in whole.note) == (long == "segments")


def test_texts_that_fail_are_decoded_again_where_it_is_asked_for_and_in_long_recordings(asr):
    # This random model repeats the same token up to the limit, at every temperature.
    (usual,), (found,) = asr.transcribe([NOISE[:16000]]), asr.transcribe([NOISE[:16000]], guard=True)
    assert len(set(usual.tokens)) == 1 and len(usual.tokens) > 10 and usual.note is None
    assert found.tokens == usual.tokens[:1] and found.note == "as the best of 6 texts; it repeated itself"
    (whole,) = asr.transcribe([NOISE], **SPEECH)
    expected = "in 2 segments between silences, 2 of them again, as their texts repeated themselves or were improbable"
    assert whole.note == f"{expected} (as asked for)"
    assert asr.transcribe([NOISE], guard=False, **SPEECH)[0].note == "in 2 segments between silences (as asked for)"


def test_what_is_drawn_does_not_depend_on_what_else_is_decoded(asr, monkeypatch):
    def drawn(found, again, tokenizer):
        return {i: Guarded(prediction, "drawn") for i, prediction in again(list(found), 1.0).items()}

    monkeypatch.setattr(decoding_again, "guarded", drawn)
    clips, usual = [NOISE[:16000], NOISE[30000:46000]], asr.transcribe([NOISE[:16000]])
    found = asr.transcribe(clips, guard=True)
    assert found[0].tokens != usual[0].tokens and found[0].note == "drawn"
    for order in ([1, 0], [1]):
        for i, again in zip(order, asr.transcribe([clips[i] for i in order], guard=True), strict=True):
            assert again.tokens == found[i].tokens and again.score == pytest.approx(found[i].score, rel=1e-4)
    (other,) = asr.transcribe(clips[:1], guard=True, source_lang="de")
    assert other.tokens != found[0].tokens


def test_silence_and_moments_have_no_text(asr, empty):
    found = empty.transcribe([0 * NOISE[:16000], NOISE[:16000]], guard=True)
    assert [(h.text, h.note) for h in found] == [("", None)] * 2
    # 0.05 s are less than a frame, 0.1 s hardly more.
    moments = asr.transcribe([NOISE[:800], NOISE[:1600]], source_lang="auto")
    assert moments[0].text == "" and moments[0].duration == 0.05
    assert [h.language is None for h in moments] == [True, False] and not any(h.error for h in moments)


def test_long_silence_has_no_text_and_is_never_on_the_device_at_once(asr, empty, monkeypatch):
    shapes = []
    start = Programs.start

    def counted(self, variables, shape, *rest, **options):
        shapes.append(shape.length)
        return start(self, variables, shape, *rest, **options)

    monkeypatch.setattr(Programs, "start", counted)
    minutes = np.zeros(300 * 16000, np.float32)
    (silence,) = asr.transcribe([minutes], source_lang="auto")
    assert (silence.text, silence.tokens, silence.duration, silence.language) == ("", (), 300.0, None) and not shapes
    # A detector that takes it for speech: segments, each of which has no text.
    everything = {"voice_activity": lambda samples, rate: [(0.0, len(samples) / rate)]}
    (found,) = empty.transcribe([minutes[: 70 * 16000]], batch_size=1, **everything)
    assert found.text == "" and max(shapes) <= 32 * 16000 and "again" not in found.note


def test_a_context_that_leaves_no_room_is_one_line(asr):
    with pytest.raises(SpeechError, match="the prompt has 5 tokens, which leaves none of at most 5"):
        _Prompts(PromptFormat("canary"), asr.tokenizer, {}, most_tokens=5).of({})


def test_long_recordings_are_cut_into_chunks_or_segments(asr):
    (hypothesis,) = asr.transcribe([NOISE], guard=False)
    assert hypothesis.note.startswith("in 2 chunks of at most 40 s, 1 of 1 cuts within speech")
    assert hypothesis.tokens and hypothesis.text == asr.tokenizer.decode(hypothesis.tokens)
    (hypothesis,) = asr.transcribe([NOISE], long="segments")
    assert "segments between silences" in hypothesis.note


def test_chunks_between_silences_are_the_texts_of_each(asr):
    noise, silence = NOISE[: 35 * 16000], 0 * NOISE[:16000]
    samples = np.concatenate([noise, silence, noise])
    options = {"target_lang": "de", "guard": False}
    (whole,) = asr.transcribe([samples], **options)
    chunks = cut_into_chunks(samples, 16000, ENERGY_DETECTOR(samples, 16000), frame=1280)
    parts = asr.transcribe([samples[slice(*chunk)] for chunk in chunks], **options)
    assert whole.note.startswith("in 2 chunks of at most 40 s (")
    assert whole.tokens == parts[0].tokens + parts[1].tokens
    assert whole.score == pytest.approx(parts[0].score + parts[1].score, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_lang": "fr"}, "target_lang cannot be 'fr': this model knows en, de"),
        ({"itn": True}, "has no slot 'itn'"),
        ({"task": "translate"}, "task 'translate' needs target_lang"),
        ({"task": "translate", "source_lang": "auto"}, "task 'translate' needs target_lang"),
        ({"guard": "yes"}, "guard is 'yes'; it can be True, False or None"),
        ({"long": "full"}, 'long="full": an attention decoder is trained on short recordings; use "auto"'),
    ],
)
def test_what_it_cannot_do_is_one_line(asr, options, message):
    with pytest.raises(SpeechError, match=message):
        asr.transcribe([NOISE[:8000]], **options)


def test_other_doors_and_models_say_so(asr, tmp_path):
    with pytest.raises(ConfigError, match="it searches with a beam"):
        asr.change_decoding(beam_size=2).stream()
    ctc = {
        "task": "ctc",
        "features": ATTENTION["features"],
        "encoder": ATTENTION["encoder"],
        "decoder": {"name": "ctc"},
    }
    with pytest.raises(ConfigError, match="source_lang: this model has no prompt"):
        Recognizer(random_archive(ctc, CHARACTERS)).transcribe([NOISE[:8000]], source_lang="de")
    with pytest.raises(ConfigError, match="guard: only the texts of an attention decoder are guarded"):
        Recognizer(random_archive(ctc, CHARACTERS)).transcribe([NOISE[:8000]], guard=True)


def test_phrases_are_preferred_in_each_segment(asr):
    (found,) = asr.transcribe(NOISE, boost=["word"], boost_weight=40.0, **SPEECH)
    assert found.text.count("word") > 1
    with pytest.raises(ConfigError, match="the live search of an attention decoder takes neither"):
        asr.streams(1, boost=["word"])
