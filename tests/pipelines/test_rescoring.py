"""Alternatives of a beam search and their rescoring: by a transducer and a language model of random weights."""

import json

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.builder import build
from jaxspeech.cli.main import main
from jaxspeech.cli.rescoring import Tuner
from jaxspeech.errors import ConfigError
from jaxspeech.inference.formats import to_jsonl
from jaxspeech.text.char import CharTokenizer
from tests.contract.cases import RECOGNITION
from tests.language_models import CHARACTERS, tiny

RNG = np.random.default_rng(3)
BEAM = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rescoring")
    tiny().write(folder / "lm.jaxspeech")
    model = RECOGNITION["transducer"] | {"search": {"beam_size": BEAM, "max_symbols": 2}}
    model |= {"decoder": model["decoder"] | {"vocab_size": len(CHARACTERS)}}
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    variables = jax.tree.map(lambda x: (RNG.normal(size=x.shape) * 0.5).astype(x.dtype), shapes)
    save_archive(
        folder / "asr.jaxspeech", model=model, assets={"tokenizer": CharTokenizer(CHARACTERS)}, variables=variables
    )
    lines = []
    for name, count in (("a", 6400), ("b", 4800)):
        soundfile.write(folder / f"{name}.wav", RNG.normal(size=count) * 0.1, 16000)
        lines.append({"audio_filepath": f"{name}.wav", "duration": count / 16000, "text": "ab c"})
    (folder / "dev.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def asr(folder):
    return jaxspeech.load(folder / "asr.jaxspeech")


def test_the_alternative_with_the_best_sum_is_the_text(folder, asr):
    lm, paths = jaxspeech.load(folder / "lm.jaxspeech", jaxspeech.LanguageModel), [folder / "a.wav", folder / "b.wav"]
    plain = asr.transcribe(paths, alternatives=BEAM, timestamps=True)
    found = asr.transcribe(paths, rescore=lm, rescore_weight=2.0, length_reward=1.5, timestamps=True)
    changed = 0
    for before, after in zip(plain, found, strict=True):
        # A beam's best texts are ranked by their scores per token; the first is what is found without alternatives.
        assert before.text == before.alternatives[0].text and before.alternatives[0].lm is None
        assert len(before.alternatives) == BEAM
        assert len({one.tokens for one in before.alternatives}) == BEAM
        by_text = {one.text: one for one in before.alternatives}
        scores = [
            by_text[one.text].score + 2.0 * lm.score(one.text)[0].log_prob + 1.5 * len(one.tokens)
            for one in after.alternatives
        ]
        np.testing.assert_allclose([one.score for one in after.alternatives], scores, rtol=1e-4)
        assert scores == sorted(scores, reverse=True)
        assert (after.text, after.tokens) == after.alternatives[0][0:3:2] and len(after.chars) == len(after.tokens)
        assert after.score == after.alternatives[0].score
        changed += before.text != after.text
    assert changed
    alone = asr.transcribe(paths[1], rescore=str(folder / "lm.jaxspeech"), rescore_weight=2.0, length_reward=1.5)
    assert alone[0].text == found[1].text
    assert asr.transcribe(paths[1])[0].alternatives is None


def test_the_weights_that_are_best_and_what_is_written(folder, asr):
    found = asr.transcribe(folder / "dev.jsonl", rescore=folder / "lm.jaxspeech", timestamps=True)
    tuner = Tuner()
    for said, hypothesis in zip((found[0].alternatives[2].text, "ab c"), found, strict=True):
        tuner.add(said, hypothesis)
    line = tuner.line()
    assert line.startswith("--rescore_weight=") and "on these 2 recordings" in line and "at best" in line
    assert "no recording has both" in Tuner().line()
    written = json.loads(to_jsonl(found[0], {}))
    assert [one["text"] for one in written["pred_alternatives"]] == [one.text for one in found[0].alternatives]
    assert set(written["pred_alternatives"][0]) == {"text", "score", "acoustic", "lm"}


def test_wrong_options_are_one_line(folder, capsys):
    arguments = ["transcribe", f"--model={folder / 'asr.jaxspeech'}", f"--manifest={folder / 'dev.jsonl'}"]
    for wrong, message in (
        (["--length_reward=1"], "--length_reward: name a language model"),
        (["--tune_rescoring", "--rescore=lm.jaxspeech", "--stream"], "--rescore is for whole recordings"),
        ([f"--rescore={folder / 'asr.jaxspeech'}"], "asr.jaxspeech: this is a recognition model, not a language"),
        (["--language_model=a.arpa:0.5,b.arpa"], "'b.arpa' has no weight, as in b.arpa:0.5"),
        (["--language_model=:0.5,b.arpa:1"], "':0.5' names no model"),
        (["--search=max_symbols"], "'max_symbols' is not NAME=VALUE"),
        (["--search=maxsymbols=3"], "search: 'maxsymbols'; did you mean \"max_symbols\""),
        (["--search=max_symbols=many"], "search: max_symbols is 'many'; it must be a whole number"),
        (["--alternatives=9"], "alternatives is 9, and beam_size only 4"),
        (["--alternatives=2", "--beam_size=1"], "alternatives: the search of this model finds one text"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_neural_models_in_the_search(folder, asr):
    """A model that is added and subtracted changes nothing; that inside the transducer is one of several."""
    path, lm = folder / "lm.jaxspeech", jaxspeech.load(folder / "lm.jaxspeech", jaxspeech.LanguageModel)
    audio = [folder / "a.wav", folder / "b.wav"]

    def texts(models, **options):
        return [found.text for found in asr.transcribe(audio, language_model=models, **options)]

    plain, strong = [found.text for found in asr.transcribe(audio)], texts(lm, lm_weight=4.0)
    assert strong != plain and lm.perplexity(strong).per_token < lm.perplexity(plain).per_token
    assert texts([(lm, 1.5), (path, -1.5)]) == plain
    assert texts({path: 4.0}) == strong
    assert texts([(lm, 4.0), ("internal", -2.0)]) != texts([(lm, 4.0), ("internal", 2.0)])
    other = jaxspeech.load(path, jaxspeech.LanguageModel)
    other.tokenizer = CharTokenizer("xyzw")
    for models, message in (
        (other, "its tokens are not those of the recogniser"),
        ([lm], "several models are given as"),
        (3, "language_model is 3; it must be a file, a model, or several"),
        ([(path, "1")], "a weight is '1'; it must be a number"),
    ):
        with pytest.raises(ConfigError, match=message):
            texts(models)
    with pytest.raises(ConfigError, match="have their own weights"):
        texts([(path, 1.0)], lm_weight=2.0)


def test_other_values_are_refused(asr, folder):
    with pytest.raises(ConfigError, match="it must be a path or a LanguageModel"):
        asr.transcribe(folder / "a.wav", rescore=3)
    with pytest.raises(ConfigError, match="rescore_weight: is for choosing among alternatives"):
        asr.transcribe(folder / "a.wav", rescore_weight=0.3)
