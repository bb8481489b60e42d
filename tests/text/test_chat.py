"""Conversations as ids: templates, targets, thoughts, recordings, and what cannot be encoded."""

import numpy as np
import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import TokenizerError
from jaxspeech.text.chat import Chat
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.chat_templates import TEMPLATES
from jaxspeech.text.thinking import with_thoughts
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.turns import ASSISTANT, SYSTEM, USER, Turn, join_turns
from tests.text.byte_pairs import tokenizer


class Characters:
    """Has an id for each character, which is its code, and every special token."""

    begin_id, end_id, end_ids = ord("⊢"), ord("⊣"), (ord("⊣"),)

    def id_of(self, token):
        return ord(token[0])

    def encode_around(self, parts):
        return [[ord(char) for char in part] for part in parts]


def spelled(ids) -> str:
    return "".join("🔊" if i < 0 else chr(i) for i in ids)


SYSTEM_TURN = Turn(SYSTEM, "Be brief.")
TURNS = [Turn(USER, "What is said? <a>"), Turn(ASSISTANT, "two dogs"), Turn(USER, "And?"), Turn(ASSISTANT, "é 犬")]
SYSTEM_TOO = {"llama2", "llama3", "nemotron-h", "qwen3"}
# NeMo 3.0.0: PromptFormatter.resolve(name)(a tokenizer of characters).encode_dialog(SYSTEM_TURN and TURNS): all ids,
# those under the mask, and without the last turn all that is after the third. ⊢ and ⊣ are the ids bos and eos. Of
# qwen3 with random.choice(x) = x[0] and random.random() = 0.25.
SEED = 11
IM, HEAD, NH = "<|im_start|>", "<|start_header_id|>", "\n<SPECIAL_11>"
NEMO = {
    "gemma": (
        "⊢<start_of_turn>user\nWhat is said? <a><end_of_turn>\n<start_of_turn>model\ntwo dogs<end_of_turn>\n"
        "<start_of_turn>user\nAnd?<end_of_turn>\n<start_of_turn>model\né 犬<end_of_turn>\n⊣",
        "two dogs<end_of_turn>\né 犬<end_of_turn>\n⊣",
        "",
    ),
    "llama2": (
        "⊢[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat is said? <a> [/INST]two dogs ⊣⊢[INST] And? [/INST]é 犬 ⊣",
        "two dogs ⊣é 犬 ⊣",
        "",
    ),
    "llama3": (
        f"<|begin_of_text|>{HEAD}system<|end_header_id|>\n\nBe brief.<|eot_id|>{HEAD}user<|end_header_id|>\n\n"
        f"What is said? <a><|eot_id|>{HEAD}assistant<|end_header_id|>\n\ntwo dogs<|eot_id|>{HEAD}user<|end_header_id|>"
        f"\n\nAnd?<|eot_id|>{HEAD}assistant<|end_header_id|>\n\né 犬<|eot_id|>",
        f"{HEAD}assistant<|end_header_id|>\n\ntwo dogs<|eot_id|>{HEAD}assistant<|end_header_id|>\n\né 犬<|eot_id|>",
        f"{HEAD}assistant<|end_header_id|>\n\n",
    ),
    "mistral": (
        "<s>[INST] What is said? <a> [/INST] two dogs</s>[INST] And? [/INST] é 犬</s>",
        "two dogs</s>é 犬</s>",
        "",
    ),
    "nemotron-h": (
        f"<SPECIAL_10>System\nBe brief.{NH}User\nWhat is said? <a>{NH}Assistant\ntwo dogs{NH}User\nAnd?"
        f"{NH}Assistant\né 犬",
        f"{NH}Assistant\ntwo dogs{NH}Assistant\né 犬",
        f"{NH}Assistant\n",
    ),
    "phi2_chat": ("Human: What is said? <a>\nAI: two dogsHuman: And?\nAI: é 犬", "two dogsé 犬", ""),
    "phi2_code": ("What is said? <a>\ntwo dogsAnd?\né 犬", "two dogsé 犬", ""),
    "phi2_qa": ("Instruct: What is said? <a>\nOutput: two dogsInstruct: And?\nOutput: é 犬", "two dogsé 犬", ""),
    "plain": ("What is said? <a>two dogsAnd?é 犬", "two dogsé 犬", ""),
    "qwen": (
        f"{IM}user\nWhat is said? <a><|im_end|>\n{IM}assistant\ntwo dogs<|im_end|>\n{IM}user\nAnd?<|im_end|>\n"
        f"{IM}assistant\né 犬<|im_end|>\n",
        f"{IM}assistant\ntwo dogs<|im_end|>\n{IM}assistant\né 犬<|im_end|>\n",
        f"{IM}assistant\n",
    ),
    "qwen3": (
        f"{IM}system\nBe brief. /no_think<|im_end|>\n{IM}user\nWhat is said? <a><|im_end|>\n{IM}assistant\ntwo dogs"
        f"<|im_end|>\n{IM}user\nAnd?<|im_end|>\n{IM}assistant\n<think>\n\n</think>\n\né 犬<|im_end|>\n",
        f"{IM}assistant\n<think>\n\n</think>\n\né 犬<|im_end|>\n",
        f"{IM}assistant\n",
    ),
}


