"""Restores a vocoder that we wrote with NeMo, strictly, and runs it: python vocoder_with_nemo.py FOLDER.

The folder has written.nemo and inputs.npz (mel [B T F], audio [B S]); outputs.npz gets samples [B S] and mel [B T F].
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.tts.models import HifiGanModel

folder = Path(sys.argv[1])
with np.load(folder / "inputs.npz") as file:
    inputs = {name: torch.from_numpy(file[name]) for name in file.files}
model = HifiGanModel.restore_from(str(folder / "written.nemo"), map_location="cpu", strict=True).eval()
with torch.inference_mode():
    samples = model.convert_spectrogram_to_audio(spec=inputs["mel"].transpose(1, 2))
    lengths = torch.full((len(samples),), inputs["audio"].shape[1])
    mel, _ = model.audio_to_melspec_precessor(inputs["audio"], lengths)
np.savez(folder / "outputs.npz", samples=samples.numpy(), mel=mel.transpose(1, 2).numpy())
