"""Exported folders in onnxruntime: the same numbers and tokens as ours, for sizes that were never traced."""

import importlib.util
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.interop.onnx import export_onnx, folder
from jaxspeech.nn.lstm import LSTMState
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.tasks.ctc import CTCModel
from jaxspeech.tasks.transducer import transducer_search
from jaxspeech.text.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefghijk ")
V = TOKENIZER.vocab_size
MEL = {"name": "mel", "num_mels": 16}
ENCODER = {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4}
CTC = {"name": "ctc", "vocab_size": V}
RNNT = {"name": "transducer", "vocab_size": V, "width": 8, "num_layers": 2, "joint_width": 12}
TDT = RNNT | {"num_layers": 1, "cell_width": 10, "durations": (0, 1, 2)}


class Exported(NamedTuple):
    archive: Archive
    model: Any
    path: Path

    def run(self, file: str, **inputs: Any) -> list[np.ndarray]:
        onnx.checker.check_model(onnx.load(self.path / file), full_check=True)
        return onnxruntime.InferenceSession(self.path / file).run(None, inputs)

    def ours(self, method: Any, *inputs: Any) -> Any:
        """Returns the outputs of our own model."""
        quick = {"xla_backend_optimization_level": 0}  # compiles in half the time
        apply = jax.jit(partial(self.model.apply, method=method), compiler_options=quick)
        return apply(self.archive.variables, *inputs)


def random_archive(task: str, decoder: dict[str, Any], encoder: dict[str, Any] = ENCODER) -> Archive:
    """Makes a random model in which nothing is at its initial value, statistics and biases included."""
    config = {"task": task, "features": MEL, "encoder": encoder, "decoder": decoder}
    shapes = jax.eval_shape(build(config).init, jax.random.key(0))
    rng = np.random.default_rng(7)

    def random(path: Any, leaf: Any) -> np.ndarray:
        value = 0.4 * rng.standard_normal(leaf.shape)
        return (1 + value**2 if path[-1].key in ("var", "scale") else value).astype(np.float32)

    return Archive(config, {"tokenizer": TOKENIZER}, jax.tree_util.tree_map_with_path(random, shapes), {})


def export(path: Path, task: str, decoder: dict[str, Any], encoder: dict[str, Any] = ENCODER) -> Exported:
    archive = random_archive(task, decoder, encoder)
    export_onnx(archive, path)
    return Exported(archive, build(archive.model).model, path)


def batch(lengths: list[int]) -> dict[str, np.ndarray]:
    """Makes inputs of an encoder; the padding is NaN, which must not matter."""
    features = np.random.default_rng(0).standard_normal((len(lengths), 16, max(lengths))).astype(np.float32)
    for row, length in enumerate(lengths):
        features[row, :, length:] = np.nan
    return {"audio_signal": features, "length": np.array(lengths, np.int64)}


def ctc_log_probs(model: Any, features: Any, lengths: Any) -> tuple[Any, Any]:
    encoded, num_frames = model.encode_features(features.swapaxes(1, 2), lengths)
    head = model.ctc_head if hasattr(model, "ctc_head") else model.decoder
    return jax.nn.log_softmax(head(encoded)), num_frames


def joint_logits(model: Any, encoded: Any, targets: Any, hidden: Any, cell: Any) -> tuple[Any, LSTMState]:
    state = LSTMState(hidden.swapaxes(0, 1), cell.swapaxes(0, 1))
    predicted, state = model.decoder.predict(targets[:, 0], state)
    projected = model.decoder.project(encoded.swapaxes(1, 2))
    return model.decoder.logits(projected[:, :, None], predicted[:, None, None]), state


def compare(ours: Any, theirs: np.ndarray, num_frames: Any) -> None:
    assert ours.shape == theirs.shape
    for row, length in enumerate(np.asarray(num_frames)):
        np.testing.assert_allclose(theirs[row, :length], ours[row, :length], atol=1e-4)


