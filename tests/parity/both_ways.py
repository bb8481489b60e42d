"""Compares the outputs of jaxspeech and NeMo for a model: from NeMo's file, and from a file that we wrote."""

import json
import os
import re
import subprocess
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances
from tests.parity.reference import as_returned, every_layer, inputs_of, targets_of, worst

# A Python interpreter with NeMo.
NEMO_PYTHON = os.environ.get("JAXSPEECH_NEMO_PYTHON", "")
# Pieces in which NeMo does not count punctuation marks.
SPECIAL_PIECE = re.compile(r"\[.*\]$|<.*>$|##|\u2581|\s*$")
SCRIPT = Path(__file__).with_name("with_nemo.py")


class Ours(NamedTuple):
    """The outputs of our model.

    Attributes:
      features: [B T F], from the audio.
      layers: list of [B T' D]; from NeMo's features, as the next two.
      encoded, num_frames: [B T' D], [B].
      outputs: "log_probs" [B T' V+1] and "joint" logits [B T' U+1 W], whichever the model has.
      ids: tokens of each row, from the audio.
    """

    features: np.ndarray
    layers: list[np.ndarray]
    encoded: np.ndarray
    num_frames: np.ndarray
    outputs: dict[str, np.ndarray]
    ids: list[list[int]]


class Differences(NamedTuple):
    """Largest absolute differences between our outputs and NeMo's, and whether all rows have equal ids."""

    features: float
    layers: float
    outputs: float
    ids: bool


def computed(archive: Archive, batch: Utterances, features: np.ndarray, num_features: np.ndarray) -> Ours:
    """Runs our frontend and search on the audio in `batch`, and the encoder and heads on NeMo's features."""
    task = build(archive.model)

    def run(model: Any, batch: Utterances, features: Any, num_features: Any) -> Any:
        ours, _ = model.features(batch.samples, batch.num_samples)
        encoded, num_frames, returned = model.encoder(features, num_features, layers=every_layer(model.encoder))
        layers = [output.frames for output in returned]
        outputs = {}
        if hasattr(model, "ctc_head") or not hasattr(model.decoder, "joint_inputs"):
            head = model.ctc_head if hasattr(model, "ctc_head") else model.decoder
            states = model.head_states(encoded, num_frames) if hasattr(model, "head_states") else encoded
            outputs["log_probs"] = jax.nn.log_softmax(head(states))
        if hasattr(model.decoder, "joint_inputs"):
            outputs["joint"] = model.decoder(encoded, batch.labels)
        return ours, layers, encoded, num_frames, outputs

    inputs = batch, features, num_features.astype(np.int32)
    found = jax.jit(partial(task.model.apply, method=run))(archive.variables, *inputs)
    tokens = jax.jit(task.predict)(archive.variables, batch)
    ids = [row[:n].tolist() for row, n in zip(np.asarray(tokens.ids), np.asarray(tokens.num_tokens), strict=True)]
    return Ours(*jax.tree.map(np.asarray, found), ids)


def read(archive: Archive, refs: Path, name: str) -> Differences:
    """Compares our outputs for NeMo's file `name` with those of NeMo."""
    with np.load(refs / f"{name}.npz") as file:
        nemo = dict(file)
    notes = json.loads((refs / f"{name}.json").read_text())
    ours, encoder = computed(archive, batch_of(nemo), *inputs_of(nemo)), build(archive.model).model.encoder
    layers = [
        worst(layer, *theirs)[0]
        for layer, theirs in zip(ours.layers, as_returned(nemo, encoder, archive.variables), strict=True)
        if theirs is not None
    ]
    layers.append(worst(ours.encoded, nemo["enc_out"].transpose(0, 2, 1), nemo["enc_out_len"])[0])
    theirs = {"joint": nemo.get("joint_raw"), "log_probs": nemo.get("ctc.log_probs", nemo.get("log_probs"))}
    features = worst(ours.features, inputs_of(nemo)[0], nemo["feats_len"])[0]
    if "joint" in ours.outputs:
        # For a multi-blank model NeMo pads the third utterance before it transcribes it.
        hypotheses = notes.get("rnnt_greedy_batch") or notes["transcribe"][:2]
        same = [text_by_nemo(archive, ids) == row["text"] for ids, row in zip(ours.ids, hypotheses, strict=False)]
    else:
        best = [row[:n].tolist() for row, n in zip(nemo["greedy_argmax"], nemo["enc_out_len"], strict=True)]
        same = [ids == plain_ids(archive, row) for ids, row in zip(ours.ids, best, strict=True)]
    return Differences(features, max(layers), largest(ours, theirs), all(same))


