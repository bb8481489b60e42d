"""Generative models that follow a random process from noisy speech, or from noise, to clean speech.

    jaxspeech train --config=enhancement_generative:bridge --config.data_dir=FOLDER --workdir=runs/bridge
    jaxspeech train --config=enhancement_generative:score --config.data_dir=FOLDER --workdir=runs/score
    jaxspeech train --config=enhancement_generative:flow_pretraining --config.data_dir=FOLDER --workdir=runs/pretrained
    jaxspeech train --config=enhancement_generative:flow --config.data_dir=FOLDER --workdir=runs/flow \\
        --config.init_from=runs/pretrained/model.jaxspeech

| kind   | parameters | network                        | process                               | calls of the network |
|--------|-----------:|--------------------------------|---------------------------------------|---------------------:|
| bridge |       25 M | NCSN++                         | Schroedinger bridge (Jukic, 2024)     |                   50 |
| score  |       25 M | the same                       | diffusion, SGMSE+ (Richter, 2023)     |                  100 |
| flow   |      431 M | 24 Transformer layers x 1024   | flow matching (Lipman, 2023)          |                   20 |

These are the sizes and settings of NeMo's examples and of NVIDIA's published models. Pretraining hides 70 % of the
frames of clean speech, in patches of ten, and the flow learns to fill them in. A trained model may take fewer steps, or
others, without training: `model.sampler` names them, such as {"name": "midpoint", "num_steps": 5}. Segments have 256
frames (2.04 s), those of the flow 768 (6.14 s). All need GPUs.

The data are those of `enhance_mini`.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxspeech.configs import enhance_mini
from jaxspeech.configs.base import any_type, pick

# 256 bins, which NCSN++ can halve.
STFT = {"fft_length": 510, "hop": 128, "magnitude_power": 0.5, "scale": 0.33}
NCSNPP = {"name": "ncsnpp", "num_res_blocks": 3, "pad_frames_to": 64, "conditioned_on_time": True}
TRANSFORMER = {
    **{"name": "transformer_unet", "num_layers": 24, "width": 1024, "num_heads": 16},
    **{"time_width": 1024, "dropout": 0.1},
}
FLOW = {
    "estimator": TRANSFORMER,
    "process": {"name": "flow"},
    "sampler": {"name": "euler", "num_steps": 20},
    # So often the network learns what clean speech is like without a noisy recording.
    "condition_rate": 0.9,
}
MODELS: dict[str, dict[str, Any]] = {
    "bridge": {
        "estimator": NCSNPP,
        "process": {"name": "bridge_ve", "k": 2.6, "c": 0.4, "time_min": 1e-4},
        "sampler": {"name": "bridge_sde", "num_steps": 50},
        "loss": {"spectrum_weight": 1.0, "waveform_weight": 1e-3},
    },
    "score": {
        "estimator": NCSNPP,
        "process": {"name": "ou_ve", "stiffness": 1.5, "std_min": 0.05, "std_max": 0.5},
        "sampler": {"name": "predictor_corrector", "num_steps": 50},
    },
    "flow": FLOW,
    "flow_pretraining": FLOW | {"pretraining": {"patch_frames": 10, "hidden": 0.7}},
}


def get_config(kind: str = "bridge") -> ConfigDict:
    config = enhance_mini.get_config()
    config.model = model(kind)
    seconds = 6.14 if kind.startswith("flow") else 2.04
    config.augment.crop_to = (seconds, seconds)
    config.data.min_seconds = seconds
    config.data.buckets = any_type((seconds,))
    config.data.batch_size = 8
    config.data.batch_seconds = 8 * seconds
    if kind == "flow_pretraining":  # on clean speech
        config.mixtures.noise_probability = 0.0
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 0.0
    config.average_decay = 0.999
    config.steps = 100_000
    config.eval_every = 5_000
    config.checkpoint_every = 1_000
    return config


def model(kind: str) -> ConfigDict:
    """Makes the part `model`."""
    parts = {"task": "generative_enhancement", "stft": STFT, "normalize_input": True}
    return ConfigDict(parts | pick(MODELS, kind, recipe="enhancement_generative"))
