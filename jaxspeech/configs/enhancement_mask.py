"""Masks at NeMo's example sizes, trained on mixtures that are made of speech and noise.

    jaxspeech train --config=enhancement_mask --config.data_dir=FOLDER --workdir=runs/mask
    jaxspeech train --config=enhancement_mask:beamformer --config.data_dir=FOLDER --workdir=runs/mvdr
    jaxspeech train --config=enhancement_mask:flexible --config.data_dir=FOLDER --workdir=runs/flexible

The first is a mask of one channel by five bidirectional LSTM layers (NeMo's masking.yaml, 7.6 M parameters). The second
has an MVDR beamformer after the same mask, whose features take any number of channels (beamforming.yaml). The third is
for any number of channels in any order: Conformers in time and attention or averages over channels, before a Wiener
filter whose reference channel is found (beamforming_flex_channels.yaml, 10.7 M). Segments have 4 s.

The data are those of `enhance_mini`; for the last two, all talkers and noises are in rooms with four microphones
(`mixtures.channels`).
"""

from ml_collections import ConfigDict

from jaxspeech.configs import enhance_mini
from jaxspeech.configs.base import any_type
from jaxspeech.errors import ConfigError, did_you_mean

STFT = {"fft_length": 512, "hop": 256}
RNN = {"name": "mask_rnn", "width": 256, "num_layers": 5, "bidirectional": True}
FLEXIBLE = {
    **{"name": "mask_channels", "num_blocks": 5, "reduction_position": 3, "reduction": "average"},
    **{"sharing": "average", "num_layers": 5, "num_heads": 4, "width": 128},
    **{"magnitudes": "none", "magnitude_norm": "mean_var", "phase_differences": True, "phase_norm": "mean"},
}
MODELS = {
    "single": {"channels": 1, "estimator": RNN, "processor": {"name": "reference"}},
    "beamformer": {"estimator": RNN, "processor": {"name": "beamformer"}},
    "flexible": {
        "estimator": FLEXIBLE,
        "processor": {"name": "beamformer", "reference": "max_snr"},
        "channel_augment": {"fewest": 2},
    },
}


def get_config(kind: str = "single") -> ConfigDict:
    config = enhance_mini.get_config()
    config.model = model(kind)
    config.augment.crop_to = (4.0, 4.0)
    config.data.min_seconds = 4.0
    config.data.buckets = any_type((4.0,))
    config.data.batch_seconds = 32.0
    config.data.batch_size = 8
    if kind != "single":
        config.mixtures.channels = 4
        for part in (config.mixtures, *config.mixtures.sets.values()):
            part.room_probability = 1.0
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 0.0
    config.average_decay = 0.999
    config.steps = 100_000
    config.eval_every = 5_000
    config.checkpoint_every = 1_000
    return config


def model(kind: str) -> ConfigDict:
    """Makes the part `model`."""
    if kind not in MODELS:
        raise ConfigError(f"enhancement_mask:{kind} is no recipe{did_you_mean(kind, MODELS)}")
    loss = {"name": "sdr", "scale_invariant": True}
    if kind == "flexible":
        # The reference channel that is found may be another than that of the target.
        loss = {"name": "sdr", "convolution_invariant": True, "sdr_max": 30.0}
    return ConfigDict({"task": "enhancement", "stft": STFT, "loss": loss} | MODELS[kind])
