"""Compares language models that hear with NeMo's SALM: frames, prompts, chunks, logits, loss, gradients and texts.

The references are folders in the layout that NeMo saves, each with the arrays that it computed.
"""

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxspeech.builder import build
from jaxspeech.interop.nemo.salm import load_salm, salm_rows
from jaxspeech.interop.nemo.salm_save import save_salm
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.losses.tokens import token_losses
from jaxspeech.search.generate import generate
from jaxspeech.search.generate_beam import generate_beam
from jaxspeech.tasks.answer_loss import targets_of
from jaxspeech.tasks.speech_lm import Conversations
from jaxspeech.tasks.speech_lm_model import decoder_apply
from jaxspeech.text.chat import AUDIO
from tests.parity.both_ways import NEMO_PYTHON

# A folder with peft and what it needs, where NeMo's own environment lacks them.
PEFT = os.environ.get("JAXSPEECH_NEMO_PEFT", "")
FAMILIES = ("salm_qwen3", "salm_llama_conformer", "salm_qwen2_multilayer")


class Salm(NamedTuple):
    """A reference, and what we make of it."""

    folder: Any
    model: dict[str, Any]
    task: Any
    variables: Any
    nemo: dict[str, np.ndarray]
    notes: dict[str, Any]

    def apply(self, *inputs: Any, method: str) -> Any:
        return jax.jit(partial(self.task.model.apply, method=method))(self.variables, *inputs)

    @property
    def features(self) -> Any:
        return self.nemo["feats"].transpose(0, 2, 1), self.nemo["feats_len"].astype(np.int32)

    def batch(self, ids: Any, audios: Any, answers: Any = None) -> Conversations:
        """Conversations of NeMo's ids, with as many places for audio as it has frames.

        Args:
          ids: [B L] with one placeholder for each audio, padded on the left.
          audios: numbers of the recordings of each row.
          answers: which ids are targets.
        """
        place, pad = self.notes["ids"]["audio"], self.notes["ids"]["pad"]
        most = max(map(len, audios))
        index = np.array([[*row, *[-1] * (most - len(row))] for row in audios], int).reshape(len(audios), most)
        num_samples = np.where(index < 0, 0, self.nemo["audio_len"][index]).astype(np.int32)
        rows, marks = [], []
        for i, row in enumerate(ids):
            start = np.argmax(row != pad)
            frames = iter(self.task.inference.frames(num_samples[i]) if most else [])
            counts = [next(frames) if token == place else 1 for token in row[start:]]
            rows.append(np.repeat(np.where(row[start:] == place, AUDIO, row[start:]), counts))
            marks.append(np.repeat(answers[i][start:] if answers is not None else np.zeros_like(row[start:]), counts))
        width = max(map(len, rows))
        padded, targets = np.full((len(rows), width), 10**6, np.int32), np.ones((len(rows), width), bool)
        for i, (row, mark) in enumerate(zip(rows, marks, strict=True)):
            padded[i, : len(row)], targets[i, : len(row)] = row, mark
        samples = self.nemo["audio"][index] if most else np.zeros((len(rows), 0, 0), np.float32)
        count = np.array([len(row) for row in rows], np.int32)
        return Conversations(samples, num_samples, padded, count, count, targets, np.arange(len(rows)))


# What a family has in common with the others is compared for all of them with -m slow.
FIRST_FAMILY = pytest.mark.parametrize(
    "salm", [FAMILIES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES[1:])], indirect=True
)


@pytest.fixture(scope="module", params=FAMILIES)
def salm(request: pytest.FixtureRequest) -> Salm:
    refs = request.getfixturevalue("refs")
    folder = refs / request.param
    if not folder.is_dir():
        pytest.skip(f"{refs} has no {request.param}")
    archive = load_salm(folder, stacked=False)
    with np.load(refs / f"{request.param}.npz") as file:
        nemo = {key: file[key] for key in file.files}
    notes = json.loads((refs / f"{request.param}.json").read_text())
    return Salm(folder, archive.model, build(archive.model), archive.variables, nemo, notes)


