"""Makes the reference `titanet_layers`, a TitaNet of NeMo on the layers of an encoder; runs in NeMo's interpreter.

    NEMO_PYTHON make_layer_features.py REFERENCES OUTPUT

REFERENCES has titanet.json and multi_layer_feat.json, whose settings the model has. OUTPUT gets titanet_layers.nemo,
.npz (audio, feats [B D T], len, logits, emb) and .json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import EncDecSpeakerLabelModel
from omegaconf import OmegaConf

MODULES = "nemo.collections.asr.modules"
LAYERS = [0, 1]
DERIVED = ("window", "fb", ".pe")


def configuration(folder: Path) -> dict:
    """TitaNet's configuration with an encoder of three layers before it."""
    config = json.loads((folder / "titanet.json").read_text())["config"]
    encoder = json.loads((folder / "multi_layer_feat.json").read_text())["config"]["encoder"] | {"n_layers": 3}
    config["preprocessor"] = {
        "_target_": f"{MODULES}.ConformerMultiLayerFeaturePreprocessor",
        "aggregator": {
            "_target_": f"{MODULES}.ssl_modules.multi_layer_feat.Aggregator",
            **{"mode": "cat", "weights": None, "layer_idx_list": LAYERS},
        },
        "preprocessor": config["preprocessor"],
        "spec_augment": config.pop("spec_augment"),
        "encoder": encoder,
        "layer_idx_list": LAYERS,
        "freeze_encoder": True,
    }
    config["encoder"]["feat_in"] = (len(LAYERS) + 1) * encoder["d_model"]
    return config | {"validation_ds": None, "test_ds": None}


def main() -> None:
    """Writes the model with random weights, and what it computes."""
    references, output = map(Path, sys.argv[1:])
    model = EncDecSpeakerLabelModel(cfg=OmegaConf.create(configuration(references))).eval()
    draw = torch.Generator().manual_seed(1)
    samples, sizes = 0.1 * torch.randn(1, 32000, generator=draw), torch.tensor([32000])
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.is_floating_point() and not name.endswith(DERIVED):
                noise = torch.randn(value.shape, generator=draw)
                value += 0.05 * (noise.abs() if name.endswith("running_var") else noise)
        features, count = model.preprocessor(input_signal=samples, length=sizes)
        logits, embedding = model.forward(input_signal=samples, input_signal_length=sizes)
    model.save_to(str(output / "titanet_layers.nemo"))
    arrays = {"audio": samples, "feats": features, "len": count, "logits": logits, "emb": embedding}
    np.savez(output / "titanet_layers.npz", **{name: array.numpy() for name, array in arrays.items()})
    (output / "titanet_layers.json").write_text("{}")


if __name__ == "__main__":
    main()