@pytest.fixture(scope="module")
def ctc(tmp_path_factory) -> Exported:
    return export(tmp_path_factory.mktemp("onnx") / "ctc", "ctc", CTC)


@pytest.fixture(scope="module", params=["rnnt", "tdt"])
def transducer(request, tmp_path_factory) -> Exported:
    task, decoder = {"rnnt": ("transducer", RNNT), "tdt": ("hybrid", TDT)}[request.param]
    return export(tmp_path_factory.mktemp("onnx") / request.param, task, decoder)


def check_ctc(ctc: Exported, lengths: list[int]) -> None:
    inputs = batch(lengths)
    log_probs, num_found = ctc.run("model.onnx", **inputs)
    ours, num_frames = ctc.ours(ctc_log_probs, inputs["audio_signal"], inputs["length"].astype(np.int32))
    np.testing.assert_array_equal(num_found, num_frames)
    compare(ours, log_probs, num_frames)
    found, wanted = (ctc_greedy(x, num_frames, blank_id=V) for x in (log_probs, ours))
    np.testing.assert_array_equal(found.ids, wanted.ids)


@pytest.mark.parametrize("lengths", [[90, 57, 8], [5]], ids=str)
def test_log_probs_and_tokens_of_ctc(ctc, lengths):
    check_ctc(ctc, lengths)


FASTCONFORMER = ENCODER | {"num_layers": 1}
SQUEEZEFORMER = ENCODER | {"name": "squeezeformer", "num_layers": 3, "reduce_at": 1, "conv_kernel": 5}
CITRINET = {
    "name": "jasper",
    "blocks": [
        {"filters": 8, "kernel": 5, "stride": 2, "separable": True, "squeeze_excite": True, "se_reduction": 4},
        {"filters": 8, "kernel": 3, "dilation": 2, "separable": True, "repeat": 2, "residual": True},
    ],
}
ENCODERS = {
    "absolute": FASTCONFORMER | {"attention": "abs_pos", "subsampling": "stacking_norm", "conv_norm": "layer"},
    "tied": FASTCONFORMER | {"untied_biases": False, "conv_norm": "group", "conv_groups": 4, "subsampling": "striding"},
    "limited": FASTCONFORMER
    | {
        "attention_context": (4, 1),
        "attention_style": "chunked_limited",
        "reduction": "pooling",
        "reduction_factor": 2,
    },
    "squeezeformer": SQUEEZEFORMER,
    "citrinet": CITRINET,
    "lstm": {"name": "lstm", "num_layers": 1, "width": 8, "cell_width": 12, "subsampling_channels": 4},
}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_other_encoders(tmp_path, encoder):
    check_ctc(export(tmp_path / "model", "ctc", CTC, encoder), [60, 33])


def decoder_inputs(transducer: Exported, batch_size: int, targets: list[int]) -> dict[str, np.ndarray]:
    rng, decoder = np.random.default_rng(1), transducer.model.decoder
    states = [
        rng.standard_normal((decoder.num_layers, batch_size, part.shape[-1])).astype(np.float32)
        for part in decoder.initial_state(1)
    ]
    return {
        "targets": np.array(targets, np.int32)[:, None],
        "target_length": np.ones(batch_size, np.int32),
        "input_states_1": states[0],
        "input_states_2": states[1],
    }


def test_joint_logits_and_states(transducer):
    inputs = decoder_inputs(transducer, 3, [V, 0, 5])
    encoded = np.random.default_rng(2).standard_normal((3, 16, 4)).astype(np.float32)
    logits, lengths, hidden, cell = transducer.run("decoder_joint-model.onnx", encoder_outputs=encoded, **inputs)
    np.testing.assert_array_equal(lengths, inputs["target_length"])

    given = (inputs[name] for name in ("targets", "input_states_1", "input_states_2"))
    ours, state = transducer.ours(joint_logits, encoded, *given)
    np.testing.assert_allclose(logits, ours, atol=1e-4)
    np.testing.assert_allclose(hidden, state.hidden.swapaxes(0, 1), atol=1e-5)
    np.testing.assert_allclose(cell, state.cell.swapaxes(0, 1), atol=1e-5)

    # The separate decoder and joiner give the same.
    predicted, _, *states = transducer.run("decoder.onnx", **inputs)
    (apart,) = transducer.run("joiner.onnx", encoder_outputs=encoded, decoder_outputs=predicted)
    np.testing.assert_allclose(apart, logits, atol=1e-5)
    np.testing.assert_allclose(states[0], hidden, atol=1e-6)
    np.testing.assert_allclose(states[1], cell, atol=1e-6)


