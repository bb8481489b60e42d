"""A small random model that follows one speaker among several, and live audio for it."""

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.speaker_masks import SpeakerMasks
from tests.interop.random_model import pieces_tokenizer, random_archive

RATE, FRAME = 16000, 1280
MODEL = {
    "task": "multitalker",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **{"causal_subsampling": True, "attention_context": (6, 2), "attention_style": "chunked_limited"},
        **{"conv_kernel": 5, "conv_context": (4, 0), "conv_norm": "layer", "ff_expansion": 2, "scan_layers": False},
        **{"speaker_kernels": (0, 1)},
    },
    "decoder": {"name": "transducer", "width": 8, "joint_width": 8},
    "search": {"max_symbols": 2},
}


def talker_archive() -> Archive:
    """Makes the model, whose tokens depend on the frame and on the masks."""
    archive = random_archive(MODEL, pieces_tokenizer(), seed=3)
    joint, task = archive.variables["params"]["decoder"]["joint"], build(archive.model)
    samples, activity = talk(60, 4, seed=1)
    rows = np.tile(samples, (4, 1)), np.full(4, len(samples), np.int32)
    encode = jax.jit(task.inference.encode)
    encoded, _ = encode(archive.variables, *rows, SpeakerMasks(activity.T, 1 - activity.T))
    frames = np.asarray(encoded).reshape(-1, encoded.shape[-1]) @ joint["encoded"]["kernel"]
    joint["encoded"]["kernel"] *= 2 / frames.std(0)
    joint["encoded"]["bias"] = -frames.mean(0) * 2 / frames.std(0)
    hidden = np.maximum((frames - frames.mean(0)) * 2 / frames.std(0) + joint["predicted"]["bias"], 0)
    joint["out"]["bias"] = -(hidden @ joint["out"]["kernel"]).mean(0)
    joint["out"]["bias"][-1] += 3.5  # the blank
    return archive


def talk(frames: int, speakers: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Generates samples of gliding tones, and the activity [T S] of speakers who begin and stop at random."""
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(0.02, 0.8, -(-frames // 3)), 3 * FRAME)[: frames * FRAME]
    samples = (0.3 * np.sin(np.cumsum(pitch)) + 0.01 * rng.standard_normal(frames * FRAME)).astype(np.float32)
    spoken = np.repeat(rng.random((-(-frames // 5), speakers)) < 0.6, 5, 0)[:frames]
    return samples, np.where(spoken, 0.9, 0.05).astype(np.float32)
