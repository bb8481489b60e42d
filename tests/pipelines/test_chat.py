"""Tests models that answer, against full passes of the same model over prompts that are written by hand."""

import contextlib
from functools import cache, partial

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.errors import SpeechError
from jaxspeech.inference.answer_memory import common
from jaxspeech.inference.inputs import Recording
from jaxspeech.pipelines.chat import Chat
from jaxspeech.text.turns import Turn
from tests.pipelines.chat_model import byte_tokenizer, chat_archive

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=count).astype(np.float32) * 0.1 for count in (7000, 4300))
MOST = 12  # tokens of an answer
END = byte_tokenizer().id_of("<|im_end|>")
USER, ANSWER = "<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def chat():
    return Chat(chat_archive())


@cache
def full_pass():
    """(samples [1 2 S], num_samples, ids [1 L], num_ids) -> logits [1 L V], without any cache."""
    archive = chat_archive()
    return jax.jit(partial(jaxspeech.build(archive.model).model.apply, archive.variables))


def written(chat, text, *audio):
    """The most probable tokens after a text, in which "@" stands for each of the audios."""
    parts = text.split("@")
    frames = chat.task.inference.frames(np.array([len(x) for x in audio], np.int32)).tolist() if audio else []
    ids = chat.tokenizer.encode(parts[0])
    for count, part in zip(frames, parts[1:], strict=True):
        ids += [-1] * count + chat.tokenizer.encode(part)
    samples, num = np.zeros((1, 2, 8000), np.float32), np.zeros((1, 2), np.int32)
    for i, one in enumerate(audio):
        samples[0, i, : len(one)], num[0, i] = one, len(one)
    answer = []
    while len(answer) < MOST:
        row = np.zeros((1, 256), np.int32)
        row[0, : len(ids)] = ids
        best = int(full_pass()(samples, num, row, np.array([len(ids)]))[0, len(ids) - 1].argmax())
        if best == END:
            break
        answer.append(best)
        ids.append(best)
    return answer


def test_answers_are_the_most_probable_tokens_whatever_they_share_a_batch_with(chat):
    asked = [("What? <audio>", A), "Hello?", ("<audio> and <audio>", B, A), ("Say", B)]
    found = chat.ask_each(asked, max_tokens=MOST, batch_size=4)
    expected = [
        written(chat, USER.format("What? @") + ANSWER, A),
        written(chat, USER.format("Hello?") + ANSWER),
        written(chat, USER.format("@ and @") + ANSWER, B, A),
        written(chat, USER.format("Say @") + ANSWER, B),
    ]
    assert [list(answer.tokens) for answer in found] == expected
    assert len({tuple(x) for x in expected}) == 4  # the answers hear and read
    assert [answer.text for answer in found] == [chat.tokenizer.decode(ids) for ids in expected]
    assert [answer.source for answer in found] == ["array 0", "question 1", "array 0", "array 0"]
    assert found[2].duration == pytest.approx((len(A) + len(B)) / 16000)
    assert [answer.finished for answer in found] == [len(ids) < MOST for ids in expected]
    [same] = chat.ask_each("Say", B, max_tokens=MOST, batch_size=4)
    assert same.tokens == found[3].tokens


def test_a_conversation_answers_as_to_all_of_it_and_hears_audio_once(chat, monkeypatch):
    talk, read = chat.chat(), []
    programs = type(chat._speaking.programs)
    extend = programs.extend

    def spy(self, variables, prompt, state):
        read.append(prompt)
        return extend(self, variables, prompt, state)

    monkeypatch.setattr(programs, "extend", spy)
    pieces = list(talk.stream("What? <audio>", A, max_tokens=MOST))
    first = talk.last
    assert "".join(pieces) == first.text and first.tokens == chat.ask("What? <audio>", A, max_tokens=MOST).tokens
    before = USER.format("What? @") + ANSWER + first.text + "<|im_end|>\n"
    second = talk.ask("And?", max_tokens=MOST)
    assert list(second.tokens) == written(chat, before + USER.format("And?") + ANSWER, A)
    [rest] = read
    assert not rest.audio and -1 not in rest.ids and len(rest.ids) < len(chat.tokenizer.encode(before))
    with contextlib.closing(talk.stream("More <audio>", B, max_tokens=MOST)) as stopped:
        begun = next(stopped)
    assert talk.turns[-1] == Turn("assistant", talk.last.text) and talk.last.text.startswith(begun)
    assert not talk.last.finished and len(talk.last.tokens) < MOST
    before += USER.format("And?") + ANSWER + second.text + "<|im_end|>\n" + USER.format("More @") + ANSWER
    before += talk.last.text + "<|im_end|>\n" + USER.format("Well?") + ANSWER
    assert list(talk.ask("Well?", max_tokens=MOST).tokens) == written(chat, before, A, B)
    talk.reset()
    assert talk.turns == [] and talk.last is None


@pytest.mark.parametrize(
    "held, asked, frames, expected",
    [
        ([1, -1, -1, 2, 3], [1, -1, -1, 2, 3, 4], [2], (5, 1)),
        ([1, -1, -1, 2, 3], [1, -1, -1, 2, 7, 4], [2], (4, 1)),
        ([1, 2], [1, 2], [], (1, 0)),
        ([1, -1, -1, 2], [1, -1, -1, -1, 2], [2, 1], (3, 1)),
        ([1, -1, -1], [1, -1, -1, -1, 2], [3], (1, 0)),
        ([1, -1, -1, -1], [1, -1, -1, -1, -1, 2], [1, 3], (2, 1)),
        ([], [1], [], (0, 0)),
    ],
)
def test_what_is_held_already(held, asked, frames, expected):
    assert common(held, asked, frames) == expected


