"""Compares features from the layers of NeMo's encoder, and their aggregates, with NeMo's multi-layer extractor.

NeMo adds the last layer's output to those asked for, so that it comes twice.
"""

from typing import Any

import jax
import numpy as np

from jaxspeech.builder import build
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.load import load_nemo
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.sections import ENCODERS, PREPROCESSORS
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.nn.aggregate import MODES, Aggregate
from tests.parity.reference import inputs_of, reference, worst


def test_layers_and_aggregates(request):
    file, nemo, notes = reference("multi_layer_feat", request)
    config, problems = notes["config"], []
    sections = {"preprocessor": PREPROCESSORS, "encoder": ENCODERS}
    features, encoder = (read_section(table, config, place, problems) for place, table in sections.items())
    assert not problems
    layers = (*range(notes["layers_returned"] - 1), notes["n_layers"] - 1)
    task = {"task": "ctc", "features": features, "encoder": encoder, "decoder": {"name": "ctc", "vocab_size": 1}}
    model, expected = build_with_shapes(task)
    expected = {path: shape for path, shape in expected.items() if "/encoder/" in path}
    with NemoFile(file) as opened:
        weights = next(name for name in opened.names if name.endswith(".ckpt"))
        stored = read_checkpoint(opened.open(weights))
        tensors = {name: tensor for name, tensor in stored.items() if name.startswith("encoder.")}
        unused = ("encoder.pos_enc.pe", r"encoder\..*num_batches_tracked")
        variables = to_variables(tensors, encoder_rows(encoder), expected, unused=unused)

    @jax.jit
    def run(features, num_frames):
        inputs = features, num_frames, layers
        outputs = model.apply(variables, *inputs, method="encode_features_layers")[2]
        params = {"weighted_sum": {"params": {"weights": nemo["weights"]}}}
        frames = [output.frames for output in outputs]
        joined = {mode: Aggregate(mode).apply(params.get(mode, {}), frames) for mode in MODES}
        return outputs, joined

    outputs, joined = jax.device_get(run(*inputs_of(nemo)))
    for i, output in enumerate(outputs):
        np.testing.assert_array_equal(output.num_frames, nemo["len"])
        assert worst(output.frames, nemo[f"layer{i}"].transpose(0, 2, 1), nemo["len"])[0] < 1e-4
    for mode in MODES:
        assert worst(joined[mode], nemo[f"agg_{mode}"].transpose(0, 2, 1), nemo["len"])[0] < 2e-4, mode


def test_a_speaker_model_on_them(request):
    """The reference that make_layer_features.py makes, from audio."""
    file, nemo, _ = reference("titanet_layers", request)
    archive = load_nemo(file)
    model: Any = build(archive.model).model

    @jax.jit
    def run(variables, samples):
        inputs = samples, np.full(len(samples), samples.shape[1])
        return model.apply(variables, *inputs, method="features"), model.apply(variables, *inputs)

    (features, count), (logits, embedding) = jax.device_get(run(archive.variables, nemo["audio"]))
    np.testing.assert_array_equal(count, nemo["len"])
    assert worst(features, nemo["feats"].transpose(0, 2, 1), nemo["len"])[0] < 1e-3
    np.testing.assert_allclose(embedding, nemo["emb"], atol=1e-3)
    np.testing.assert_allclose(logits, nemo["logits"], atol=1e-3)
