"""Restores .nemo files of enhancement with NeMo and computes outputs; this script runs in NeMo's interpreter.

    NEMO_PYTHON enhancement_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B C S], num_samples), and writes NAME.outputs.npz
with the outputs of each row alone, `row0`, `row1`, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.audio.models import AudioToAudioModel


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        model = AudioToAudioModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            rows = {}
            for i, (row, n) in enumerate(zip(inputs["samples"], inputs["num_samples"], strict=True)):
                found, _ = model(input_signal=torch.tensor(row[None, :, :n]), input_length=torch.tensor([n]))
                rows[f"row{i}"] = found.numpy()[0]
        np.savez(path.with_suffix(".outputs.npz"), **rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
