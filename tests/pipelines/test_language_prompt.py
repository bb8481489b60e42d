"""A recogniser that is asked for a language: offline, live, aligned, in windows, and from manifests."""

import itertools
import json
from typing import Any

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech import builder
from jaxspeech.archive import Archive
from jaxspeech.cli.transcribe import slots_of
from jaxspeech.data.columns.languages import languages
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError, ManifestError, SpeechError, TokenizerError
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.asked import asked_of
from jaxspeech.tasks.prediction import Outputs
from jaxspeech.text.language_names import LanguageNames, numbered
from tests.interop.random_model import CHARACTERS, random_archive

RATE = 16000
NAMES = {"en-US": 0, "en": 0, "de-DE": 1, "auto": 2}
MODEL: dict[str, Any] = {
    "task": "hybrid",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **{"causal_subsampling": True, "attention_context": (6, 2), "attention_style": "chunked_limited"},
        **{"conv_kernel": 5, "conv_context": (4, 0), "conv_norm": "layer", "ff_expansion": 2, "scan_layers": False},
    },
    "decoder": {"name": "transducer", "width": 8, "joint_width": 8},
    "search": {"max_symbols": 2, "head": "ctc"},
    "language_prompt": {"num_prompts": 3},
}
NOISE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)


def archive_of() -> Archive:
    """A random model whose symbols depend on the frame and on the prompt."""
    archive = random_archive(MODEL, CHARACTERS, seed=2)
    task, variables = builder.build(archive.model), archive.variables
    rows = np.tile(NOISE, (3, 1)), np.full(3, len(NOISE), np.int32)

    def frames(variables: Any) -> Any:
        encoded, _ = task.inference.encode(variables, *rows)
        of_prompt = {"params": variables["params"]["language_prompt"]}
        return task.model.language_prompt.apply(of_prompt, encoded, np.arange(3, dtype=np.int32))

    for layer in ("up", "down"):
        variables["params"]["language_prompt"][layer]["kernel"] *= 2
    found = np.asarray(jax.jit(frames)(variables)).reshape(-1, 16)
    out = variables["params"]["ctc_head"]["out"]
    out["kernel"] *= 4 / found.std(0)[:, None]
    out["bias"] -= found.mean(0) @ out["kernel"]
    return archive._replace(assets={**archive.assets, "prompt": LanguageNames(NAMES)})


@pytest.fixture(scope="module")
def asr() -> Recognizer:
    return Recognizer(archive_of())


def test_the_text_depends_on_the_language_and_on_no_other_row(asr):
    clips = [NOISE, NOISE[: 2 * RATE]]
    english, german, auto = (asr.transcribe(clips, target_lang=name) for name in ("en-US", "DE-de", "auto"))
    assert len({tuple(found[0].tokens) for found in (english, german, auto)}) == 3
    assert asr.transcribe(clips)[0].tokens == auto[0].tokens
    assert asr.transcribe(clips, target_lang="en")[1].tokens == english[1].tokens
    (alone,) = asr.transcribe(clips[1:], target_lang="de-DE")
    assert alone.tokens == german[1].tokens and alone.score == pytest.approx(german[1].score, rel=1e-5)


def test_lines_of_a_manifest_share_a_batch(asr, tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE, RATE, subtype="FLOAT")
    lines = [{"target_lang": "de-DE"}, {"lang": "en-US"}, {}, {"target_lang": "xx"}]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps({"audio_filepath": "a.wav", "duration": 3.0} | line) + "\n" for line in lines))
    by_line, by_call = (asr.transcribe(path, on_error="skip", **asked) for asked in ({}, {"target_lang": "auto"}))
    german, english, auto = (asr.transcribe([NOISE], target_lang=name)[0] for name in ("de-DE", "en-US", "auto"))
    assert [found.tokens for found in by_line[:3]] == [german.tokens, english.tokens, auto.tokens]
    assert [found.tokens for found in by_call[:3]] == [german.tokens, auto.tokens, auto.tokens]
    assert by_line[3].error is not None
    assert (
        "a.wav: target_lang cannot be 'xx'" in by_line[3].error and "knows en-US, en, de-DE, auto" in by_line[3].error
    )


