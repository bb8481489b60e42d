"""What a model computes here and at the peer's: from the peer's own file, and from a file that we wrote."""

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
from tests.parity.reference import inputs_of, layers_of, targets_of, worst

# The peer's interpreter.
PEER_PYTHON = os.environ.get("JAXSPEECH_PEER_PYTHON", "")
# Pieces whose punctuation marks are none to it.
SPECIAL_PIECE = re.compile(r"\[.*\]$|<.*>$|##|\u2581|\s*$")
SCRIPT = Path(__file__).with_name("with_peer.py")


class Ours(NamedTuple):
    """What our model computes.

    Attributes:
      features: [B T F], from the audio.
      layers: list of [B T' D], from the peer's features; so are the following.
      encoded, num_frames: [B T' D], [B].
      outputs: log_probs [B T' V+1] and joint logits [B T' U+1 W], of those that the model has.
      ids: of each row, from the audio.
    """

    features: np.ndarray
    layers: list[np.ndarray]
    encoded: np.ndarray
    num_frames: np.ndarray
    outputs: dict[str, np.ndarray]
    ids: list[list[int]]


class Differences(NamedTuple):
    """Largest absolute differences of ours and the peer's, and whether all rows have the same ids."""

    features: float
    layers: float
    outputs: float
    ids: bool


def computed(archive: Archive, batch: Utterances, features: np.ndarray, num_features: np.ndarray) -> Ours:
    """Runs our model on the audio in `batch`, and from its encoder on, on the peer's features."""
    task = build(archive.model)

    def run(model: Any, batch: Utterances, features: Any, num_features: Any) -> Any:
        ours, _ = model.features(batch.samples, batch.num_samples)
        encoded, num_frames, layers = model.encoder(features, num_features, return_layers=True)
        outputs = {}
        if hasattr(model, "ctc_head") or not hasattr(model.decoder, "joint_inputs"):
            head = model.ctc_head if hasattr(model, "ctc_head") else model.decoder
            outputs["log_probs"] = jax.nn.log_softmax(head(encoded))
        if hasattr(model.decoder, "joint_inputs"):
            outputs["joint"] = model.decoder(encoded, batch.labels)
        return ours, layers, encoded, num_frames, outputs

    inputs = batch, features, num_features.astype(np.int32)
    found = jax.jit(partial(task.model.apply, method=run))(archive.variables, *inputs)
    tokens = jax.jit(task.predict)(archive.variables, batch)
    ids = [row[:n].tolist() for row, n in zip(np.asarray(tokens.ids), np.asarray(tokens.num_tokens), strict=True)]
    return Ours(*jax.tree.map(np.asarray, found), ids)


def read(archive: Archive, refs: Path, name: str) -> Differences:
    """The peer's file `name`, loaded, beside what the peer computed from it."""
    with np.load(refs / f"{name}.npz") as file:
        peer = dict(file)
    told = json.loads((refs / f"{name}.json").read_text())
    ours = computed(archive, batch_of(peer), *inputs_of(peer))
    layers = [
        worst(layer, theirs, num_frames)[0]
        for layer, (theirs, num_frames) in zip(ours.layers, layers_of(peer), strict=True)
    ]
    layers.append(worst(ours.encoded, peer["enc_out"].transpose(0, 2, 1), peer["enc_out_len"])[0])
    theirs = {"joint": peer.get("joint_raw"), "log_probs": peer.get("ctc.log_probs", peer.get("log_probs"))}
    features = worst(ours.features, inputs_of(peer)[0], peer["feats_len"])[0]
    if "joint" in ours.outputs:
        # It pads the third utterance of a multi-blank model before it transcribes it.
        said = told.get("rnnt_greedy_batch") or told["transcribe"][:2]
        same = [said_by_peer(archive, ids) == row["text"] for ids, row in zip(ours.ids, said, strict=False)]
    else:
        best = [row[:n].tolist() for row, n in zip(peer["greedy_argmax"], peer["enc_out_len"], strict=True)]
        same = [ids == plain_ids(archive, row) for ids, row in zip(ours.ids, best, strict=True)]
    return Differences(features, max(layers), largest(ours, theirs), all(same))


