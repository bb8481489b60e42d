"""Trains FastPitch, a text-to-mel model with a learnt aligner, at its published size, on manifests like LJ Speech's.

    jaxspeech train --config=fastpitch --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl
    jaxspeech train --config=fastpitch:speakers ...       # several speakers; each line names its "speaker"

A line has "audio_filepath", "duration" and "text"; a "normalized_text", where there is one, is said instead. The pitch
of the recordings is extracted by the run. The recipe hifigan or vocos trains a vocoder of the same mel
frames; docs/synthesis.md joins both to a voice. Those who want to hear something soon begin with voice_quickstart.

45.8M parameters, the numbers of NeMo's fastpitch_align_v1.05.yaml (2.x; 3.0 has no recipe): 22.05 kHz, batches of 32,
1000 epochs of LJ Speech.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, noam, pick, published

FEATURES = {
    **{"name": "mel", "sample_rate": 22050, "window_seconds": 1024 / 22050, "hop_seconds": 256 / 22050},
    **{"fft_size": 1024, "num_mels": 80, "high_hz": 8000.0, "preemphasis": None, "dither": 0.0, "normalize": "none"},
    **{"log_guard_value": 1e-5, "mag_power": 1.0},
}
STACK = {
    **{"name": "fft", "num_layers": 6, "width": 384, "num_heads": 1, "head_width": 64, "hidden_width": 1536},
    **{"kernel_size": 3, "dropout": 0.1, "dropout_att": 0.1, "dropout_emb": 0.0},
}
PREDICTOR = {"name": "convolutions", "num_layers": 2, "hidden_width": 256, "kernel_size": 3, "dropout": 0.1}
SIZES = {"": {}, "speakers": {"speakers": {"number": 0}}}


def speech(features: dict, *, stack: dict | None = None, predictor: dict | None = None, **more: Any) -> dict:
    """Makes the model config of a FastPitch: the published one, except the given fields.

    Args:
      features: of the mel frames.
      stack: fields of encoder and decoder.
      predictor: fields of the predictors of duration and pitch.
      more: further fields of the model.
    """
    stack, predictor = STACK | (stack or {}), PREDICTOR | (predictor or {})
    return {
        "task": "speech",
        "features": features,
        **{"encoder": stack, "decoder": stack, "duration": predictor, "pitch": predictor},
        "aligner": {"name": "distances"},
        "loss": {"binarization_warmup": 10_000},
        **{"vocab_size": 0, "pitch_mean": 0.0, "pitch_std": 1.0},  # set from the front end and the data
        **more,
    }


def with_texts(config: ConfigDict) -> ConfigDict:
    """Adds the settings of models that speak."""
    # CMUdict, and eSpeak NG for other words; see text/choose_front_end.py.
    config.front_end = any_type({"type": "english"})
    config.speakers = {"names": any_type(()), "field": "speaker"}  # in order; (): those in the training data, sorted
    config.pitch = {"low": 65.0, "high": 600.0}  # Hz; a range around one speaker has fewer errors
    config.scores = {"measures": any_type(("mel_distance", "duration")), "recognizer": ""}
    config.data.speakers = any_type(())  # the names of those whose recordings are used; (): all
    config.augment.speed = (1.0,)
    return config


def get_config(size: str = "") -> ConfigDict:
    config = with_texts(published(ConfigDict(speech(FEATURES, **pick(SIZES, size, recipe="fastpitch")))))
    config.data.batch_size = config.data.eval_batch_size = 32
    noam(config, width=1, factor=1e-3, weight_decay=1e-6)
    config.optimizer.beta2 = 0.999
    config.optimizer.clip_norm = 1000.0
    config.optimizer.schedule.warmup_steps = 1000
    config.steps = 350_000
    return config