def test_live_streams_have_their_own_language(asr):
    streams = asr.streams(2, target_lang="en-US", end_silence=0.2)
    opened = [streams.open("one"), streams.open("two", target_lang="de-DE")]
    for stream in opened:
        stream.push(NOISE)
        stream.end()
    while streams.step():
        pass
    expected = [asr.transcribe([NOISE], target_lang=name)[0] for name in ("en-US", "de-DE")]
    assert [stream.hypothesis.tokens for stream in opened] == [found.tokens for found in expected]
    for stream in opened:  # which end-pointing divides, and does not change
        utterances = stream.hypothesis.utterances or ()
        assert "".join("".join(one.text for one in utterances).split()) == "".join(stream.hypothesis.text.split())
        assert [one.by for one in utterances[:-1]] == ["silence"] * (len(utterances) - 1)
        assert all(before.end + 0.2 - 1e-6 <= one.start for before, one in itertools.pairwise(utterances))
    with pytest.raises(TokenizerError, match="cannot be 'xx'"):
        streams.open("three", target_lang="xx")


@pytest.mark.slow
def test_windows_log_probs_and_alignments_have_the_language(asr):
    whole = {name: asr.transcribe([NOISE], target_lang=name, return_log_probs=True)[0] for name in ("en", "de-DE")}
    assert np.abs(whole["en"].log_probs - whole["de-DE"].log_probs).max() > 0.1
    text = whole["de-DE"].text
    found = {name: asr.align([(NOISE, text)], language=name)[0].score for name in ("de-DE", "en")}
    assert found["de-DE"] > found["en"]
    asked, options = asked_of(np.array([1], np.int32)), {"batch_size": 2, "outputs": Outputs(log_probs=True)}
    prediction, _ = asr._long._buffered.predict(asr.variables, NOISE, *asked, **options)
    np.testing.assert_allclose(prediction.log_probs[0], whole["de-DE"].log_probs, atol=1e-4)
    assert prediction.tokens.ids[0, : prediction.tokens.num_tokens[0]].tolist() == list(whole["de-DE"].tokens)


def test_what_cannot_be_asked_is_one_line(asr):
    without_auto = LanguageNames({"en-US": 0, "de-DE": 1})
    asr = Recognizer(asr.archive._replace(assets={**asr.archive.assets, "prompt": without_auto}))
    with pytest.raises(SpeechError, match=r"choose the language .* target_lang: this model knows en-US, de-DE"):
        asr.transcribe([NOISE])
    with pytest.raises(TokenizerError, match="source_lang: this model is only asked for a language, with target_lang"):
        asr.transcribe([NOISE], source_lang="en-US")
    with pytest.raises(ConfigError, match="guard: only the texts of an attention decoder"):
        asr.transcribe([NOISE], target_lang="en-US", guard=True)
    with pytest.raises(ConfigError, match="target_lang: this model has no prompt"):
        Recognizer(random_archive({**MODEL, "language_prompt": None}, CHARACTERS)).transcribe([NOISE], target_lang="en")
    with pytest.raises(ConfigError, match="target_lang is given twice"):
        slots_of("target_lang=en", "de")
    assert slots_of("pnc=no", "de") == {"target_lang": "de", "pnc": "no"}


def test_prompts_of_training(tmp_path):
    fields = [{"lang": "de"}, {"target_lang": "en", "prompt_mode": "langID"}, {"lang": "de", "prompt_mode": "auto"}]
    fields += [{"lang": "fr"}, {}, {"lang": "en", "prompt_mode": "always"}]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps({"audio_filepath": "a.wav", "duration": 1.0} | line) + "\n" for line in fields))
    manifest = Manifest(path)
    names = numbered(["auto", "de", "en"])
    assert names.languages_by_name == {"de": 0, "en": 1, "auto": 2}
    train, evaluate = (languages(manifest, names, mode="unified", auto_share=0.3, train=on) for on in (True, False))
    assert train.usable.tolist() == [True, True, True, False, True, False]
    assert [int(evaluate.row(i, Variant(epoch=4))) for i in (0, 1, 2, 4)] == [0, 1, 2, 2]
    epochs = [Variant(epoch=epoch, index=0) for epoch in range(400)]
    drawn = [int(train.row(0, variant)) for variant in epochs]
    assert set(drawn) == {0, 2} and abs(drawn.count(2) / 400 - 0.3) < 0.07
    assert drawn == [int(train.row(0, variant)) for variant in epochs]
    assert {int(train.row(1, variant)) for variant in epochs} == {1}
    assert {int(train.row(2, variant)) for variant in epochs} == {2}
    with pytest.raises(TokenizerError, match="cannot be 'fr'"):
        train.row(3, Variant())
    with pytest.raises(ManifestError, match="prompt_mode 'always'; known are auto, langID, unified"):
        train.row(5, Variant())
