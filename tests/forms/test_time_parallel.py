"""Eight virtual devices, each with a part of the time axis, encode a recording as one device does."""

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs.recognizers import fastconformer_ctc
from jaxspeech.errors import ConfigError
from jaxspeech.forms.time_parallel import time_parallel_encoder
from tests.eight_devices import on_eight_devices

SCRIPT = """
import jax, numpy as np
from jaxspeech.forms.time_parallel import time_parallel_encoder
from tests.forms.test_time_parallel import make_task

task = make_task(attention="rel_pos_local", attention_context=(40, 10))
variables = jax.jit(task.init)(jax.random.key(0))
frames = 1000  # 16 encoder frames a device, which see 40 and 10: neighbours of neighbours, and the ends
features = np.random.default_rng(0).standard_normal((2, frames, 8)).astype(np.float32)
num_frames = np.array([frames, 2 * frames // 3], np.int32)
one, counts = jax.jit(lambda *x: task.model.apply(*x, method="encode_features"))(variables, features, num_frames)
eight, also = time_parallel_encoder(task.model)(variables, features, num_frames)
assert len(eight.sharding.device_set) == 8 and not eight.sharding.is_fully_replicated
np.testing.assert_array_equal(also, counts)
for row, count in enumerate(counts):
    np.testing.assert_allclose(eight[row, :count], one[row, :count], atol=1e-5)
print("equal")
"""


def make_task(**encoder):
    model = fastconformer_ctc(
        num_layers=1, width=16, num_heads=2, subsampling_channels=4, conv_kernel=5, scan_layers=False, **encoder
    )
    model.features.num_mels = 8
    model.decoder.vocab_size = 3
    return build(model.to_dict())


def test_eight_devices_encode_as_one():
    assert on_eight_devices(SCRIPT) == "equal\n"


def test_full_attention_is_refused():
    with pytest.raises(ConfigError, match="rel_pos_local"):
        time_parallel_encoder(make_task().model, devices=jax.devices()[:1])
