"""The rows of a batch that is split over devices stay on them; sums over them are communicated once, in no loop."""

import pytest

from tests.eight_devices import on_eight_devices

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


TRANSDUCER = """
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from jaxspeech.losses.transducer_joint import rnnt_joint_loss
from jaxspeech.nn.lstm import LSTM
from jaxspeech.row_parallel import traced_over
from jaxspeech.targets.hlo import parse
from jaxspeech.targets.roofline import communicates
from jaxspeech.training.sharding import make_mesh

mesh = make_mesh()
rng = np.random.default_rng(0)
lstm = LSTM(width=6)
embedded, encoded = (rng.standard_normal((16, n, 6)).astype(np.float32) for n in (5, 9))
lengths, labels = np.full(16, 9), rng.integers(0, 3, (16, 4))
params = lstm.init(jax.random.key(0), embedded, lstm.initial_state(16)), rng.standard_normal((6, 4)).astype(np.float32)

def loss(params, embedded, encoded, lengths, labels):
    variables, kernel = params
    predicted, _ = lstm.apply(variables, embedded, lstm.initial_state(16))
    options = dict(blank_id=3, dropout=0.5, key=jax.random.key(1), block_frames=3)
    arguments = encoded, predicted, kernel, jnp.zeros(4), lengths, labels, lengths // 2
    return rnnt_joint_loss(*arguments, **options).mean()

batch = embedded, encoded, lengths, labels
rows = jax.device_put(batch, NamedSharding(mesh, P("data")))
program = jax.jit(traced_over(jax.value_and_grad(loss), mesh)).lower(params, *rows).compile()
text = parse(program.as_text())
def inside(computation):
    for x in text.computations[computation].instructions.values():
        yield x
        for name in x.called("body") + x.called("to_apply") + x.called("calls"):
            yield from inside(name)
loops = [x for c in text.computations.values() for x in c.instructions.values() if x.opcode == "while"]
assert len(loops) >= 5
assert not [x for loop in loops for x in inside(*loop.called("body")) if communicates(x.opcode)]
assert any(communicates(x.opcode) for c in text.computations.values() for x in c.instructions.values())
found, expected = program(params, *rows), jax.jit(jax.value_and_grad(loss))(params, *batch)
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected)
"""


@pytest.mark.parametrize("script", [SPLIT, TRANSDUCER], ids=["features", "transducer"])
def test_split_rows_are_computed_where_they_are(script):
    on_eight_devices(script)