def test_drawn_answers_depend_on_the_seed_and_not_on_the_batch(chat):
    options = {"max_tokens": MOST, "temperature": 1.0, "top_k": 40}
    questions = ["Hello?", "Hello?", ("Say", B), "Hello?"]
    four = [answer.tokens for answer in chat.ask_each(questions, **options, batch_size=4)]
    again = [answer.tokens for answer in chat.ask_each(questions[:2], **options, batch_size=4)]
    other = [answer.tokens for answer in chat.ask_each(questions, **options, seed=7, batch_size=4)]
    assert four[:2] == again and len({four[0], four[1], four[3]}) == 3 and four != other


def test_transcripts_of_whole_recordings_and_of_segments(chat):
    silent = np.zeros(41 * 16000, np.float32)
    silent[16000 : 16000 + len(A)], silent[160000 : 160000 + len(B)] = A, B
    spans = [(1.0, 1.0 + len(A) / 16000), (10.0, 10.0 + len(B) / 16000)]
    found = chat.transcribe(
        [A, silent, B], voice_activity=lambda samples, rate: spans, max_tokens=MOST, batch_size=4, long="segments"
    )
    one, other = (written(chat, USER.format("Transcribe the following: @") + ANSWER, x) for x in (A, B))
    # Two segments of at most 30 s together are one; its text is that of what is between.
    assert found[0].tokens == tuple(one) and found[2].tokens == tuple(other)
    assert found[0].text == chat.tokenizer.decode(one).strip() and found[1].duration == 41
    for options in ({"timestamps": True}, {"guard": True}, {"target_lang": "de"}, {"long": "buffered"}):
        with pytest.raises(SpeechError, match=next(iter(options))):
            chat.transcribe(A, **options)


def test_mistakes_are_one_line(chat, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    small = Chat(chat_archive(), context=60)
    for message, call in {
        "the question has <audio> 2 times, and comes with 1 recording": lambda: chat.ask("<audio><audio>", A),
        "the question is empty": lambda: chat.ask(" \n"),
        "at most 59 fit": lambda: small.ask("What? " * 20),
        "bad.wav: ": lambda: chat.ask("What?", tmp_path / "bad.wav"),
        "nosuch.wav: no such file": lambda: chat.ask_each("What?", tmp_path / "nosuch.wav"),
        "no audio files in this folder": lambda: chat.ask("What?", tmp_path / "empty"),
        "holds no samples": lambda: chat.ask("What?", A[:0]),
        "which recordings": lambda: chat.ask_each("What?"),
        "there is no question": lambda: chat.ask_each(None, A),
        "temperature is -1": lambda: chat.ask("What?", temperature=-1.0),
        "top_p is 0": lambda: chat.ask("What?", temperature=1.0, top_p=0.0),
        "seed is for drawing": lambda: chat.ask("What?", seed=3),
        "beam_size and temperature": lambda: chat.ask("What?", temperature=1.0, beam_size=2),
        "max_tokens is 0": lambda: chat.ask("What?", max_tokens=0),
        "no tokenizer": lambda: Chat(chat_archive()._replace(assets={})),
        "chat template 'qwne'": lambda: Chat(chat_archive(), template="qwne"),
    }.items():
        with pytest.raises(SpeechError) as raised:
            call()
        assert message in str(raised.value) and "\n" not in str(raised.value), message
    with pytest.raises(TypeError, match="did you mean"):
        chat.ask("What?", max_token=3)
    answers = chat.ask_each([("What?", tmp_path / "bad.wav"), ""], on_error="skip")
    assert ["bad.wav" in answers[0].error, answers[1].error] == [True, "question 1: the question is empty"]


def test_a_model_of_a_file_and_of_another_kind(chat, tmp_path):
    path = tmp_path / "m.jaxspeech"
    chat.save(path)
    again = jaxspeech.load(path, jaxspeech.Chat)
    assert again.form.template == "qwen" and again.tokenizer.files() == chat.tokenizer.files()
    jax.tree.map(np.testing.assert_array_equal, again.variables, chat.variables)
    assert Chat(chat_archive()._replace(assets={"tokenizer": chat.tokenizer})).form.template == "qwen"
    with pytest.raises(SpeechError, match=r"is a language model that answers questions"):
        jaxspeech.Regressor(chat_archive())
    with pytest.raises(SpeechError, match="has no option 'temperature'"):
        jaxspeech.load(path, jaxspeech.Chat, temperature=1.0)


def test_the_lines_of_a_manifest_have_their_own_questions(chat):
    def line(**fields):
        return Recording("x", B, fields=fields)

    asked = [line(context="Say"), line(context=["Say", "other"]), line(), Recording("y", fields={"context": "Hello?"})]
    found = chat.ask_each(None, asked, max_tokens=MOST, batch_size=4, on_error="skip")
    expected = written(chat, USER.format("Say @") + ANSWER, B)
    assert [list(found[0].tokens), list(found[1].tokens)] == [expected] * 2
    assert 'x: there is no question: give one, or a "context"' in found[2].error
    assert list(found[3].tokens) == written(chat, USER.format("Hello?") + ANSWER)
