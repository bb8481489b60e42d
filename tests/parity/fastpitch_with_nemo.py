"""Restores .nemo files of FastPitch with NeMo and speaks texts; this script runs in NeMo's interpreter.

    NEMO_PYTHON fastpitch_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (texts, speaker [B], mel [B F T] to speak like), and writes
NAME.outputs.npz with the mel frames [F T] of each text alone, `row0`, `row1`, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.tts.models import FastPitchModel


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        model = FastPitchModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            rows = {}
            for i, (text, speaker) in enumerate(zip(inputs["texts"], inputs["speaker"], strict=True)):
                more = {}
                if model.cfg.n_speakers > 1:
                    more["speaker"] = torch.tensor([int(speaker)])
                if model.fastpitch.speaker_encoder is not None:
                    mel = torch.tensor(inputs["mel"][i : i + 1])
                    frames = int((mel != 0).any(1).sum())  # padding is zero
                    more |= {"reference_spec": mel[:, :, :frames], "reference_spec_lens": torch.tensor([frames])}
                rows[f"row{i}"] = model.generate_spectrogram(tokens=model.parse(str(text)), **more)[0].numpy()
        np.savez(path.with_suffix(".outputs.npz"), **rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
