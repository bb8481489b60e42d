"""Restores .nemo files of classifiers with NeMo and computes their logits; this script runs in NeMo's interpreter.

    NEMO_PYTHON classifiers_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B S], num_samples), and writes NAME.outputs.npz with
the logits of each row alone, `row0`, `row1`, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import EncDecClassificationModel, EncDecFrameClassificationModel

CLASSES = (EncDecClassificationModel, EncDecFrameClassificationModel)


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        config = CLASSES[0].restore_from(str(path), return_config=True)
        model_class = next(c for c in CLASSES if config.target.endswith(c.__name__))
        model = model_class.restore_from(str(path), map_location="cpu", strict=True).eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            rows = {}
            for i, (row, n) in enumerate(zip(inputs["samples"], inputs["num_samples"], strict=True)):
                logits = model.forward(input_signal=torch.tensor(row[None, :n]), input_signal_length=torch.tensor([n]))
                rows[f"row{i}"] = logits.numpy()[0]
        np.savez(path.with_suffix(".outputs.npz"), **rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
