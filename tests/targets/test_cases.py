"""Every case of `python -m benchmarks --target` compiles for every target; skipped without the extra `targets`.

python -m pytest -m targets                                    all of them, for hours
python -m pytest -m targets tests/targets/test_cases.py -k small      a small one for each kind of device: two minutes
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from benchmarks.on_targets import CASES
from tests.tone_runs import ROOT

# The number of devices of a case -> targets that have as many, or more for a case of one device.
TARGETS = {
    1: ("h100", "h200", "v5e:2x2", "v5p:2x2x1", "v6e:2x2"),
    8: ("h100x8", "h200x8", "v5e:2x4", "v5p:2x2x2", "v6e:2x4"),
    64: ("h100x64", "h200x64", "v5e:8x8", "v5p:4x4x4", "v6e:8x8"),
}
ALL = [(name, target) for name, case in CASES.items() for target in TARGETS[case.devices]]
SMALL = [("loss_ctc", "h200"), ("stream_32", "h200"), ("loss_ctc", "v5e:2x2")]


def compile_case(name, target):
    if importlib.util.find_spec("jax_cuda13_plugin" if target.startswith("h") else "libtpu") is None:
        pytest.skip(f"the compiler for {target} is not installed (extra targets)")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", f"--target={target}", f"--only={name}"],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": "", "JAXSPEECH_CACHE": "off"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["predicted_ms"] > found["floor_ms"] >= 0
    assert (found["gb_sent"] > 0) == (CASES[name].devices > 1)


@pytest.mark.targets
@pytest.mark.parametrize(("name", "target"), SMALL, ids=[f"{name}-{target}" for name, target in SMALL])
def test_a_small_case(name, target):
    compile_case(name, target)


@pytest.mark.targets
@pytest.mark.parametrize(("name", "target"), ALL, ids=[f"{name}-{target}" for name, target in ALL])
def test_a_case(name, target):
    compile_case(name, target)
