"""Restores .nemo files of Sortformer with NeMo and computes activities; this script runs in NeMo's interpreter.

    NEMO_PYTHON sortformer_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B S], num_samples), and writes NAME.outputs.npz with
the probabilities of each row alone and in one pass, also for a streaming model, `row0`, `row1`, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import SortformerEncLabelModel


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        model = SortformerEncLabelModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            rows = {}
            for i, (row, n) in enumerate(zip(inputs["samples"], inputs["num_samples"], strict=True)):
                features, lengths = model.process_signal(torch.tensor(row[None, :n]), torch.tensor([n]))
                features = features[:, :, : lengths.max()]
                rows[f"row{i}"] = model.forward_infer(*model.frontend_encoder(features, lengths)).numpy()[0]
        np.savez(path.with_suffix(".outputs.npz"), **rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