def real_rows(x: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """The real places of each row, which stand on the right in NeMo."""
    return [row[real] for row, real in zip(x, mask, strict=True)]


def conversations(salm: Salm) -> Conversations:
    nemo = salm.nemo
    return salm.batch(nemo["input_ids"], [[i] for i in range(len(nemo["audio"]))], nemo["loss_mask"])


def from_features(model: Any, variables: Any, features: Any, num_frames: Any, batch: Conversations) -> Any:
    """Frames of audio, from NeMo's features in place of waveforms, their numbers, and what the language model reads."""

    def inputs(model: Any) -> Any:
        frames, counts = model.perceive_features(features, num_frames)
        return frames, counts, model.spliced(batch.ids, batch.num_ids, frames[:, None], counts[:, None])

    return model.apply(variables, method=inputs)


def test_frames_prompts_loss_and_gradients(salm):
    batch, model = conversations(salm), salm.task.model

    def loss(variables: Any) -> Any:
        features, num_frames = salm.features
        frames, counted, x = from_features(model, variables, features, num_frames, batch)
        apply = decoder_apply(model, variables)
        states = apply(x, batch.num_ids)
        targets, counts = targets_of(batch)
        options = {"logits": partial(apply, method="logits"), "sparse": True}
        found = token_losses(states[:, :-1], targets, counts, **options)
        return found.losses.sum() / counts.sum(), (frames, counted, x, apply(states, method="logits"))

    (found, computed), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(salm.variables)
    frames, counted, x, logits = computed
    assert counted.tolist() == salm.nemo["audio_emb_len"].tolist()
    for own, theirs, n in zip(frames, salm.nemo["audio_embs"], counted, strict=True):
        assert_allclose(own[:n], theirs[:n], atol=1e-4)
    mask = salm.nemo["in.attention_mask"]
    # NeMo leaves the last id out, of which nothing is predicted.
    rows = zip(
        x, logits, real_rows(salm.nemo["in.input_embeds"], mask), real_rows(salm.nemo["logits"], mask), strict=True
    )
    for row, (own, scores, expected, expected_scores) in enumerate(rows):
        assert batch.num_ids[row] == len(expected) + 1
        assert_allclose(own[: len(expected)], expected, atol=1e-4)
        assert_allclose(scores[: len(expected)], expected_scores, atol=1e-4)
    assert_allclose(found, salm.nemo["loss"], rtol=1e-5)

    tensors = dict(to_tensors({"params": grads["params"]}, salm_rows(salm.model)))
    expected = {name.removeprefix("grad."): value for name, value in salm.nemo.items() if name.startswith("grad.")}
    assert len(expected) > 10
    for name, value in expected.items():
        assert_allclose(tensors[name], value, atol=2e-4 * max(np.abs(value).max(), 1e-3), err_msg=name)
    for name, norm in zip(salm.nemo["grad_names"], salm.nemo["grad_norms"], strict=True):
        assert_allclose(np.linalg.norm(tensors[str(name)]), norm, rtol=1e-3, atol=1e-6, err_msg=str(name))


@FIRST_FAMILY
def test_chunks_of_audio(salm):
    batch = conversations(salm)
    expected = real_rows(salm.nemo["chunked.input_embeds"], salm.nemo["chunked.attention_mask"])
    lengths = [len(row) + 1 for row in expected] - batch.num_ids + salm.nemo["audio_emb_len"]
    for seconds in (1.2, 0.8, 1.6):  # the files do not say it
        model = build(salm.model | {"chunk_seconds": seconds})
        if model.inference.frames(salm.nemo["audio_len"]).tolist() == lengths.tolist():
            found = jax.jit(partial(model.model.apply, method="inputs"))(salm.variables, *batch[:4])
            worst = max(np.abs(x[: len(row)] - row).max() for x, row in zip(found, expected, strict=True))
            if worst < 1e-3:
                return
    raise AssertionError("no chunks give these frames")


def until_end(ids: Any, end: int) -> list[int]:
    ids = [int(i) for i in ids]
    return ids[: ids.index(end)] if end in ids else ids


@FIRST_FAMILY
def test_texts(salm):
    nemo, end, start, step = salm.nemo, salm.notes["ids"]["eos"], salm.task.inference.start, salm.task.inference.step
    most, most_of_beam = nemo["greedy"].shape[1], nemo["beam3"].shape[1]
    ids, pad = nemo["prompt_ids"], salm.notes["ids"]["pad"]
    # Texts without audio are the same prompts with a token in the place of audio; the files do not say that it is 5.
    text_only = np.where(ids == salm.notes["ids"]["audio"], 5, ids)
    two = np.pad(
        nemo["two_audio_prompt"], ((0, 0), (ids.shape[1] - nemo["two_audio_prompt"].shape[1], 0)), constant_values=pad
    )
    # All of them in one batch, whose rows do not depend on each other.
    names = ["greedy", "two_audio_greedy", "text_only_greedy"]
    audios = [*([i] for i in range(len(ids))), [0, 1], *([] for _ in ids)]
    prompts = salm.batch(np.concatenate([ids, two, text_only]), audios)

    def answers(variables: Any, prompts: Conversations) -> Any:
        logits, state = start(variables, prompts, most)
        next_token = partial(step, variables)
        return (
            generate(next_token, logits, state, end_ids=(end,), most_tokens=most),
            generate(next_token, logits, state, end_ids=(), most_tokens=most),
            generate_beam(next_token, logits, state, end_ids=(end,), most_tokens=most_of_beam, beam_size=3)[0],
            logits,
        )

    *found, logits = jax.jit(answers)(salm.variables, prompts)
    assert_allclose(logits[: len(ids)], nemo["greedy_step_logits"][:, 0], atol=1e-3)
    greedy, endless, beam = ([row[:n].tolist() for row, n in zip(x.ids, x.num_tokens, strict=True)] for x in found)
    expected = [(until_end(row, end), nemo[name].shape[1]) for name in names for row in nemo[name]]
    assert [text[:length] for text, (_, length) in zip(greedy, expected, strict=True)] == [text for text, _ in expected]
    assert endless[: len(ids)] == nemo["greedy_no_eos"].tolist()
    assert beam[: len(ids)] == [until_end(row, end) for row in nemo["beam3"]]


@pytest.mark.slow
@pytest.mark.skipif(not NEMO_PYTHON, reason="JAXSPEECH_NEMO_PYTHON is not set")
def test_nemo_restores_what_is_written(refs, tmp_path):
    """NeMo computes the same logits from folders that are written here, of changed weights, as from the references."""
    expected = {}
    for name in FAMILIES:
        if not (refs / name).is_dir():
            continue
        archive = load_salm(refs / name)
        archive = archive._replace(
            variables=jax.tree.map(lambda x: np.asarray(x) * np.float32(0.99), archive.variables)
        )
        for kind, metadata in (("kept", archive.metadata), ("new", {})):
            folder = tmp_path / f"{name}_{kind}"
            assert save_salm(folder, archive._replace(metadata=metadata)) == []
            with np.load(refs / f"{name}.npz") as file:
                nemo = {key: file[key] for key in ("audio", "audio_len", "input_ids", "loss_mask")}
            np.savez(folder / "inputs.npz", **nemo)
            notes = json.loads((refs / f"{name}.json").read_text())
            given = Salm(folder, archive.model, build(archive.model), archive.variables, nemo, notes)
            batch = conversations(given)
            logits = given.apply(batch.samples, batch.num_samples, batch.ids, batch.num_ids, method="logits")
            expected[folder] = logits, batch.num_ids
    script = Path(__file__).parent / "salm_with_nemo.py"
    subprocess.run([NEMO_PYTHON, script, tmp_path], check=True, env=dict(os.environ) | {"PYTHONPATH": PEFT})
    for folder, (logits, num_ids) in expected.items():
        assert not (folder / "failed.txt").exists(), (folder / "failed.txt").read_text()
        with np.load(folder / "outputs.npz") as file:
            found = real_rows(file["logits"], file["attention_mask"])
        for row, theirs, n in zip(logits, found, num_ids, strict=True):
            assert n == len(theirs) + 1
            assert_allclose(row[: n - 1], theirs, atol=1e-3)
