"""Restores a .nemo file with speaker kernels and writes its frames; this script runs in NeMo's interpreter.

    NEMO_PYTHON multitalker_with_nemo.py FOLDER

FOLDER has model.nemo and inputs.npz (features [B F T], lengths, masks [2 B T']); outputs.npz is written.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import ASRModel

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with np.load(folder / "inputs.npz") as file:
        inputs = {name: torch.from_numpy(file[name]) for name in file.files}
    model = ASRModel.restore_from(str(folder / "model.nemo"), map_location="cpu", strict=True).eval()
    with torch.inference_mode():
        model.set_speaker_targets(*inputs["masks"])
        encoded, num_frames = model.encoder(audio_signal=inputs["features"], length=inputs["lengths"])
        found = model.decoding.rnnt_decoder_predictions_tensor(encoded, num_frames, return_hypotheses=True)
    ids = np.full((len(found), max(len(x.y_sequence) for x in found)), -1)
    for row, x in enumerate(found):
        ids[row, : len(x.y_sequence)] = np.asarray(x.y_sequence)
    np.savez(folder / "outputs.npz", encoded=encoded.mT.numpy(), num_frames=num_frames.numpy(), ids=ids)
