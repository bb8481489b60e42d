"""Live audio with an attention decoder: against a decoder without caches that hears each window alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.forms.attention_streaming import KEPT_TOKENS, STEP_TOKENS
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.live import StepTimes, transcribe_live
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.search.attention_stream import MOST_REPEATS, Rules, write_tokens
from jaxspeech.search.loops import start_runs, without_loop
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.inference.fed import fed
from tests.interop.random_model import random_variables

RATE = 16000
SPECIAL = [START, END, *(f"<|{name}|>" for name in ("en", "de", "transcribe", "translate", "pnc", "nopnc"))]
SIZES = {"chunk": 4, "look_ahead": 2, "left": 6}


@pytest.fixture(scope="module")
def asr():
    tokenizer = train_tokenizer(["say a word of two or more"], type="bpe", vocab_size=32, special=SPECIAL)
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.pieces.index(END), "num_layers": 2}
    decoder = ATTENTION["decoder"] | sizes | {"max_length": 96}
    model = ATTENTION | {"decoder": decoder, "search": {"beam_size": 1, "more_than_frames": 10}}
    variables = jax.tree.map(lambda x: 3 * x, random_variables(model))
    # Most random models say the same whatever they hear, and one token again and again, as inputs and outputs have
    # one table of tokens. This one does neither.
    weights = variables["params"]["decoder"]
    weights["table"] /= 3
    weights["norm_out"]["scale"] = np.random.default_rng(9).normal(0, 3, 12).astype(np.float32)
    for layer in ("layers_0", "layers_1"):
        weights[layer]["cross_attention"]["out"]["kernel"] *= 3
    return Recognizer(Archive(model, {"tokenizer": tokenizer, "prompt": PromptFormat("canary")}, variables, {}))


def speech(seed, seconds):
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(100, 6000, 200), RATE // 8)[: round(seconds * RATE)]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


def frame_of(asr):
    return round(asr.task.inference.frame_seconds * RATE)


@pytest.fixture(scope="module")
def oracle(asr):
    return Oracle(asr, **SIZES)


class Oracle:
    """Computes everything again for each window and each token."""

    def __init__(self, asr, *, chunk, look_ahead, left):
        self.asr, self.sizes = asr, (chunk, look_ahead, left)
        self.decoder = asr.task.model.decoder
        self.params = {"params": asr.variables["params"]["decoder"]}
        self.encode = jax.jit(asr.task.inference.encode)
        self.look = jax.jit(self.looked)

    def looked(self, encoded, num_frames, ids):
        states = self.decoder.apply(self.params, encoded, num_frames, ids)
        weights = self.decoder.apply(self.params, encoded, num_frames, ids, method="cross_attention", layers=(-2,))
        logits = self.decoder.apply(self.params, states, method="logits")
        return jax.nn.log_softmax(logits[0]), weights[0].mean(0)

    def text(self, audio, prompt, rules):
        chunk, ahead, left = self.sizes
        frame = frame_of(self.asr)
        size, all_ids, kept, recent, score, begin = (chunk + ahead + left) * frame, [], [], [], 0.0, 0
        end = min((chunk + ahead) * frame, len(audio))
        while True:
            over = end == len(audio)
            full = over or (rules.policy == "waitk" and end - begin + chunk * frame > size)
            start = max(begin, end - size)
            window = np.full((1, size), np.nan, np.float32)
            window[0, : end - start] = audio[start:end]
            encoded, [n] = jax.device_get(self.encode(self.asr.variables, window, np.array([end - start])))
            heard = int(n) if full else max((end - start) // frame - ahead, 0)
            first = start // frame
            kept = [(token, at) for token, at in kept if at > first]
            limit = int(n) + 10 - len(prompt) - len(kept)
            limit = limit if full else int(np.ceil(STEP_TOKENS * (chunk + ahead) * frame / RATE))
            new = []
            while heard and (full or (first + heard) // chunk >= rules.wait) and len(new) < limit:
                ids = [*prompt, *(token for token, _ in kept), *new]
                padded = np.zeros((1, 96), np.int32)
                padded[0, : len(ids)] = ids
                log_probs, weights = jax.device_get(self.look(encoded, np.array([heard]), padded))
                log_probs, weights = log_probs[len(ids) - 1], weights[len(ids) - 1, :heard]
                sink = 0 if first else (rules.sink if heard > rules.sink else heard // 2)
                frame_seen = sink + int(np.argmax(weights[sink:]))
                token = int(np.argmax(log_probs))
                near = heard - (frame_seen + 1) < rules.hold
                if not full and (near if rules.policy == "alignatt" else len(new) >= rules.tokens):
                    break
                if token == self.decoder.end_id:
                    score += log_probs[token] if full else 0
                    break
                recent.append(token)
                if without_loop(recent, most_repeats=MOST_REPEATS) < len(recent):
                    recent = []
                    break
                score += log_probs[token]
                new.append(token)
            all_ids += new
            recent = [] if full and not over else recent
            kept = [] if full and not over else [*kept, *((token, first + heard) for token in new)]
            kept = kept[-int(np.ceil(KEPT_TOKENS * size / RATE)) :]
            begin = end if full and not over else begin
            if over:
                return all_ids, score
            end = min(end + chunk * frame, len(audio))


@pytest.mark.parametrize("rules", [Rules(hold=3), Rules("waitk", wait=1, tokens=2)], ids=["alignatt", "waitk"])
def test_streams_of_any_age_write_what_the_policy_says(asr, oracle, rules):
    frame = frame_of(asr)
    lengths = [30 * frame, 23 * frame + 700, 6 * frame, 3000, 17 * frame + 9, 10 * frame]
    audio = [speech(i, 3.0)[:n] for i, n in enumerate(lengths)]
    languages = ["en", "de", "de", "en", "de", "en"]
    prompts = [asr.assets["prompt"].encode(asr.tokenizer, {"target_lang": language}) for language in languages]
    expected = [oracle.text(*pair, rules) for pair in zip(audio, prompts, strict=True)]
    given = {"policy": rules.policy, "wait": rules.wait, "tokens": rules.tokens, "hold": rules.hold}
    streams = asr.streams(2, **SIZES, **given, timestamps=True)
    found = fed(streams, audio, np.random.default_rng(0), target_lang=languages)
    assert len({token for ids, _ in expected for token in ids}) > 3
    for one, (ids, score) in zip(found, expected, strict=True):
        assert list(one.tokens) == ids
        np.testing.assert_allclose(one.score, score, rtol=1e-3, atol=1e-3)
        assert one.text == asr.tokenizer.decode(one.tokens)
        starts = [char.start for char in one.chars]
        assert starts == sorted(starts) and all(char.end <= one.duration for char in one.chars)
    # What is over within the first chunk is recognised as a whole recording.
    for i in (2, 3):
        (whole,) = asr.transcribe(audio[i], target_lang=languages[i])
        assert whole.tokens == found[i].tokens and whole.score == pytest.approx(found[i].score, rel=1e-3)
    # Each alone, all of it at once, in a place that others have used.
    for i in (0, 1, 4):
        stream = streams.open(target_lang=languages[i])
        stream.push(audio[i])
        alone = stream.finish()
        assert alone.tokens == found[i].tokens and alone.duration == found[i].duration


def test_each_recording_of_a_list_asks_for_itself(asr):
    audio = speech(1, 2.0)
    streams = asr.streams(2, **SIZES, policy="alignatt", wait=2, tokens=1, hold=3)
    lines = [Recording(language, audio, fields={"target_lang": language}) for language in ("de", "xx", "en")]
    found = list(transcribe_live(streams, lines, lambda line: line.audio, show=lambda said: None, times=StepTimes()))
    assert "target_lang cannot be 'xx'" in found[1].error and found[0].error is None
    for said in (found[0], found[2]):
        stream = streams.open(target_lang=said.source)
        stream.push(audio)
        assert stream.finish().tokens == said.tokens
    assert found[0].score != found[2].score


# A planted decoder: token k is said in frame 4 k, and is predicted while the decoder looks there; then the text ends.
FRAMES, ENDING = np.arange(1, 9) * 4, 0


def planted(said=tuple(range(1, 9)), end=ENDING):
    def step(ids, place):
        token = jnp.asarray([*said, end])[place]
        weights = jax.nn.one_hot(jnp.asarray([*FRAMES[: len(said)], FRAMES[len(said) - 1]])[place], 64)
        return jax.nn.one_hot(token, 12) * 9.0, weights, place + 1

    return step


def write(rules, heard, *, final=False, done=0, step=None, **options):
    rows = len(heard)
    given = {
        "writes": jnp.ones(rows, bool),
        "final": jnp.full(rows, final),
        "moved": jnp.zeros(rows, bool),
        "heard": jnp.asarray(heard),
        "limits": jnp.full(rows, 20),
        "runs": start_runs((rows,)),
        "earlier": jnp.full(rows, done),
        "end_id": ENDING,
        "vocab_size": 12,
        "most_tokens": 20,
    }
    start = jnp.full(rows, done)
    return write_tokens(step or planted(), jnp.zeros(rows, jnp.int32), start, rules=rules, **{**given, **options})


def counts(written):
    return written.num_tokens.tolist()


def test_alignatt_waits_for_what_comes_after_a_token():
    # A token in frame f is written once f + 1 + hold frames are heard.
    assert counts(write(Rules(hold=8, sink=2), [12, 13, 16, 17, 30, 60])) == [0, 1, 1, 2, 5, 8]
    assert counts(write(Rules(hold=8, sink=2), [12, 13], final=True)) == [8, 8]
    assert write(Rules(hold=0, sink=2), [60]).frames[0, :8].tolist() == FRAMES.tolist()
    assert counts(write(Rules(hold=8, sink=2), [60], limits=jnp.array([3]))) == [3]
    # Attention to the first frames of a recording says nothing, unless they have moved out of the window.
    sink = write(Rules(hold=8, sink=8), [24, 24], moved=jnp.array([False, True]), done=0)
    assert counts(sink) == [3, 3] and sink.frames[:, 0].tolist() == [8, 4]


def test_wait_k_writes_a_number_of_tokens():
    assert counts(write(Rules("waitk", tokens=3), [5, 60])) == [3, 3]
    assert counts(write(Rules("waitk", tokens=3), [5, 60], done=4, final=True)) == [4, 4]


@pytest.mark.parametrize(("said", "written"), [((3,) * 14, 12), ((3, 4) * 8, 13), ((3,) * 7 + (4,), 8)])
def test_a_text_that_repeats_itself_is_stopped(said, written):
    def step(ids, place):
        return jax.nn.one_hot(jnp.asarray([*said, ENDING])[place], 12) * 9.0, jnp.ones((1, 64)), place + 1

    found = write(Rules(), [60], final=True, step=step)
    assert counts(found) == [written]
    assert (found.runs.recent == -1).all() == (written < len(said))  # what follows begins without a past


def test_a_row_does_not_depend_on_others_nor_on_nan_in_them():
    def step(ids, place):
        logits, weights, place = planted()(ids, place)
        bad = jnp.array([False, True])[:, None]
        return jnp.where(bad, jnp.nan, logits), jnp.where(bad, jnp.nan, weights), place

    found = write(Rules(hold=8, sink=2), [30, 30], step=step, writes=jnp.array([True, False]))
    assert counts(found) == [5, 0] and np.isfinite(found.score).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "aligatt"}, "policy 'aligatt'; did you mean"),
        ({"wait": -1}, "wait -1: must be at least 0"),
        ({"policy": "waitk", "tokens": 0}, "tokens 0: must be at least 1"),
        ({"chunk": 0}, "a chunk has at least 1 frame"),
        ({"chunks": 2}, "a step of this model takes one chunk"),
        ({"target_lang": "fr"}, "target_lang cannot be 'fr'"),
        ({"itn": True}, "has no slot 'itn'"),
        ({"source_lang": "auto"}, 'source_lang "auto" is for whole recordings'),
    ],
)
def test_options_that_cannot_be(asr, options, message):
    with pytest.raises(SpeechError, match=message):
        asr.streams(2, **{**SIZES, **options})


def test_other_models_have_no_such_options():
    from tests.inference.test_streaming import recognizer

    for name, value in {"policy": "alignatt", "left": 3}.items():
        with pytest.raises(ConfigError, match=f"{name}: this model has no attention decoder"):
            recognizer("ctc").streams(1, **{name: value})
