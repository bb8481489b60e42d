"""Trains a first voice from scratch: text to mel frames and their vocoder together, on what eSpeak NG says.

    python -m pip install "jaxspeech[quickstart,synthesis]"
    jaxspeech train --config=voice_quickstart --workdir=runs/voice
    jaxspeech speak "Good morning." --model=runs/voice/model.jaxspeech --output=good.wav

The corpus (1.6 hours of one speaker, 1200 words) is made at the start, see jaxspeech/data/voice.py. The model is one
archive, with a text front end for any English text. For the share of words that a recogniser hears wrong, name one that
was trained on other voices, such as the quickstart's, which has not heard this speaker:

    jaxspeech train --config=voice_quickstart --config.scores.recognizer=runs/quickstart/model.jaxspeech ...

It has 4.6M parameters and learns for 20 to 40 minutes on two cores. That recogniser then hears 3.2 % of the words of 50
new sentences wrong, and 1.7 % of those of the speaker's own recordings.

The voice can be fine-tuned to 20 minutes or more of somebody else's speech; of recordings that name a "speaker",
data.speakers chooses:

    jaxspeech train --config=voice_quickstart:runs/voice/model.jaxspeech --config.data.train=train.jsonl \\
        --config.data.eval.dev=dev.jsonl --config.data.speakers="('ls-19',)" --workdir=runs/ls-19
"""

from ml_collections import ConfigDict

from jaxspeech.builder import with_defaults
from jaxspeech.configs.base import any_type, base_config
from jaxspeech.configs.fastpitch import speech, with_texts
from jaxspeech.loading import read_model

# 16 kHz, 80 frames a second, windows of 50 ms.
RATE, HOP, WINDOW = 16000, 200, 800
PITCH_HIGH = 400.0  # Hz
FEATURES = {
    **{"name": "mel", "sample_rate": RATE, "window_seconds": WINDOW / RATE, "hop_seconds": HOP / RATE},
    **{"fft_size": 1024, "num_mels": 80, "preemphasis": None, "dither": 0.0, "normalize": "none"},
    **{"log_guard_value": 1e-5, "mag_power": 1.0},
}
# No dropout, to save time on a CPU: the sentences hardly repeat.
STACK = {"width": 128, "num_heads": 2, "head_width": 48, "hidden_width": 384, "dropout": 0.0, "dropout_att": 0.0}
PREDICTOR = {"hidden_width": 128, "dropout": 0.1}
VOCODER = {
    "task": "vocoder",
    "features": FEATURES,
    "generator": {
        **{"name": "harmonic_vocos", "width": 192, "hidden_width": 576, "num_layers": 6},
        **{"fft_size": WINDOW, "hop": HOP, "centred": True},
        **{"sample_rate": RATE, "high": PITCH_HIGH},
    },
    # A tenth of HiFi-GAN's channels: what they find in half a second of a simple voice is found by them too.
    "discriminators": {
        **{"name": "hifigan", "periods": (2, 3, 5, 7), "period_channels": (8, 16, 32, 64), "num_scales": 0},
        **{"resolutions": ((1024, 256), (256, 64)), "resolution_channels": 4},
    },
    "loss": {"resolutions": ((256, 64, 40), (512, 128, 60), (2048, 512, 120))},
}


def get_config(model: str = "") -> ConfigDict:
    config = with_texts(base_config())
    config.model = new_model()
    config.pitch.high = PITCH_HIGH
    config.scores.measures = any_type(("mel_distance", "duration", "pitch"))
    config.data.min_seconds = 0.3
    config.data.buckets = 2  # each takes a minute to compile
    config.data.batch_seconds = 48.0
    config.data.batch_size = 16
    config.data.eval_batch_size = 10
    config.data.num_threads = 2
    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-4
    # Generator and discriminators in balance.
    config.optimizer.rates = any_type((("^vocoder/", 0.4),))
    config.average_decay = 0.995
    config.choose = "last"
    config.steps = 1500
    config.eval_every = config.checkpoint_every = 500
    config.log_every = 20
    if not model:
        config.data.prepare = "voice"
        config.data.train, config.data.eval = (), {}  # as prepared
        return config
    # Another speaker: the same models, whose weights are the start.
    archive = read_model(model)
    config.model = ConfigDict(with_defaults(archive.model))
    config.init_from = model
    config.front_end = any_type({"type": "model"})
    config.data.train = any_type("train.jsonl")
    config.data.eval = {"dev": "dev.jsonl"}
    config.data.max_seconds = 12.0
    config.optimizer.learning_rate = 5e-4
    config.steps = 1000
    config.eval_every = config.checkpoint_every = 250
    return config


def new_model() -> ConfigDict:
    """Makes the config of both models, which are trained together."""
    own = speech(FEATURES, stack=STACK, predictor=PREDICTOR, loss={"binarization_warmup": 600})
    own["encoder"], own["decoder"] = own["encoder"] | {"num_layers": 3}, own["decoder"] | {"num_layers": 4}
    training = {"segment": 40, "made": 0.5}  # half a second
    return ConfigDict({"task": "voice", "speech": own, "vocoder": VOCODER, "training": training})
