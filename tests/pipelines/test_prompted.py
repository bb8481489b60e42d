"""A recogniser with an attention decoder: what it is asked for, and what it cannot do, in one line each."""

import json

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference import decoding_again
from jaxspeech.inference.guard import Guarded
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.prompted import _Prompts
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.prompt import END, START, PromptFormat
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import CHARACTERS, random_archive, random_variables

SPECIAL = [START, END, *(f"<|{name}|>" for name in ("en", "de", "transcribe", "translate", "pnc", "nopnc"))]
SPEECH = {"voice_activity": lambda samples, rate: [(0.5, 1.5), (40.0, 40.5)]}
NOISE = np.random.default_rng(0).normal(0, 0.1, 50 * 16000).astype(np.float32)


@pytest.fixture(scope="module")
def asr():
    tokenizer = train_tokenizer(["say a word"], type="bpe", vocab_size=24, special=SPECIAL)
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.pieces.index(END)}
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | sizes, "search": {"beam_size": 1, "more_than_frames": 4}}
    assets = {"tokenizer": tokenizer, "prompt": PromptFormat("canary")}
    # Weights large enough that what is asked for matters.
    variables = jax.tree.map(lambda x: 2 * x, random_variables(model))
    return Recognizer(Archive(model, assets, variables, {}))


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


def test_the_language_is_found_and_said(asr):
    clips = [NOISE[:16000], NOISE[20000:29000]]
    for given in ({}, {"target_lang": "en"}):
        for found in asr.transcribe(clips, source_lang="auto", **given):
            clip = clips[int(found.source.split()[1])]
            slots = {"source_lang": found.language, "target_lang": found.language} | given
            (alone,) = asr.transcribe([clip], **slots)
            assert found.language in ("en", "de") and alone.language is None
            assert found.tokens == alone.tokens and found.score == pytest.approx(alone.score, rel=1e-5)
    (whole,) = asr.transcribe(
        [NOISE], source_lang="auto", voice_activity=lambda samples, rate: [(0.5, 1.5), (40.0, 41.0)]
    )
    assert whole.language in ("en", "de") and "segments" in whole.note


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
    clips, usual = [NOISE[:16000], NOISE[30000:45000]], asr.transcribe([NOISE[:16000]])
    found = asr.transcribe(clips, guard=True)
    assert found[0].tokens != usual[0].tokens and found[0].note == "drawn"
    for order in ([1, 0], [1]):
        for i, again in zip(order, asr.transcribe([clips[i] for i in order], guard=True), strict=True):
            assert again.tokens == found[i].tokens and again.score == pytest.approx(found[i].score, rel=1e-4)
    (other,) = asr.transcribe(clips[:1], guard=True, source_lang="de")
    assert other.tokens != found[0].tokens


def test_a_context_that_leaves_no_room_is_one_line(asr):
    with pytest.raises(SpeechError, match="the prompt has 5 tokens, which leaves none of at most 5"):
        _Prompts(PromptFormat("canary"), asr.tokenizer, {}, most_tokens=5).of({})


def test_long_recordings_are_cut_into_segments(asr):
    (hypothesis,) = asr.transcribe([NOISE])
    assert "segments between silences" in hypothesis.note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_lang": "fr"}, "target_lang cannot be 'fr': this model knows en, de"),
        ({"itn": True}, "has no slot 'itn'"),
        ({"task": "translate"}, "task 'translate' needs target_lang"),
        ({"task": "translate", "source_lang": "auto"}, "task 'translate' needs target_lang"),
        ({"guard": "yes"}, "guard is 'yes'; it can be True, False or None"),
        ({"timestamps": True}, "timestamps: this model has no times"),
        ({"long": "full"}, 'an attention decoder takes long="segments"'),
    ],
)
def test_what_it_cannot_do_is_one_line(asr, options, message):
    with pytest.raises(SpeechError, match=message):
        asr.transcribe([NOISE[:8000]], **options)


def test_other_doors_and_models_say_so(asr, tmp_path):
    with pytest.raises(ConfigError, match="it has an attention decoder"):
        asr.stream()
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