def greedy(transducer: Exported, encoded: np.ndarray) -> list[int]:
    """Runs the search of the runtimes on one utterance [D T]."""
    joint = onnxruntime.InferenceSession(transducer.path / "decoder_joint-model.onnx")
    config = json.loads((transducer.path / "config.json").read_text())
    inputs = decoder_inputs(transducer, 1, [V])
    inputs |= {name: np.zeros_like(value) for name, value in inputs.items() if "states" in name}
    tokens, frame, in_frame = [], 0, 0
    while frame < encoded.shape[1]:
        here = encoded[None, :, frame : frame + 1]
        logits, _, hidden, cell = joint.run(None, {"encoder_outputs": here, **inputs})
        token, jump = int(logits[0, 0, 0, : V + 1].argmax()), 0
        if logits.shape[-1] > V + 1:
            jump = int(logits[0, 0, 0, V + 1 :].argmax())
        if token != V:
            tokens.append(token)
            inputs |= {"targets": np.array([[token]], np.int32), "input_states_1": hidden, "input_states_2": cell}
            in_frame += 1
        if jump == 0 and (token == V or in_frame == config["max_tokens_per_step"]):
            jump = 1
        in_frame = 0 if jump else in_frame
        frame += jump
    return tokens


def test_encoder_and_greedy_search_of_a_transducer(transducer):
    inputs = batch([90, 57])
    found, num_found = transducer.run("encoder-model.onnx", **inputs)
    frames = inputs["audio_signal"].swapaxes(1, 2)
    encoded, num_frames = transducer.ours("encode_features", frames, inputs["length"].astype(np.int32))
    np.testing.assert_array_equal(num_found, num_frames)
    compare(encoded, found.swapaxes(1, 2), num_frames)
    tokens = jax.jit(transducer_search(transducer.model).decode)(transducer.archive.variables, encoded, num_frames)
    assert tokens.num_tokens.min() > 3
    for row, ids in enumerate(np.asarray(tokens.ids)):
        wanted = ids[: tokens.num_tokens[row]].tolist()
        assert greedy(transducer, found[row, :, : num_found[row]]) == wanted


def test_the_files_and_metadata_that_the_runtimes_read(ctc, transducer):
    lines = (ctc.path / "vocab.txt").read_text().splitlines()
    assert lines[0] == "a 0" and lines[V - 1 :] == [f"\u2581 {V - 1}", f"<blk> {V}"]
    assert (ctc.path / "tokens.txt").read_text().splitlines() == lines
    wanted = {"model_type": "nemo-conformer-ctc", "features_size": 16, "subsampling_factor": 8}
    assert json.loads((ctc.path / "config.json").read_text()) == wanted

    kind = "tdt" if transducer.model.decoder.durations else "rnnt"
    config = json.loads((transducer.path / "config.json").read_text())
    assert config["model_type"] == f"nemo-conformer-{kind}" and config["max_tokens_per_step"] == 10
    found = onnx.load(transducer.path / "encoder-model.onnx").metadata_props
    metadata = {entry.key: entry.value for entry in found}
    assert metadata["vocab_size"] == str(V) and metadata["subsampling_factor"] == "8"
    assert metadata["normalize_type"] == "per_feature" and metadata["feat_dim"] == "16"
    assert metadata["pred_rnn_layers"] == str(transducer.model.decoder.num_layers)
    assert metadata["pred_hidden"] == "8" and ("tdt" in metadata["url"]) == (kind == "tdt")
    assert metadata["model_type"] == "EncDecRNNTBPEModel"


