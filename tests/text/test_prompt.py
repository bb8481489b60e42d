"""Prompts are ids of special tokens; what a model does not have is one line with what it has."""

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.prompt import PromptFormat, padded, special_tokens
from jaxspeech.text.prompt_slots import UNKNOWN
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
        ({"task": "ast", "source_lang": "de"}, "task 'ast' needs target_lang, the language of the text"),
        ({"source_lang": ["en"]}, r"source_lang cannot be \['en'\]: this model knows en, de"),
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
    assert not PromptFormat("canary2").translates({"source_lang": "auto", "target_lang": "de"})


def test_an_asset_is_rebuilt_and_prompts_are_padded(tokenizer):
    prompt = PromptFormat("canary2", defaults={"source_lang": "de"})
    again = build_asset("prompt", prompt.config(), prompt.files())
    assert again.encode(tokenizer, {}) == prompt.encode(tokenizer, {})
    assert PromptFormat("start", start_id=7).encode(tokenizer, {}) == [7]
    ids, counts = padded([[3, 4, 5], [6] * 17])
    assert ids.shape == (2, 32) and ids[0].tolist() == [3, 4, 5] + [0] * 29 and counts.tolist() == [3, 17]
    with pytest.raises(TokenizerError, match="'canary3' is unknown"):
        PromptFormat("canary3")
    with pytest.raises(TokenizerError, match="the prompt format 'start' has no slot 'source_lang'; it has none"):
        PromptFormat("start").encode(tokenizer, {"source_lang": "auto"})
    some = train_tokenizer(["say a word"], type="bpe", vocab_size=24, special=["<|startoftranscript|>", "<|en|>"])
    with pytest.raises(TokenizerError, match=r"the tokenizer has no token <\|startofcontext\|>, which every prompt"):
        PromptFormat("canary2").encode(some, {})
    with pytest.raises(TokenizerError, match="task cannot be 'transcribe': this model knows no value of it"):
        PromptFormat("canary").encode(some, {})


def test_the_text_is_in_the_language_that_is_spoken_unless_given(tokenizer):
    prompt = PromptFormat("canary2", defaults={"target_lang": "en"})

    def languages(**slots):
        ids = prompt.encode(tokenizer, slots, unknown=UNKNOWN)
        return ["auto" if i == UNKNOWN else tokenizer.pieces[i] for i in ids[3:5]]

    assert languages(source_lang="DE") == ["<|de|>", "<|de|>"] and languages() == ["<|en|>", "<|en|>"]
    assert languages(source_lang="de", target_lang="en") == ["<|de|>", "<|en|>"]
    assert languages(source_lang="auto") == ["auto", "auto"]
    with pytest.raises(TokenizerError, match="task 'translate' needs target_lang"):  # NeMo's files spell defaults so
        PromptFormat("canary", defaults={"target_lang": "<|en|>"}).encode(tokenizer, {"task": "<|translate|>"})
    assert languages(source_lang="auto", target_lang="en") == ["auto", "<|en|>"]
    assert languages(source_lang="de", target_lang="auto") == ["<|de|>", "<|de|>"]
    assert [tokenizer.pieces[i] for i in prompt.languages(tokenizer)] == ["<|en|>", "<|de|>"]
    with pytest.raises(TokenizerError, match="source_lang cannot be 'auto': this model knows en, de"):
        prompt.encode(tokenizer, {"source_lang": "auto"})  # as in a manifest for training
    with pytest.raises(TokenizerError, match="no tokens of languages"):
        prompt.languages(train_tokenizer(["say a word"], type="bpe", vocab_size=12))


def test_several_tokenizers(tokenizer):
    """The context has the tokenizer of the text's language, the special tokens have their own."""
    english, german = (train_tokenizer([text], type="bpe", vocab_size=14) for text in ("say a word", "sag ein wort"))
    several = AggregateTokenizer({"spl_tokens": tokenizer, "en": english, "de": german})
    prompt, offset = PromptFormat("canary2"), tokenizer.vocab_size + english.vocab_size
    ids = prompt.encode(several, {"decodercontext": "ein wort", "target_lang": "de"})
    start = ids.index(several.pieces.index("<|startoftranscript|>"))
    assert ids[1:start] == [i + offset for i in german.encode("ein wort")]
    assert several.decode([*several.encode("say", "en"), *several.encode("ein wort", "de")]) == "say ein wort"
    with pytest.raises(TokenizerError, match="decodercontext needs target_lang where source_lang is 'auto'"):
        prompt.encode(several, {"decodercontext": "ein wort", "source_lang": "auto"}, unknown=UNKNOWN)
    # A published tokenizer has tokens of nearly all languages, and texts in a few.
    special = [f"<|{name}|>" for name in ("fr", *NAMES)]
    many = train_tokenizer(["say a word"], type="bpe", vocab_size=40, special=special)
    with pytest.raises(TokenizerError, match=r"source_lang cannot be 'xx': this model knows en, de$"):
        prompt.encode(AggregateTokenizer({"spl_tokens": many, "en": english, "de": german}), {"source_lang": "xx"})
    assert UNKNOWN in prompt.encode(several, {"source_lang": "auto"}, unknown=UNKNOWN)


@pytest.mark.parametrize("config", [{"format": "start", "start_id": "x"}, {"format": "canary", "defaults": [1]}])
def test_a_config_of_another_form_is_one_line(config):
    with pytest.raises(TokenizerError, match="the prompt's config has"):
        build_asset("prompt", config, {})
