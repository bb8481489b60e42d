"""Weights that are split over devices are gathered: activations, which are larger, are not sent."""

import json
import os
import subprocess
import sys

import pytest

from tests.quick_compile import QUICK_COMPILE
from tests.tone_runs import ROOT


@pytest.mark.parametrize("remat", ["none", "dots"])
@pytest.mark.slow
def test_devices_send_weights_and_not_activations(remat):
    flags = f"--xla_force_host_platform_device_count=8 {QUICK_COMPILE}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.gathered_gradients", remat],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["difference"] < 1e-4
    # Gathered for the forward and the backward pass, 7/8 each, and gradients summed: some as a whole, 2 x 7/8.
    assert found["gathered"] < 4 * 7 / 8 + 0.1 < found["left"] / 2
