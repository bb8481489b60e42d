"""Measures a neural codec, with random weights and the size of NVIDIA's low-frame-rate speech codec."""

from typing import Any

import jax
import numpy as np

from benchmarks.models import num_parameters
from benchmarks.speakers import speed
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.configs import codec
from jaxspeech.forms.inference import for_inference


def codec_there_and_back(repeat: int, *, seconds: float = 10.0) -> dict[str, Any]:
    """Encodes noise to ids, and decodes them, one recording at a time."""
    settings: Any = codec.get_config()
    config = settings.model.to_dict() | {"discriminator": {}}
    variables = jax.jit(build(config).init)(jax.random.key(0))
    config, variables = for_inference(config, variables)
    kind = build(config).inference
    size = int(seconds * kind.sample_rate)
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, size)).astype(np.float32)
    encode, decode = jax.jit(kind.encode), jax.jit(kind.decode)

    def there_and_back() -> Any:
        ids, num_frames = encode(variables, samples, np.array([size], np.int32))
        return jax.device_get((ids, decode(variables, ids, num_frames)))

    ids, _ = there_and_back()
    found = {"params": num_parameters(variables), "frames": ids.shape[2], "codebooks": ids.shape[1]}
    return found | speed(measure(there_and_back, repeat or 3), seconds)


CASES = {"codec": codec_there_and_back}
