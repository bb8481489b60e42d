"""Asks NeMo's models at the user's door: the tokens and texts that NeMo generates."""

import json
from functools import partial

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.interop.nemo.salm import load_salm
from jaxspeech.text.chat_templates import SPECIAL, chat_template

FAMILIES = (
    "salm_qwen3",
    pytest.param("salm_llama_conformer", marks=pytest.mark.slow),
    pytest.param("salm_qwen2_multilayer", marks=pytest.mark.slow),
)


def text_of(chat, ids, audio_id):
    """The user's text in a prompt of NeMo, with "<audio>" for each recording."""
    cuts = np.flatnonzero(ids == audio_id)
    text = "<audio>".join(chat.tokenizer.decode(part[part != audio_id]) for part in np.split(ids, cuts))
    before, after = (SPECIAL.sub("", around) for around in chat_template(chat.form.template).roles["user"])
    return text.removeprefix(before).removesuffix(after)


def until_end(ids, ends):
    stop = np.flatnonzero(np.isin(ids, ends))
    return tuple(ids[: stop[0]].tolist() if len(stop) else ids.tolist())


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_nemos(refs, family):
    if not (refs / family).is_dir():
        pytest.skip(f"the references have no {family}")
    arrays, facts = np.load(refs / f"{family}.npz"), json.loads((refs / f"{family}.json").read_text())
    chat = jaxspeech.Chat(load_salm(refs / family, stacked=False))
    ends, audio_id = chat.form.end_ids(chat.tokenizer), facts["ids"]["audio"]
    texts = [text_of(chat, np.array(prompt["context_ids"]), audio_id) for prompt in facts["prompts"]]
    audio = [one[:length] for one, length in zip(arrays["audio"], arrays["audio_len"], strict=True)]
    for name, beam_size in (("greedy", 1), ("beam3", 3)):
        if name not in arrays:  # as some references have no beam search
            continue
        found = chat.ask_each(
            list(zip(texts, audio, strict=True)), max_tokens=arrays[name].shape[1], beam_size=beam_size
        )
        assert [answer.tokens for answer in found] == [until_end(ids, ends) for ids in arrays[name]], name
        if name == "greedy":
            assert [answer.text for answer in found] == facts["greedy_text"]
            most = arrays[name].shape[1]
            assert "".join(chat.stream(texts[-1], audio[-1], max_tokens=most)) == facts["greedy_text"][-1]


@pytest.mark.slow
def test_a_model_of_text_alone_answers_at_the_same_door(refs):
    if not (refs / "hf_qwen3").is_dir():
        pytest.skip("the references have no hf_qwen3")
    chat = jaxspeech.load(refs / "hf_qwen3", jaxspeech.Chat, template="plain")
    talk = chat.chat()
    first = talk.ask("two dogs", max_tokens=6)
    ids = chat.tokenizer.encode("two dogs")
    assert first.tokens == generated(chat, ids, 6)
    again = [*ids, *chat.tokenizer.encode(first.text), *chat.tokenizer.encode("and a cat")]
    assert talk.ask("and a cat", max_tokens=6).tokens == generated(chat, again, 6)
    with pytest.raises(jaxspeech.SpeechError, match="reads text alone"):
        chat.ask("What?", np.zeros(16000, np.float32))


def generated(chat, ids, most):
    """The most probable tokens by passes over the whole text."""
    ids, begin = list(ids), len(ids)
    logits = jax.jit(partial(chat.model.apply, method="logits"))
    while len(ids) < begin + most:
        row = np.array([ids + [0] * (64 - len(ids))])
        best = int(logits(chat.variables, row, np.array([len(ids)]))[0, len(ids) - 1].argmax())
        if best in chat.form.end_ids(chat.tokenizer):
            break
        ids.append(best)
    return tuple(ids[begin:])
