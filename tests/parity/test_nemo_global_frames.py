"""Compares local attention with several global frames with NeMo, whose queries of global frames are wrong.

With more than one global frame, a reshape in NeMo takes their queries from other frames, heads and utterances of the
batch, so that a transcript depends on the rest of the batch. jaxspeech follows the equation; with NeMo's queries
patched in, all outputs are equal to NeMo's.
"""

import jax
import numpy as np

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.nn import local_self_attention
from jaxspeech.nn.local_attention import global_attention
from tests.parity.reference import inputs_of, worst


def with_nemos_queries(query, key, value, mask, **options):
    b, g, h, k = query.shape
    mixed = query.transpose(1, 0, 2, 3).reshape(b, h, g, k)  # from [G B H K], as if it were [B H G K]
    return global_attention(mixed.transpose(0, 2, 1, 3), key, value, mask, **options)


def test_all_except_the_queries_of_global_frames_is_equal(refs, monkeypatch):
    archive = load_nemo(refs / "fc_long_global.nemo")
    with np.load(refs / "fc_long_global.npz") as file:
        nemo = {name: file[name] for name in file.files}
    inputs = inputs_of(nemo)

    def largest_difference():
        encode = jax.jit(lambda *x: build(archive.model).model.apply(archive.variables, *x, method="encode_features"))
        encoded, num_frames = encode(*inputs)
        return worst(np.asarray(encoded), nemo["enc_out"].transpose(0, 2, 1), num_frames)[0]

    assert largest_difference() > 1e-2
    monkeypatch.setattr(local_self_attention, "global_attention", with_nemos_queries)
    assert largest_difference() < 1e-4