def written(archive: Archive, path: Path) -> Differences:
    """The file of ours at `path`, restored by the peer, beside what we compute."""
    with np.load(path.with_suffix(".inputs.npz")) as file:
        inputs = dict(file)
    with np.load(path.with_suffix(".outputs.npz")) as file:
        peer = dict(file)
    told = json.loads(path.with_suffix(".json").read_text())
    batch = Utterances(**inputs, index=np.arange(len(inputs["samples"]), dtype=np.int32))
    features = peer["features"][:, : peer["num_features"].max()] if reads_padding(archive) else peer["features"]
    ours = computed(archive, batch, features, peer["num_features"])
    layers = worst(ours.encoded, peer["encoded"], peer["num_frames"])[0]
    features = worst(ours.features, peer["features"], peer["num_features"])[0]
    texts = [said_by_peer(archive, ids) for ids in ours.ids]
    same = texts == told["texts"] == told["transcripts"] and ours.ids == [
        plain_ids(archive, row) for row in told["ids"]
    ]
    return Differences(features, layers, largest(ours, peer), same)


def reads_padding(archive: Archive) -> bool:
    """Whether the peer's encoder must not see padding: its LSTM begins its way back there."""
    encoder = archive.model["encoder"]
    return encoder["name"] == "lstm" and encoder["bidirectional"]


def plain_ids(archive: Archive, row: list[int]) -> list[int]:
    """The tokens in what the peer's search gives: for CTC, the best symbol of each frame."""
    if archive.model["task"] != "ctc":
        return row
    blank = archive.assets["tokenizer"].vocab_size
    return [token for token, before in zip(row, [blank, *row], strict=False) if token not in (before, blank)]


def said_by_peer(archive: Archive, ids: list[int]) -> str:
    """The text that the peer makes of tokens.

    It takes out a space before any punctuation mark that the vocabulary has. Of characters, a TDT's text lacks the last
    ones of the vocabulary, as many as there are durations.
    """
    tokenizer, decoder = archive.assets["tokenizer"], archive.model["decoder"]
    if tokenizer.config()["type"] == "char":
        ids = [token for token in ids if token < tokenizer.vocab_size - len(decoder.get("durations", ()))]
    ordinary = "".join(piece for piece in tokenizer.pieces if not SPECIAL_PIECE.match(piece))
    marks = "|".join(re.escape(mark) for mark in set(ordinary) if unicodedata.category(mark).startswith("P"))
    text = tokenizer.decode(ids)
    return re.sub(rf"\s({marks})", r"\1", text) if marks else text


def batch_of(peer: dict[str, np.ndarray]) -> Utterances:
    """The audio and the labels of a reference."""
    samples, num_samples = peer["audio"], peer["audio_len"].astype(np.int32)
    return Utterances(samples, num_samples, *targets_of(peer), np.arange(len(samples), dtype=np.int32))


def largest(ours: Ours, theirs: dict[str, Any]) -> float:
    """The largest difference of the outputs in real frames."""
    flat = {name: np.reshape(array, (*array.shape[:2], -1)) for name, array in ours.outputs.items()}
    return max(worst(array, np.reshape(theirs[name], array.shape), ours.num_frames)[0] for name, array in flat.items())


def restore_with_peer(folder: Path, batches: dict[str, Utterances]) -> dict[str, dict[str, Any]]:
    """Has the peer restore the .nemo files in `folder` and run them on these batches; what it says, by name."""
    for name, batch in batches.items():
        np.savez(folder / f"{name}.inputs.npz", **{key: getattr(batch, key) for key in batch._fields if key != "index"})
    done = subprocess.run([PEER_PYTHON, SCRIPT, folder], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in batches}