@pytest.mark.parametrize("template", NEMO)
def test_templates_and_targets_are_nemos(template) -> None:
    chat, turns = Chat(template, locator="<a>"), [*([SYSTEM_TURN] if template in SYSTEM_TOO else []), *TURNS]
    text, learned, opening = NEMO[template]
    # Draws the first of three turns, and then less than a half.
    found = chat.encode(turns, Characters(), draw=np.random.default_rng(SEED))
    assert spelled(found.ids) == text.replace("<a>", "🔊")
    assert spelled(found.ids[found.answers]) == learned
    # What is generated begins where the answer's text does.
    assert text.replace("<a>", "🔊")[found.num_prompt :].startswith("é 犬")
    prompt = spelled(chat.prompt(turns[:-1], Characters()))
    before = text.replace(" /no_think", "").replace("<a>", "🔊")
    assert prompt == before[: before.index("é")].removesuffix("<think>\n\n</think>\n\n")
    assert prompt.endswith(opening)


def test_recordings_stand_where_either_tag_does() -> None:
    chat = Chat("plain", locator="[a]")
    turns = [Turn(USER, "[a]<audio> and <audio>"), Turn(ASSISTANT, "<audio> is a word here")]
    assert chat.count_audios(turns) == 3
    assert spelled(chat.encode(turns, Characters()).ids) == "🔊🔊 and 🔊<audio> is a word here"
    found = ChatPrompts(chat, Characters()).example(turns, [2, 0, 3])
    assert spelled(found.ids) == "🔊🔊 and 🔊🔊🔊<audio> is a word here"
    assert found.num_prompt == 10 and found.answers.tolist() == [False] * 10 + [True] * 22
    assert spelled(ChatPrompts(chat, Characters())(turns[:1], np.array([1, 1, 2]))) == "🔊🔊 and 🔊🔊"
    assert spelled(ChatPrompts(chat, Characters(), most_tokens=2)([Turn(USER, "hi")])) == "hi"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: p([(USER, "hi <audio>")], [4, 4]),
            r"1 place for audio, but came with 2 recordings; write \"<audio>",
        ),
        (lambda p: p([(USER, "<audio> <audio>")], [4]), "2 places for audio, but came with 1 recording;"),
        (
            lambda p: p([(USER, "hi <audio>")], [9]),
            "prompt has 12 tokens, 9 of them frames of audio, and at most 9 fit",
        ),
        (lambda p: p.example([(USER, "hi <audio>"), (ASSISTANT, "")], [9]), "conversation has 12 tokens"),
        (lambda p: p([]), "at least one turn"),
        (lambda p: p([("robot", "hi")]), "role 'robot'; it can be system, user, assistant"),
        (lambda p: p([(USER, ""), (ASSISTANT, "")]), "ends with an answer already"),
        (lambda p: p.example([(USER, "")]), "a training example ends with an answer, not with a turn of the user"),
        (lambda p: p([(SYSTEM, "x"), (USER, "")]), "template 'plain' has no system turn"),
        (lambda p: p([(USER, ""), (ASSISTANT, "<|audioplaceholder|>"), (USER, "")]), "an answer has <.audioplace"),
        (lambda p: Chat("qwem"), "template 'qwem' is unknown; did you mean \"qwen\""),
        (lambda p: Chat("phi2_qa", system="x"), "'phi2_qa' has no system turn"),
        (
            lambda p: Chat("llama2").prompt([(USER, ""), (SYSTEM, "")], Characters()),
            "no system turn, but before a user's",
        ),
        (lambda p: Chat("llama3").prompt([(USER, "")], tokenizer()), r"no token <\|begin_of_text\|>, which the chat"),
        (
            lambda p: Chat("gemma").prompt([(USER, "")], tokenizer(TEMPLATES["gemma"].special, None, None)),
            "that begins",
        ),
        (lambda p: Chat.build({"template": 7}, {}), "'template': 7; it can have template, locator"),
        (lambda p: Chat.build({"templates": "qwen"}, {}), "the chat's config has 'templates'"),
    ],
)
def test_what_cannot_be_encoded_is_one_line(call, message) -> None:
    with pytest.raises(TokenizerError, match=message) as caught:
        call(ChatPrompts(Chat("plain"), Characters(), most_tokens=9))
    assert "\n" not in str(caught.value)


def test_only_the_template_marks_the_start_and_end_of_texts() -> None:
    """A user's "|bos|" is text; NeMo would put its first token there."""
    assert spelled(Chat("plain").prompt([Turn(USER, "|bos|hi")], Characters())) == "|bos|hi"
    assert spelled(Chat("llama2").prompt([Turn(USER, "|eos|")], Characters())) == "⊢[INST] |eos| [/INST]"


