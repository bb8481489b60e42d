"""A model with an attention decoder and a CTC head: its loss, its log-probabilities, and what they are used for."""

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.tasks.attention import Prompted
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_variables
from tests.losses.oracles import recursive_ctc

WEIGHT = 0.3
SPECIAL = [START, END, *(f"<|{name}|>" for name in ("en", "de", "transcribe", "translate", "pnc", "nopnc"))]
TOKENIZER = train_tokenizer(["say a word"], type="bpe", vocab_size=24, special=SPECIAL)
PLAIN = ATTENTION | {
    "decoder": ATTENTION["decoder"]
    | {"vocab_size": TOKENIZER.vocab_size, "end_id": TOKENIZER.pieces.index(END), "encoder_layers": 0},
    "loss": {"label_smoothing": 0.1, "prompt": False},
    "search": {"beam_size": 1, "more_than_frames": 4},
}
WITH_HEAD = PLAIN | {"loss": PLAIN["loss"] | {"ctc_weight": WEIGHT}}
VARIABLES = random_variables(WITH_HEAD)
NOISE = np.random.default_rng(0).normal(0, 0.1, 45 * 16000).astype(np.float32)


@pytest.fixture(scope="module")
def asr():
    assets = {"tokenizer": TOKENIZER, "prompt": PromptFormat("canary")}
    return Recognizer(Archive(WITH_HEAD, assets, VARIABLES, {}))


def without_head(variables):
    return {**variables, "params": {k: v for k, v in variables["params"].items() if k != "ctc_head"}}


def test_the_loss_is_the_weighted_sum_of_both_heads():
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 0.1, (3, 8000)).astype(np.float32)
    num_samples = np.array([8000, 6000, 4000], np.int32)
    num_labels = np.array([3, 0, 9], np.int32)  # the last is too long for CTC
    labels = rng.integers(1, 24, (3, 9)).astype(np.int32)
    prompt, num_prompt = np.ones((3, 2), np.int32), np.array([2, 1, 2], np.int32)
    batch = Prompted(samples, num_samples, prompt, num_prompt, labels, num_labels, np.arange(3, dtype=np.int32))
    task, plain = build(WITH_HEAD), build(PLAIN)

    def losses(task, variables, batch=batch):
        return jax.jit(lambda v: task.phases[0].loss(v, batch, jax.random.key(0))[0])(variables)

    rows, attention = losses(task, VARIABLES), losses(plain, without_head(VARIABLES))
    log_probs, num_frames = jax.jit(lambda v: task.model.apply(v, samples, num_samples, method="log_probs"))(VARIABLES)
    assert log_probs.shape[-1] == TOKENIZER.vocab_size + 1 and num_frames[2] < 9
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, rtol=1e-5)
    ctc = [
        recursive_ctc(log_probs[row, : num_frames[row]], labels[row, : num_labels[row]], TOKENIZER.vocab_size)[0]
        for row in range(2)
    ]
    np.testing.assert_allclose(rows.logged["ctc_loss"], [*ctc, 0], rtol=1e-4)
    np.testing.assert_allclose(rows.logged["attention_loss"], attention.losses, rtol=1e-5)
    expected = (1 - WEIGHT) * np.asarray(attention.losses) + WEIGHT * np.array([*ctc, 0])
    np.testing.assert_allclose(rows.losses, expected, rtol=1e-4)
    # A token weighs the same as without the head: the texts and their ends.
    np.testing.assert_array_equal(rows.weights, num_labels + 1)
    assert not attention.logged

    # The first two rows are translations: of what is said in one it learns, and of the other it is not known.
    said, num_said = rng.integers(1, 24, (3, 4)).astype(np.int32), np.array([4, 0, 0], np.int32)
    translated = batch._replace(num_labels=np.array([3, 2, 0], np.int32), said=said, num_said=num_said)
    rows = losses(task, VARIABLES, translated)
    ctc = [
        recursive_ctc(log_probs[row, : num_frames[row]], said[row, : num_said[row]], TOKENIZER.vocab_size)[0]
        for row in (0, 2)
    ]
    np.testing.assert_allclose(rows.logged["ctc_loss"], [ctc[0], 0, ctc[1]], rtol=1e-4)
    np.testing.assert_array_equal(rows.weights, [4, 3, 1])


def test_a_model_has_no_head_unless_it_is_asked_for():
    shapes = jax.eval_shape(build(PLAIN).init, jax.random.key(0))
    assert jax.tree.structure(shapes) == jax.tree.structure(without_head(VARIABLES))
    assert build(PLAIN).inference.log_probs is None
    for weight in (1.0, -0.1):
        with pytest.raises(ConfigError, match=rf"model\.loss: ctc_weight is {weight}; it must be at least 0"):
            build(PLAIN | {"loss": {"ctc_weight": weight}})


@pytest.mark.slow
def test_the_head_aligns_texts_with_short_and_long_recordings(asr):
    for samples in (NOISE[:32000], NOISE):
        heard = asr.transcribe([samples], return_log_probs=True)[0]
        np.testing.assert_allclose(np.exp(heard.log_probs).sum(-1), 1, rtol=1e-5)
        assert abs(len(heard.log_probs) - len(samples) / 16000 / asr.task.inference.frame_seconds) < 2
        aligned = asr.align([(samples, "say a word")], return_log_probs=True)[0]
        assert [word.text for word in aligned.words] == ["say", "a", "word"]
        assert aligned.words[0].end <= aligned.words[1].start < aligned.words[2].end <= len(samples) / 16000
        np.testing.assert_allclose(aligned.log_probs, heard.log_probs, atol=1e-5)


def test_a_search_by_both_scores_is_chosen_by_name(asr):
    clips = [NOISE[:16000], NOISE[:9000]]
    alone, both = asr.change_decoding(beam_size=2), asr.change_decoding(beam_size=2, ctc_weight=0.5)
    assert both.config["search"]["ctc_weight"] == 0.5
    ours, theirs = both.transcribe(clips), alone.transcribe(clips)
    assert [h.score for h in ours] != [h.score for h in theirs]
    (again,) = both.transcribe(clips[1:])
    assert again.tokens == ours[1].tokens and again.score == pytest.approx(ours[1].score, rel=1e-4)
    plain = Recognizer(Archive(PLAIN, asr.archive.assets, without_head(VARIABLES), {}))
    with pytest.raises(ConfigError, match=r"search\.ctc_weight: this model has no CTC head"):
        plain.change_decoding(ctc_weight=0.3)
    with pytest.raises(ConfigError, match=r"ctc_weight is 1.0; it must be at least 0, and below 1"):
        asr.change_decoding(ctc_weight=1.0)


def test_a_nemo_file_leaves_the_head_out(asr, tmp_path):
    remarks = save_nemo(tmp_path / "x.nemo", **asr.archive._asdict())
    assert any("no CTC head: it is left out" in remark for remark in remarks)
    returned = load_nemo(tmp_path / "x.nemo")
    jax.tree.map(np.testing.assert_array_equal, returned.variables, without_head(VARIABLES))
    assert "ctc_weight" not in returned.model["loss"]


def test_a_tokenizer_cannot_be_changed(asr):
    with pytest.raises(ConfigError, match="trained further with its own tokenizer"):
        change_vocabulary(asr.archive, TOKENIZER)
