"""Language models at their door, and trained with the tokenizer of another model."""

from typing import Any

import numpy as np
import pytest

import jaxspeech
from jaxspeech.configs.language_model import get_config
from jaxspeech.errors import ArchiveError, ConfigError, SpeechError
from tests.language_models import CHARACTERS, log_prob, tiny
from tests.tone_runs import train_here


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny().write(tmp_path_factory.mktemp("lm") / "lm.jaxspeech")


def test_texts_are_scored_alone(path):
    lm = jaxspeech.load(path, jaxspeech.LanguageModel)
    texts = ["a cab", "", "b", "  a   b ", "abc abc abc abc"]
    found = lm.score(texts, batch_size=4)
    assert [x.text for x in found] == texts and [x.num_tokens for x in found] == [5, 0, 1, 3, 15]
    for text, result in zip(texts, found, strict=True):
        tokens = [CHARACTERS.index(x) for x in " ".join(text.split())]
        np.testing.assert_allclose(result.log_prob, log_prob(tiny(), tokens), rtol=1e-5)
    one = lm.score("a cab")
    np.testing.assert_allclose(one[0].log_prob, found[0].log_prob, rtol=1e-5)
    total = -sum(x.log_prob for x in found)
    assert lm.perplexity(texts) == (
        pytest.approx(np.exp(total / 29), rel=1e-5),
        pytest.approx(np.exp(total / 14), rel=1e-5),
        *(5, 24, 9),
    )
    with pytest.raises(SpeechError, match="'x'"):
        lm.score("x")
    with pytest.raises(ConfigError, match="texts are strings"):
        lm.score([3])


def test_a_wrong_door_is_one_line(path):
    with pytest.raises(ConfigError, match=r"is a language model: jaxspeech.load\(path, jaxspeech.LanguageModel\)"):
        jaxspeech.load(path)


def test_the_tokenizer_of_another_model(path, tmp_path):
    (tmp_path / "texts.txt").write_text("a cab\nb\nabc\n" * 8)
    config: Any = get_config("lstm")
    config.model.decoder.width = 4
    config.tokenizer.path = str(path)
    config.data.train = config.data.eval.dev = str(tmp_path / "texts.txt")
    config.data.buckets, config.steps = 1, 2
    out = train_here(config, tmp_path / "run")
    assert "4 tokens" in out and "Done: perplexity" in out and "per word" in out.splitlines()[-1]
    lm = jaxspeech.load(tmp_path / "run" / "model.jaxspeech", jaxspeech.LanguageModel)
    assert lm.tokenizer.vocab_size == 4 and lm.score("cab")[0].log_prob < 0
    config.tokenizer.path = str(tmp_path / "missing.jaxspeech")
    with pytest.raises(ArchiveError, match=r"missing.jaxspeech: no such file"):
        train_here(config, tmp_path / "other")