def test_the_models_own_system_turn_comes_first_unless_there_is_one() -> None:
    chat = Chat("qwen", system="Be brief.")
    assert spelled(chat.prompt([Turn(USER, "hi")], Characters())).startswith(
        f"{IM}system\nBe brief.<|im_end|>\n{IM}user"
    )
    assert "Be brief" not in spelled(chat.prompt([Turn(SYSTEM, ""), Turn(USER, "hi")], Characters()))
    assert Chat("llama2", system="<audio>").count_audios([Turn(USER, "")]) == 1
    for given in (chat, Chat("qwen3", locator="<a>", audio_id=7)):
        assert build_asset("chat", given.config(), given.files()).config() == given.config()


def test_answers_end_with_the_templates_token_and_the_tokenizers() -> None:
    small = tokenizer(end="<|endoftext|>")
    assert Chat("qwen").end_ids(small) == (small.id_of("<|im_end|>"), small.id_of("<|endoftext|>"))
    assert Chat("plain").end_ids(small) == (small.id_of("<|endoftext|>"),)
    assert Chat("llama2").end_ids(Characters()) == Characters.end_ids


def test_a_new_tokenizer_is_trained_with_the_tokens_of_a_template() -> None:
    chat = Chat("qwen")
    assert chat.special == ("<|im_start|>", "<|im_end|>")
    texts = ["user assistant the cat sat on the mat", "a dog ran to the cat"] * 5
    small = train_tokenizer(texts, type="bpe", vocab_size=50, special=chat.special)
    start, end = (small.pieces.index(token) for token in chat.special)
    found = chat.encode([Turn(USER, "the cat <audio> sat"), Turn(ASSISTANT, "a dog")], small)
    assert found.ids.tolist() == [
        *(start, *small.encode("user the cat"), -1, *small.encode("sat"), end),
        *(start, *small.encode("assistant a dog"), end),
    ]
    assert small.decode(found.ids[found.num_prompt :][:-1].tolist()) == "a dog" and chat.end_ids(small) == (end,)
    plain = train_tokenizer(texts, type="bpe", vocab_size=40)
    assert Chat("plain").prompt([Turn(USER, "the cat")], plain).tolist() == plain.encode("the cat")
    with pytest.raises(TokenizerError, match=r"the tokenizer has no token <\|im_start\|>"):
        chat.prompt([Turn(USER, "the cat")], plain)


def test_parts_of_one_speaker_are_one_turn() -> None:
    parts = [Turn(USER, "What is this?"), Turn(USER, "<audio>"), Turn(ASSISTANT, "a dog"), Turn(USER, "?")]
    assert join_turns(parts) == [Turn(USER, "What is this? <audio>"), *parts[2:]]


def test_thoughts_are_kept_in_the_last_answer_only() -> None:
    thought = "<think>\nhm\n</think>\n\nyes"
    turns = [Turn(SYSTEM, " "), Turn(USER, "a?"), Turn(ASSISTANT, thought), Turn(USER, "b?"), Turn(ASSISTANT, "no")]
    expected = [turns[1], Turn(ASSISTANT, "yes"), turns[3], Turn(ASSISTANT, "<think>\n\n</think>\n\nno")]
    assert with_thoughts(turns) == expected
    assert with_thoughts(turns[:3])[-1] == Turn(ASSISTANT, thought)
    assert with_thoughts([turns[1], Turn(ASSISTANT, "<think> hm\n</think>yes")])[-1] == Turn(ASSISTANT, thought)
    assert with_thoughts([turns[1], Turn(ASSISTANT, "<think></think>\nno")])[-1] == expected[-1]
    chat = Chat("qwen3")
    asked = spelled(chat.prompt(turns[:4], Characters(), thinking=False))
    assert asked.endswith(f"b?<|im_end|>\n{IM}assistant\n<think>\n\n</think>\n\n")
    found = chat.encode(turns[:3], Characters())
    assert spelled(found.ids[found.num_prompt :]) == f"{thought}<|im_end|>\n"
    for broken in ("hm</think>yes", "yes <think>hm</think>", "<think>hm"):
        with pytest.raises(TokenizerError, match="one whole block of thoughts"):
            chat.encode([turns[1], Turn(ASSISTANT, broken)], Characters())


def test_half_of_the_thinking_examples_ask_for_it_and_all_others_not_to() -> None:
    thinks = [Turn(USER, "a"), Turn(ASSISTANT, "<think>\nhm\n</think>\n\nyes")]
    found = [with_thoughts(thinks, draw=np.random.default_rng(seed))[0].text for seed in range(200)]
    assert {*found} == {"a", "a /think", "/think a"} and 70 < found.count("a") < 130
    found = [
        with_thoughts([thinks[0], Turn(ASSISTANT, "no")], draw=np.random.default_rng(s))[0].text for s in range(99)
    ]
    assert {*found} == {"a /no_think", "/no_think a"} and 30 < found.count("a /no_think") < 70
