"""A recogniser with an attention decoder: what it is asked for, and what it cannot do, in one line each."""

import json

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.archive import Archive
from jaxspeech.audio.chunks import cut_into_chunks
from jaxspeech.audio.voice_activity import ENERGY_DETECTOR
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.prompt import END, START, PromptFormat
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import CHARACTERS, random_archive, random_variables

SPECIAL = [START, END, *(f"<|{name}|>" for name in ("en", "de", "transcribe", "translate", "pnc", "nopnc"))]
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


def test_long_recordings_are_cut_into_chunks_or_segments(asr):
    (hypothesis,) = asr.transcribe([NOISE])
    assert hypothesis.note.startswith("in 2 chunks of at most 40 s, 1 of 1 cuts within speech")
    assert hypothesis.tokens and hypothesis.text == asr.tokenizer.decode(hypothesis.tokens)
    (hypothesis,) = asr.transcribe([NOISE], long="segments")
    assert "segments between silences" in hypothesis.note


def test_chunks_between_silences_are_the_texts_of_each(asr):
    noise, silence = NOISE[: 35 * 16000], 0 * NOISE[:16000]
    samples = np.concatenate([noise, silence, noise])
    (whole,) = asr.transcribe([samples], target_lang="de")
    chunks = cut_into_chunks(samples, 16000, ENERGY_DETECTOR(samples, 16000), frame=1280)
    parts = asr.transcribe([samples[slice(*chunk)] for chunk in chunks], target_lang="de")
    assert whole.note.startswith("in 2 chunks of at most 40 s (")
    assert whole.tokens == parts[0].tokens + parts[1].tokens
    assert whole.score == pytest.approx(parts[0].score + parts[1].score, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_lang": "fr"}, "target_lang cannot be 'fr': this model knows en, de"),
        ({"itn": True}, "has no slot 'itn'"),
        ({"timestamps": True}, "timestamps: this model has no times"),
        ({"long": "full"}, 'long="full": an attention decoder is trained on short recordings; use "auto"'),
    ],
)
def test_what_it_cannot_do_is_one_line(asr, options, message):
    with pytest.raises(SpeechError, match=message):
        asr.transcribe([NOISE[:8000]], **options)


def test_other_doors_and_models_say_so(asr, tmp_path):
    with pytest.raises(ConfigError, match="it searches with a beam"):
        asr.change_decoding(beam_size=2).stream()
    with pytest.raises(ConfigError, match="by a prompt cannot be exported"):
        asr.export_stablehlo(tmp_path / "x")
    ctc = {
        "task": "ctc",
        "features": ATTENTION["features"],
        "encoder": ATTENTION["encoder"],
        "decoder": {"name": "ctc"},
    }
    with pytest.raises(ConfigError, match="source_lang: this model has no prompt"):
        Recognizer(random_archive(ctc, CHARACTERS)).transcribe([NOISE[:8000]], source_lang="de")
