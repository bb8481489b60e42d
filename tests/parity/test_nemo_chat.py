"""Prompts, targets and ids of texts, beside those of NeMo's speech language models and of Transformers' tokenizers."""

import pytest

from jaxspeech.text.byte_pair import read_byte_pair
from jaxspeech.text.chat import AUDIO, Chat
from jaxspeech.text.turns import ASSISTANT, USER, Turn
from tests.parity.reference import arrays_of


@pytest.mark.parametrize("name", ["hf_qwen3", "hf_qwen2", "hf_llama", "hf_llama3"])
def test_ids_of_texts(name, request, refs) -> None:
    _, settings = arrays_of(name, request)
    tokenizer = read_byte_pair(refs / name)
    assert settings["tokenizer"]
    for text, ids in settings["tokenizer"].items():
        assert tokenizer.encode(text) == ids
        assert tokenizer.decode(ids) == text.replace("<|im_start|>", "").replace("<|im_end|>", "")


@pytest.mark.parametrize("name", ["salm_qwen3", "salm_llama_conformer", "salm_qwen2_multilayer"])
def test_conversations(name, request, refs) -> None:
    arrays, settings = arrays_of(name, request)
    tokenizer, ids = read_byte_pair(refs / name), settings["ids"]
    config = settings["config"]
    chat = Chat(config["prompt_format"], locator=config["audio_locator_tag"], audio_id=ids["audio"])
    assert (tokenizer.end_id, tokenizer.pad_id, tokenizer.begin_id) == (ids["eos"], ids["pad"], ids["bos"])
    for prompt, asked_ids in zip(settings["prompts"], arrays["prompt_ids"], strict=True):
        context = [chat.locator if i == chat.audio_id else i for i in prompt["context_ids"]]
        asked = "".join(i if isinstance(i, str) else tokenizer.decode([i]) for i in context)
        answer = tokenizer.decode(prompt["answer_ids"])
        turns = [
            Turn(USER, asked.removeprefix("user\n").removesuffix("\n")),
            Turn(ASSISTANT, answer.removeprefix("assistant\n").removesuffix("\n")),
        ]
        found = chat.encode(turns, tokenizer)
        assert [chat.audio_id if i == AUDIO else i for i in found.ids] == prompt["input_ids"]
        assert found.answers.tolist() == prompt["mask"]
        # The answer's header is a target too, but what is generated begins after it.
        header = tokenizer.encode("<|im_start|>assistant\n")
        assert found.num_prompt == len(prompt["context_ids"]) + len(header)
        ours = chat.prompt(turns[:1], tokenizer)
        assert ours.tolist() == found.ids[: found.num_prompt].tolist()
        padded = [tokenizer.pad_id] * (len(asked_ids) - len(ours))
        assert [*padded, *(chat.audio_id if i == AUDIO else i for i in ours)] == asked_ids.tolist()
