"""The networks that estimate complex spectra, with NeMo's weights, from NeMo's inputs."""

from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxspeech.builder import plain
from jaxspeech.encoders.ncsnpp import NCSNPlusPlus
from jaxspeech.encoders.spectrum_conformer import SpectrumConformer
from jaxspeech.encoders.transformer_unet import TransformerUNet
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.spectra import SPECTRUM_ESTIMATORS
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.interop.nemo.weights.spectra import SPECTRUM_ROWS
from tests.parity.reference import arrays_of

MODULES: Any = {"conformer": SpectrumConformer, "ncsnpp": NCSNPlusPlus, "transformer_unet": TransformerUNet}


def spectra_of(array: np.ndarray) -> np.ndarray:
    """NeMo's spectra [B C F N] in our layout."""
    return array.swapaxes(2, 3)


def estimator_of(name: str, notes: Any, refs: Any, *inputs: Any) -> tuple[Any, Any]:
    """The estimator of a .nemo file, and its variables; its norms count the padding, as NeMo's do."""
    problems: list[str] = []
    fields = read_section(SPECTRUM_ESTIMATORS, notes["config"], "estimator", problems)
    assert not problems
    module = MODULES[fields["name"]](**{key: plain(value) for key, value in fields.items() if key != "name"})
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    expected = {
        f"{collection}/estimator/{name}": leaf
        for collection, tree in shapes.items()
        for name, leaf in flatten_dict(tree, sep="/").items()
    }
    with NemoFile(refs / f"{name}.nemo") as file:
        tensors = read_checkpoint(file.open(WEIGHTS))
        own = {name: tensors[name] for name in tensors if name.startswith("estimator.")}
        variables = to_variables(own, SPECTRUM_ROWS[fields["name"]](fields), expected)
    if hasattr(module, "norm_over_padding"):
        module = module.clone(norm_over_padding=True)
    return module, {collection: tree["estimator"] for collection, tree in variables.items()}


NAMES = ["pred_ncsnpp", "pred_conformer_unet", "pred_conformer_stream", "sb", "score", "flow"]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_estimated_as_in_nemo(name: str, request: pytest.FixtureRequest, refs: Any) -> None:
    nemo, notes = arrays_of(f"enh_{name}", request)
    if "train.call0.input" in nemo:
        inputs = spectra_of(nemo["train.call0.input"]), nemo["encoded_len"], nemo["train.call0.condition"]
        theirs = spectra_of(nemo["train.call0.output"])
    else:
        inputs = spectra_of(nemo["encoded.0"]), nemo["encoded.1"]
        theirs = spectra_of(nemo["estimated.0"])
    module, variables = estimator_of(f"enh_{name}", notes, refs, *inputs)
    ours = jax.jit(module.apply)(variables, *inputs)
    for row, n in enumerate(inputs[1]):
        np.testing.assert_allclose(ours[row, :, :n], theirs[row, :, :n], atol=1e-4 * np.abs(theirs).max())
        assert not ours[row, :, n:].any()


def test_a_stream_is_estimated_as_in_nemo(request: pytest.FixtureRequest, refs: Any) -> None:
    nemo, notes = arrays_of("enh_pred_conformer_stream", request)
    spectra = spectra_of(nemo["stream.spec"])
    module, variables = estimator_of("enh_pred_conformer_stream", notes, refs, spectra, np.array([spectra.shape[2]]))
    size = module.attention_context[1] + 1
    step = jax.jit(lambda state, *part: module.apply(variables | state, *part, mutable=["history", "positions"]))
    state, parts, theirs = {}, [], spectra_of(nemo["stream.streamed"])
    for first in range(0, theirs.shape[2], size):
        part, state = step(state, spectra[:, :, first : first + size], np.array([size]))
        parts.append(np.asarray(part))
    found = np.concatenate(parts, 2)
    np.testing.assert_allclose(found, theirs, atol=1e-4 * np.abs(theirs).max())
    offline = spectra_of(nemo["stream.offline"])[:, :, : found.shape[2]]
    np.testing.assert_allclose(found, offline, atol=1e-4 * np.abs(theirs).max())