def test_the_graph_is_made_of_native_nodes(ctc):
    graph = onnx.load(ctc.path / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("LayerNormalization") == 2 * 5 and kinds.count("Conv") == 3 + 2
    assert not {"Loop", "Scan", "If", "GatherND", "Einsum"} & set(kinds)
    # Every weight is there once, under its own name.
    names = {weight.name for weight in graph.initializer}
    assert "params.encoder.layers_1.ff_in.up.kernel" in names
    assert sum(np.prod(w.dims) for w in graph.initializer) < 1.1 * sum(
        x.size for x in jax.tree.leaves(ctc.archive.variables)
    )


def test_a_hybrids_ctc_head(tmp_path):
    archive = random_archive("hybrid", TDT, FASTCONFORMER)
    archive = archive._replace(model=archive.model | {"search": {"head": "ctc"}})
    export_onnx(archive, tmp_path / "model")
    check_ctc(Exported(archive, build(archive.model).model, tmp_path / "model"), [60, 33])


def test_weights_too_large_for_one_file_are_in_a_second_one(ctc, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LARGEST_BYTES", 1000)
    export_onnx(ctc.archive, tmp_path / "model")
    assert (tmp_path / "model" / "model.onnx.data").stat().st_size > 20000
    inputs = batch([30])
    found = Exported(ctc.archive, ctc.model, tmp_path / "model").run("model.onnx", **inputs)
    np.testing.assert_array_equal(found[0], ctc.run("model.onnx", **inputs)[0])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"decoder": RNNT | {"prediction": "stateless", "num_layers": 1}}, "its prediction network is stateless"),
        ({"decoder": RNNT | {"big_blanks": (2, 4)}}, "no multi-blank search"),
        ({"decoder": RNNT | {"durations": (0, 2)}}, r"durations 0, 1, 2, .*, but its are \(0, 2\)"),
        ({"features": MEL | {"window_seconds": 0.02, "normalize": "none"}}, "window_seconds 0.02, normalize none"),
        ({"features": {"name": "mfcc"}}, "mel features, not MFCC"),
    ],
    ids=["stateless", "multi-blank", "durations", "features", "mfcc"],
)
def test_what_cannot_be_exported_is_reported_in_one_line_and_nothing_is_written(tmp_path, changes, message):
    model = {"task": "transducer", "features": MEL, "encoder": ENCODER, "decoder": RNNT} | changes
    with pytest.raises(ConfigError, match=message):
        export_onnx(Archive(model, {"tokenizer": TOKENIZER}, {"params": {"encoder": {}}}, {}), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_models_of_other_kinds(tmp_path, monkeypatch):
    """The class of the model decides, not the names of its parts."""
    monkeypatch.delitem(folder.HEADS, CTCModel)
    with pytest.raises(ConfigError, match="a model of the task 'ctc' cannot be exported to ONNX: only recognition, "):
        export_onnx(random_archive("ctc", CTC, FASTCONFORMER), tmp_path / "model")


def test_own_features(tmp_path):
    archive = random_archive("ctc", CTC, FASTCONFORMER)
    archive = archive._replace(model=archive.model | {"features": MEL | {"window_seconds": 0.02}})
    export_onnx(archive, tmp_path / "model", own_features=True)
    assert (tmp_path / "model" / "model.onnx").is_file()


def test_a_folder_that_holds_something_is_left_alone(ctc, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArchiveError, match="exists already"):
        export_onnx(ctc.archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_write_that_fails_leaves_nothing(ctc, tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "_save", full)
    with pytest.raises(ArchiveError, match="No space left"):
        export_onnx(ctc.archive, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_reported(ctc, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .jaxspeech\[onnx\]"):
        export_onnx(ctc.archive, tmp_path / "model")
