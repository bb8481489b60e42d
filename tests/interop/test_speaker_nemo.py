"""Speaker models written as .nemo files: the same results, also of those that NeMo could not hold as they are."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from tests.pipelines.speaker_model import MODEL, speaker_archive


@pytest.mark.parametrize("name", ["titanet", "speakernet"])
def test_results_stay_the_same(tmp_path, name):
    """The classifier of an angular head is written with its weights normalised, because NeMo does not do that."""
    archive = speaker_archive(name)
    remarks = save_nemo(tmp_path / "m.nemo", **archive._asdict())
    again = load_nemo(tmp_path / "m.nemo")
    assert again.assets["classes"].names == archive.assets["classes"].names
    head = again.model["decoder"]
    assert not head["normalize_weights"] and head["norm_over_padding"]
    angular = name == "titanet"
    assert any("classifier's weights will not be normalised" in remark for remark in remarks) == angular
    assert any("statistics of its batch norms will count the padding" in remark for remark in remarks)
    frames, counts = np.random.default_rng(0).standard_normal((1, 20, 12)).astype(np.float32), np.array([20])
    ours, theirs = (
        jax.jit(partial(build(x.model).model.apply, method="classify"))(x.variables, frames, counts)
        for x in (archive, again)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)
    before, after = (x.variables["params"]["encoder"] for x in (archive, again))
    jax.tree.map(np.testing.assert_array_equal, before, after)
    if angular:
        kernel = again.variables["params"]["decoder"]["classifier"]["kernel"]
        np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-6)
    # What came from NeMo goes back bit for bit.
    assert not any("classifier" in remark for remark in save_nemo(tmp_path / "b.nemo", **again._asdict()))
    jax.tree.map(np.testing.assert_array_equal, load_nemo(tmp_path / "b.nemo").variables, again.variables)


def test_a_layer_norm_has_no_counterpart(tmp_path):
    model = MODEL | {"decoder": MODEL["decoder"] | {"norm": "layer"}}
    with pytest.raises(
        ArchiveError, match=r"NeMo has no counterpart of decoder\.norm 'layer' \(there it is 'batch'\)$"
    ):
        save_nemo(tmp_path / "m.nemo", **speaker_archive()._replace(model=model)._asdict())
