"""The networks that estimate complex spectra, with NeMo's weights, from NeMo's inputs."""

from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxspeech.encoders.ncsnpp import NCSNPlusPlus
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.sections.read import class_name
from jaxspeech.interop.nemo.weights.ncsnpp import ncsnpp_rows
from jaxspeech.interop.nemo.weights.read import to_variables
from tests.parity.reference import arrays_of

NCSNPP = "SpectrogramNoiseConditionalScoreNetworkPlusPlus"


def spectra_of(array: np.ndarray) -> np.ndarray:
    """NeMo's spectra [B C F N] in our layout."""
    return array.swapaxes(2, 3)


def variables_of(path: Any, module: Any, rows: Any, *inputs: Any) -> Any:
    """The estimator's variables, from a .nemo file."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    expected = {
        f"{collection}/estimator/{name}": leaf
        for collection, tree in shapes.items()
        for name, leaf in flatten_dict(tree, sep="/").items()
    }
    with NemoFile(path) as file:
        tensors = read_checkpoint(file.open(WEIGHTS))
        tensors = {name: tensors[name] for name in tensors if name.startswith("estimator.")}
        variables = to_variables(tensors, rows, expected)
    return {collection: tree["estimator"] for collection, tree in variables.items()}


def ncsnpp(config: Any) -> tuple[Any, Any]:
    estimator = config["estimator"]
    assert class_name(estimator["_target_"]) == NCSNPP
    fields = {
        "num_outputs": estimator["out_channels"],
        "widths": tuple(estimator["channels"]),
        "num_res_blocks": estimator["num_res_blocks"],
        "conditioned_on_time": estimator.get("conditioned_on_time", False),
        "pad_frames_to": estimator["pad_time_to"] or 0,
    }
    return NCSNPlusPlus(**fields, norm_over_padding=True), ncsnpp_rows(fields)


@pytest.mark.parametrize("name", ["enh_pred_ncsnpp", "enh_sb", "enh_score"])
def test_ncsnpp_estimates_as_in_nemo(name: str, request: pytest.FixtureRequest, refs: Any) -> None:
    nemo, notes = arrays_of(name, request)
    module, rows = ncsnpp(notes["config"])
    if "train.call0.input" in nemo:
        inputs = spectra_of(nemo["train.call0.input"]), nemo["encoded_len"], nemo["train.call0.condition"]
        theirs = spectra_of(nemo["train.call0.output"])
    else:
        inputs = spectra_of(nemo["encoded.0"]), nemo["encoded.1"]
        theirs = spectra_of(nemo["estimated.0"])
    variables = variables_of(refs / f"{name}.nemo", module, rows, *inputs)
    ours = jax.jit(module.apply)(variables, *inputs)
    for row, n in enumerate(inputs[1]):
        np.testing.assert_allclose(ours[row, :, :n], theirs[row, :, :n], atol=1e-4 * np.abs(theirs).max())
        assert not ours[row, :, n:].any()
