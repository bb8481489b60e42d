"""The rows of a batch that is split over devices stay on them, where XLA would gather them."""

import os
import subprocess
import sys

from tests.quick_compile import QUICK_COMPILE
from tests.tone_runs import ROOT

# Eight devices, in a process of its own.
SPLIT = """
import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from jaxspeech.features.mel import log_mel
from jaxspeech.row_parallel import traced_over
from jaxspeech.training.sharding import make_mesh

mesh = make_mesh()
samples = np.random.default_rng(0).standard_normal((16, 4000)).astype(np.float32)
lengths = np.full(16, 4000)
rows = jax.device_put((samples, lengths), NamedSharding(mesh, P("data")))

def gradient(samples, lengths):
    features, _ = log_mel(samples, lengths)
    return features, jax.grad(lambda x: log_mel(x, lengths)[0].std())(samples)

program = jax.jit(traced_over(gradient, mesh)).lower(*rows).compile()
assert "all-gather" in jax.jit(gradient).lower(*rows).compile().as_text()
assert "all-gather" not in program.as_text()
found, expected = program(*rows), jax.jit(gradient)(samples, lengths)
np.testing.assert_array_equal(found[0], expected[0])
np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-9)
# Three rows on eight devices cannot be split.
np.testing.assert_array_equal(jax.jit(traced_over(gradient, mesh))(samples[:3], lengths[:3])[0], expected[0][:3])
"""


def test_features_of_split_rows_are_computed_where_the_rows_are():
    flags = f"--xla_force_host_platform_device_count=8 {QUICK_COMPILE}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", SPLIT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
