"""Programs compiled for devices that are not here; skipped without the extra `targets`."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.tone_runs import ROOT

COMPILERS = {"h200": "jax_cuda13_plugin", "v5e:2x2": "libtpu"}
# In a process of its own: the environment has to be set before JAX is used.
PLAN = """
import json, sys
from jaxspeech.targets.target import find_target, prepare_environment
prepare_environment(sys.argv[1])
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
from jaxspeech.targets.compiled import compile_for
from jaxspeech.training.sharding import make_mesh, process_share

target = find_target(sys.argv[1])
mesh = make_mesh(devices=target.devices)
assert process_share(mesh) == (0, 1)

def mean_product(x, layers):
    x, _ = jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, layers)
    return x.mean()

rows = jax.ShapeDtypeStruct((512 * mesh.size, 256), jnp.bfloat16, sharding=NamedSharding(mesh, P("data")))
layers = jax.ShapeDtypeStruct((7, 256, 256), jnp.bfloat16, sharding=NamedSharding(mesh, P()))
found = compile_for(target, jax.jit(jax.grad(mean_product, argnums=1)), rows, layers)
print(json.dumps({"flops": found.estimate.flops, "arguments": found.arguments, "sent": found.estimate.sent}))
"""


@pytest.mark.parametrize("target", COMPILERS)
def test_a_gradient_over_the_devices_of_a_target(target):
    if importlib.util.find_spec(COMPILERS[target]) is None:
        pytest.skip(f"the compiler for {target} is not installed (extra targets)")
    done = subprocess.run(
        [sys.executable, "-c", PLAN, target],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found, devices = json.loads(done.stdout.splitlines()[-1]), 1 if target == "h200" else 4
    # Seven products forward, and two for the gradient of each, but none for that of the input.
    product = 2 * 512 * 256 * 256
    assert found["flops"] in (20 * product, 21 * product)
    assert found["arguments"] == 2 * (512 * 256 + 7 * 256 * 256)
    # The gradient of 7 x 256 x 256 bfloat16 numbers or float32 numbers is summed over the devices.
    assert (found["sent"] > 2 * 7 * 256 * 256) == (devices > 1)


def test_a_missing_compiler_is_one_line():
    if importlib.util.find_spec("jax_cuda13_plugin") is not None:
        pytest.skip("the compiler is installed")
    command = "from jaxspeech.targets.target import find_target; find_target('h200')"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert 'pip install "jaxspeech[targets]"' in done.stderr.splitlines()[-1]
