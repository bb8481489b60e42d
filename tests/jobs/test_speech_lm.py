"""The job of speech language models: assets, parts of trained models, and what is refused."""

import json
import sys
from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive, save_archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.answers import Found
from jaxspeech.jobs.job import Placement
from jaxspeech.jobs.speech_lm import SPEECH_LM
from jaxspeech.text.char import CharTokenizer
from jaxspeech.training.warm_start import start_given
from tests.contract.cases import RECOGNITION, recipe


@pytest.fixture(scope="module")
def settings(tones) -> dict[str, Any]:
    return json.loads(recipe("speech_lm", tones).to_json())


@pytest.fixture(scope="module")
def assets(settings) -> Any:
    return SPEECH_LM.assets(settings, SPEECH_LM.source(settings, print), {})


def test_the_tokenizer_knows_what_conversations_are_written_with(settings, assets):
    tokenizer, chat = assets["tokenizer"], assets["chat"]
    assert chat.end_ids(tokenizer) == (tokenizer.pieces.index("<|im_end|>"),)
    for text in ("user", "assistant", "say", "repeat", "a b c"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    model = SPEECH_LM.sized(settings["model"], assets)
    assert model["decoder"]["vocab_size"] == tokenizer.vocab_size and model["search"]["end_ids"] == (2,)
    assert model["search"]["most_tokens"] == settings["model"]["search"]["most_tokens"]


def zeros_of(model: dict[str, Any]) -> Any:
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    return jax.tree.map(lambda leaf: np.full(leaf.shape, 0.5, leaf.dtype), shapes)


def test_a_model_starts_from_the_parts_of_others(settings, assets, tmp_path, capsys):
    model = SPEECH_LM.sized(settings["model"], assets)
    of_text = {"task": "causal_lm", "decoder": model["decoder"]}
    recogniser = RECOGNITION["ctc"]
    recogniser = recogniser | {"decoder": recogniser["decoder"] | {"vocab_size": 3}}
    paths = {"encoder": str(tmp_path / "asr.jaxspeech"), "decoder": str(tmp_path / "lm.jaxspeech")}
    owned = {"encoder": {"tokenizer": CharTokenizer("abc")}, "decoder": {"tokenizer": assets["tokenizer"]}}
    for (name, path), other in zip(paths.items(), (recogniser, of_text), strict=True):
        save_archive(path, model=other, assets=owned[name], variables=zeros_of(other), metadata={})
    lora = {"rank": 2, "targets": ["query"]}
    of_new = settings | {"model": model | {"decoder": model["decoder"] | {"lora": lora}}, "parts": paths}
    assert SPEECH_LM.given is not None
    found = SPEECH_LM.given(of_new)
    shapes = jax.eval_shape(build(of_new["model"]).init, jax.random.key(0))
    start = start_given(shapes, found)
    taken = {path.split("/")[1] for path in start.arrays}
    assert taken == {"encoder", "decoder"} and not any("lora" in path for path in start.arrays)
    assert len(start.arrays) == len(jax.tree.leaves(shapes)) - 2 - len(jax.tree.leaves(shapes["params"]["connector"]))
    assert "Starting from the decoder of" in capsys.readouterr().out

    other = settings | {"model": model | {"decoder": model["decoder"] | {"rope": {"theta": 7.0}}}, "parts": paths}
    with pytest.raises(ConfigError, match=r"model.decoder.rope is Rope\(theta=7.0.*whose decoder is taken"):
        SPEECH_LM.given(other)
    with pytest.raises(ConfigError, match=r"parts.encoder: .* is a model of the task 'causal_lm', which has none"):
        SPEECH_LM.given(settings | {"model": model, "parts": {"encoder": paths["decoder"]}})
    with pytest.raises(ConfigError, match=r"parts.decodr: no such part"):
        SPEECH_LM.given(settings | {"parts": {"decodr": "x"}})
    assert SPEECH_LM.given(settings | {"parts": {"encoder": "", "decoder": ""}}) == {}

    assert SPEECH_LM.taken is not None
    archive = Archive(recogniser, owned["encoder"], {}, {})
    assert SPEECH_LM.taken(model, archive).include == ("^encoder/",)
    assert SPEECH_LM.adapted(archive, assets, 0) is archive
    whole = Archive(model, owned["encoder"], {}, {})
    assert SPEECH_LM.taken(model, whole).include == ()
    with pytest.raises(ConfigError, match="trained further with its own tokenizer"):
        SPEECH_LM.adapted(whole, assets, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asked": {"promts": ()}}, "asked.promts: no such field.*prompts"),
        ({"asked": {"prompts": 3}}, "asked.prompts is 3; it is a text, or several"),
        ({"asked": {"score": "were"}}, "asked.score is 'were'"),
        ({"chat": {"template": "qwan"}}, "chat: .*qwan"),
        ({"chat": {"template": "plain"}}, "chat.template: an answer in the form 'plain' has no end"),
    ],
)
def test_what_is_refused(settings, change, message):
    settings = settings | change | {"tokenizer": settings["tokenizer"] | {"vocab_size": 24}}
    with pytest.raises(ConfigError, match=message):
        SPEECH_LM.assets(settings, SPEECH_LM.source(settings, print), {})


def test_scores_are_checked_before_the_first_step(settings, assets, tones, tmp_path, monkeypatch):
    task = build(SPEECH_LM.sized(settings["model"], assets))
    line = json.loads((tones / "dev.jsonl").read_text().splitlines()[0])
    line["audio_filepath"] = str(tones / line["audio_filepath"])
    for score, message in (("bleu", "sacrebleu"), ("were", r"data.eval.dev: the .score. of a line is 'were'")):
        (tmp_path / "dev.jsonl").write_text(json.dumps(line | {"score": score}) + "\n")
        of_data = settings["data"] | {"eval": {"dev": str(tmp_path / "dev.jsonl")}}
        monkeypatch.setitem(sys.modules, "sacrebleu", None)
        with pytest.raises(ConfigError, match=message):
            source = SPEECH_LM.source(settings, print)
            SPEECH_LM.data(settings | {"data": of_data}, source, assets, task, Placement(), print)


def test_a_table_has_a_row_for_each_token(settings, assets):
    model = settings["model"]
    larger = SPEECH_LM.sized(model | {"decoder": model["decoder"] | {"vocab_size": 64}}, assets)
    assert larger["decoder"]["vocab_size"] == 64  # rows that mean nothing
    with pytest.raises(ConfigError, match=r"model.decoder.vocab_size is 5; the tokenizer has 32 tokens"):
        SPEECH_LM.sized(model | {"decoder": model["decoder"] | {"vocab_size": 5}}, assets)


def test_the_evaluation_shows_what_was_asked(settings, assets):
    task = build(SPEECH_LM.sized(settings["model"], assets))
    evaluation = SPEECH_LM.evaluation(settings | {"asked": {"prompts": ["say"], "score": "answer"}}, assets, task)
    found = Found("a", 1, 1)
    assert "asked:    say <audio>" in evaluation.sample(found, {"text": "a"})
    assert evaluation.score({0: found}, {0: {"text": "a"}}) == {"right": 1.0, "token_accuracy": 1.0}
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "b"}]
    messages += [{"role": "user", "content": "two"}, {"role": "assistant", "content": "a"}]
    assert "asked:    two" in evaluation.sample(found, {"text": "a", "messages": messages})