def written(archive: Archive, path: Path) -> Differences:
    """Compares our outputs with those of NeMo for the file at `path`, which we wrote and NeMo restored."""
    with np.load(path.with_suffix(".inputs.npz")) as file:
        inputs = dict(file)
    with np.load(path.with_suffix(".outputs.npz")) as file:
        nemo = dict(file)
    notes = json.loads(path.with_suffix(".json").read_text())
    batch = Utterances(**inputs, index=np.arange(len(inputs["samples"]), dtype=np.int32))
    ours = computed(archive, batch, nemo["features"], nemo["num_features"])
    layers = worst(ours.encoded, nemo["encoded"], nemo["num_frames"])[0]
    features = worst(ours.features, nemo["features"], nemo["num_features"])[0]
    texts = [text_by_nemo(archive, ids) for ids in ours.ids]
    same = texts == notes["texts"] == notes["transcripts"] and ours.ids == [
        plain_ids(archive, row) for row in notes["ids"]
    ]
    return Differences(features, layers, largest(ours, nemo), same)


def plain_ids(archive: Archive, row: list[int]) -> list[int]:
    """Returns the tokens in the result of NeMo's search, which for CTC is the best symbol of each frame."""
    if archive.model["task"] != "ctc":
        return row
    blank = archive.assets["tokenizer"].vocab_size
    return [token for token, before in zip(row, [blank, *row], strict=False) if token not in (before, blank)]


def text_by_nemo(archive: Archive, ids: list[int]) -> str:
    """Decodes tokens to text as NeMo does.

    NeMo removes a space before any punctuation mark in the vocabulary. For a TDT over characters it also drops the last
    characters of the vocabulary, as many as there are durations. Text of several languages begins with its first space.
    """
    tokenizer, decoder = archive.assets["tokenizer"], archive.model["decoder"]
    if tokenizer.config()["type"] == "char":
        ids = [token for token in ids if token < tokenizer.vocab_size - len(decoder.get("durations", ()))]
    ordinary = "".join(piece for piece in tokenizer.pieces if not SPECIAL_PIECE.match(piece))
    marks = "|".join(re.escape(mark) for mark in set(ordinary) if unicodedata.category(mark).startswith("P"))
    text = tokenizer.decode(ids)
    if tokenizer.config()["type"] == "aggregate" and ids and tokenizer.pieces[ids[0]].startswith("\u2581"):
        text = f" {text}"
    return re.sub(rf"\s({marks})", r"\1", text) if marks else text


def batch_of(nemo: dict[str, np.ndarray]) -> Utterances:
    """Returns the audio and the labels of a reference."""
    samples, num_samples = nemo["audio"], nemo["audio_len"].astype(np.int32)
    return Utterances(samples, num_samples, *targets_of(nemo), np.arange(len(samples), dtype=np.int32))


def largest(ours: Ours, theirs: dict[str, Any]) -> float:
    """Returns the largest difference between the outputs in real frames."""
    flat = {name: np.reshape(array, (*array.shape[:2], -1)) for name, array in ours.outputs.items()}
    return max(worst(array, np.reshape(theirs[name], array.shape), ours.num_frames)[0] for name, array in flat.items())


def restore_with_nemo(folder: Path, batches: dict[str, Utterances]) -> dict[str, dict[str, Any]]:
    """Makes NeMo restore the .nemo files in `folder` and run them on these batches; returns its texts by name."""
    for name, batch in batches.items():
        np.savez(
            folder / f"{name}.inputs.npz",
            **{key: value for key, value in batch._asdict().items() if key not in ("index", "language")},
        )
    done = subprocess.run([NEMO_PYTHON, SCRIPT, folder], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in batches}
