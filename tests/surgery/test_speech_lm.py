"""A speech language model made of a recogniser and a language model: each part computes what it did."""

from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.surgery.speech_lm import join_speech_lm
from tests.interop.random_model import CHARACTERS, random_archive, random_variables
from tests.pipelines.chat_model import HEARING, byte_tokenizer

CTC = {"task": "ctc", "decoder": {"name": "ctc"}} | {name: HEARING[name] for name in ("features", "encoder")}
LLM = {"task": "causal_lm", "decoder": HEARING["decoder"]}
LORA = {"rank": 2, "alpha": 4.0, "targets": ("query", "down")}


def language_model(**lora: Any) -> Archive:
    model = LLM | {"decoder": LLM["decoder"] | ({"lora": lora} if lora else {})}
    return Archive(model, {"tokenizer": byte_tokenizer()}, random_variables(model, seed=3), {})


def states(archive: Archive) -> Any:
    decoder = build(archive.model).model.decoder
    apply: Any = decoder.apply
    params = {"params": archive.variables["params"]["decoder"]}
    ids = np.array([[3, 1, 4, 1]])
    return jax.jit(lambda params: apply(params, apply(params, ids, method="embed"), np.array([4])))(params)


def test_lora_changes_nothing_at_first():
    recogniser, llm = random_archive(CTC, CHARACTERS), language_model()
    joined = join_speech_lm(recogniser, llm, lora=LORA)
    assert_array_equal(states(joined), states(llm))
    params = joined.variables["params"]
    jax.tree.map(assert_array_equal, params["encoder"], recogniser.variables["params"]["encoder"])
    lora_a = params["decoder"]["layers_0"]["attention"]["query"]["lora_a"]
    assert lora_a.shape == (16, 2) and np.any(lora_a)
    assert np.any(params["connector"]["out"]["kernel"])
    assert joined.model["search"]["end_ids"] == (257,) and joined.assets["chat"].template == "qwen"


def test_lora_of_the_language_model_is_kept_in_its_matrices():
    llm = language_model(**LORA)
    joined = join_speech_lm(random_archive(CTC, CHARACTERS), llm)
    np.testing.assert_allclose(states(joined), states(llm), atol=1e-5)
    assert "lora" not in joined.model["decoder"]


def test_models_without_the_parts_are_refused():
    recogniser, llm = random_archive(CTC, CHARACTERS), language_model()
    with pytest.raises(ConfigError, match="'causal_lm' has no features to hear with"):
        join_speech_lm(llm, llm)
    with pytest.raises(ConfigError, match="'ctc' is no language model with a tokenizer"):
        join_speech_lm(recogniser, recogniser)
    encoder = recogniser.model["encoder"] | {"width": 24}
    with pytest.raises(ConfigError, match="has the shape"):
        join_speech_lm(recogniser._replace(model=recogniser.model | {"encoder": encoder}), llm)
