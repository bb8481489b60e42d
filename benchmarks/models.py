"""Makes the models, with random weights, and the batches of noise that are measured."""

from typing import Any

import jax
import numpy as np

from jaxspeech.configs import canary, nest
from jaxspeech.tasks.pretrain import UnlabelledSpeech
from jaxspeech.tasks.recognition import Utterances

SAMPLE_RATE = 16000
VOCAB_SIZE = 1024
# Published dimensions of the measured encoders.
ENCODERS = {
    "12m": {"num_layers": 16, "width": 176, "num_heads": 4, "subsampling_channels": 176},
    "115m": {"num_layers": 18, "width": 512, "num_heads": 8, "subsampling_channels": 256},
    "600m": {"num_layers": 24, "width": 1024, "num_heads": 8, "subsampling_channels": 256},
    "1100m": {"num_layers": 42, "width": 1024, "num_heads": 8, "subsampling_channels": 256},
}


def ctc_config(size: str, *, spec_augment: bool = False, **encoder: Any) -> dict[str, Any]:
    """Make the config of a FastConformer-CTC of one of the sizes above, for `jaxspeech.builder.build`."""
    config = {
        "task": "ctc",
        "features": {"name": "mel"},
        "encoder": {"name": "fastconformer", "xscaling": True, **ENCODERS[size], **encoder},
        "decoder": {"name": "ctc", "vocab_size": VOCAB_SIZE},
    }
    if spec_augment:
        config["spec_augment"] = {"freq_masks": 2, "freq_width": 27, "time_masks": 10, "time_width": 0.05}
    return config


def transducer_config(size: str, *, joint_width: int, spec_augment: bool = False, **encoder: Any) -> dict[str, Any]:
    """Make the config of a FastConformer-Transducer of one of the sizes; prediction and joint have the same width."""
    decoder = {"name": "transducer", "vocab_size": VOCAB_SIZE, "width": joint_width, "joint_width": joint_width}
    decoder["dtype"] = encoder.get("dtype", "float32")
    return ctc_config(size, spec_augment=spec_augment, **encoder) | {"task": "transducer", "decoder": decoder}


def nest_config(size: str, **encoder: Any) -> dict[str, Any]:
    """Make the config of masked prediction, with NEST's codes and masks, and an encoder of one of the sizes."""
    config = nest.masked_prediction(dtype=encoder.get("dtype", "float32")).to_dict()
    return config | {name: ctc_config(size, **encoder)[name] for name in ("features", "encoder")}


def attention_config(*, vocab_size: int, end_id: int, **dtype: Any) -> dict[str, Any]:
    """Make the config of a model with an attention decoder, of canary-180m-flash's size and without dither."""
    config = canary.get_config("180m-flash").to_dict()["model"]
    config["encoder"] |= dtype
    config["decoder"] |= {"vocab_size": vocab_size, "end_id": end_id, **dtype}
    config["features"] |= {"dither": 0.0}
    return config


def noise_batch(batch_size: int, seconds: float, *, num_labels: int = 40) -> Utterances:
    """Make a batch of white noise of equal lengths with random transcripts, on the device."""
    rng = np.random.default_rng(0)
    num_samples = int(seconds * SAMPLE_RATE)
    batch = Utterances(
        samples=(0.1 * rng.standard_normal((batch_size, num_samples))).astype(np.float32),
        num_samples=np.full(batch_size, num_samples, np.int32),
        labels=rng.integers(0, VOCAB_SIZE, (batch_size, num_labels)).astype(np.int32),
        num_labels=np.full(batch_size, num_labels, np.int32),
        index=np.arange(batch_size, dtype=np.int32),
    )
    return jax.device_put(batch)


def speech_batch(batch_size: int, seconds: float) -> UnlabelledSpeech:
    """Make the same batch without transcripts, with further noise in the noisy samples, on the device."""
    clean = noise_batch(batch_size, seconds)
    noisy = clean.samples + 0.1 * jax.random.normal(jax.random.key(0), clean.samples.shape)
    return UnlabelledSpeech(clean.samples, clean.num_samples, clean.index, noisy)


def num_parameters(variables: Any) -> int:
    """Number of trainable parameters."""
    return sum(x.size for x in jax.tree.leaves(variables["params"]))
