"""Prompts are ids of special tokens; what a model does not have is one line with what it has."""

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import TokenizerError
from jaxspeech.text.prompt import PromptFormat, collection, special_tokens
from jaxspeech.text.train import train_tokenizer

NAMES = ("startoftranscript", "startofcontext", "endoftext", "emo:undefined", "emo:happy", "en", "de", "transcribe")
NAMES += ("translate", *(f"{no}{name}" for name in ("pnc", "itn", "timestamp", "diarize") for no in ("", "no")))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["say a word", "or two"], type="bpe", vocab_size=40, special=[f"<|{n}|>" for n in NAMES])


def spelled(tokenizer, ids):
    return [tokenizer.pieces[i] for i in ids]


def test_the_slots_of_canary(tokenizer):
    prompt = PromptFormat("canary")
    asked = {"source_lang": "de", "target_lang": "en", "taskname": "ast", "pnc": False}
    expected = ["<|startoftranscript|>", "<|de|>", "<|translate|>", "<|en|>", "<|nopnc|>"]
    assert spelled(tokenizer, prompt.encode(tokenizer, asked)) == expected
    assert spelled(tokenizer, prompt.encode(tokenizer, {}))[1:] == ["<|en|>", "<|transcribe|>", "<|en|>", "<|pnc|>"]


def test_a_context_is_text_before_the_start(tokenizer):
    prompt = PromptFormat("canary2", defaults={"emotion": "<|emo:happy|>"})
    ids = prompt.encode(tokenizer, {"decodercontext": "two words", "itn": "YES"})
    found = spelled(tokenizer, ids)
    start = found.index("<|startoftranscript|>")
    assert found[0] == "<|startofcontext|>" and tokenizer.decode(ids[1:start]) == "two words"
    assert found[start + 1 :][0] == "<|emo:happy|>" and found[-3:] == ["<|itn|>", "<|notimestamp|>", "<|nodiarize|>"]
    assert prompt.encode(tokenizer, {"decodercontext": ""})[:2] == [
        special_tokens(tokenizer)[p] for p in ("<|startofcontext|>", "<|startoftranscript|>")
    ]


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ({"source_lang": "xx"}, r"source_lang cannot be 'xx': this model knows en, de$"),
        ({"pnc": "maybe"}, "pnc can be yes or no, not 'maybe'"),
        ({"task": "sing"}, "task can be asr, transcribe"),
        ({"itn": "yes"}, "the prompt format 'canary' has no slot 'itn'"),
    ],
)
def test_what_a_model_does_not_have_is_one_line(tokenizer, slots, message):
    with pytest.raises(TokenizerError, match=message):
        PromptFormat("canary").encode(tokenizer, slots)


def test_a_line_asks_for_a_translation_if_its_languages_differ():
    assert PromptFormat("canary").translates({"target_lang": "de", "text": "ein", "lang": "en"})
    assert not PromptFormat("canary2").translates({"source_lang": "<|de|>", "target_lang": "de"})
    assert PromptFormat("canary2", defaults={"source_lang": "de"}).translates({})
    assert not PromptFormat("canary2", defaults={"source_lang": "de"}).translates({"source_lang": "en"})
    assert not PromptFormat("start", start_id=1).translates({"target_lang": "de"})


def test_an_asset_is_rebuilt_and_a_collection_is_padded(tokenizer):
    prompt = PromptFormat("canary2", defaults={"source_lang": "de"})
    again = build_asset("prompt", prompt.config(), prompt.files())
    assert again.encode(tokenizer, {}) == prompt.encode(tokenizer, {})
    assert PromptFormat("start", start_id=7).encode(tokenizer, {}) == [7]
    found = collection([3, 4, 5])
    assert found["ids"].tolist() == [3, 4, 5] + [0] * 13 and found["count"] == 3
    with pytest.raises(TokenizerError, match="'canary3' is unknown"):
        PromptFormat("canary3")


@pytest.mark.parametrize("config", [{"format": "start", "start_id": "x"}, {"format": "canary", "defaults": [1]}])
def test_a_config_of_another_form_is_one_line(config):
    with pytest.raises(TokenizerError, match="the prompt's config has"):
        build_asset("prompt", config, {})
