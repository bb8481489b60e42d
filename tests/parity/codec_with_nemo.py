"""Restores .nemo files of codecs with NeMo and computes ids and samples; this script runs in NeMo's interpreter.

    NEMO_PYTHON codec_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B S], num_samples), and writes NAME.outputs.npz with
the ids and the decoded samples of each row alone, `ids0`, `samples0`, `ids1`, ... It fails where a tensor is missing or
left over, which NeMo itself does not notice: AudioCodecModel loads weights with strict=False.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.tts.models import AudioCodecModel


def main(folder: Path) -> None:
    load = torch.nn.Module.load_state_dict

    def strictly(module, state, strict=True, **options):
        return load(module, state, strict=True, **options)

    torch.nn.Module.load_state_dict = strictly
    for path in sorted(folder.glob("*.nemo")):
        model = AudioCodecModel.restore_from(str(path), map_location="cpu").eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            rows = {}
            for i, (row, n) in enumerate(zip(inputs["samples"], inputs["num_samples"], strict=True)):
                ids, lengths = model.encode(audio=torch.tensor(row[None, :n]), audio_len=torch.tensor([n]))
                samples, _ = model.decode(tokens=ids, tokens_len=lengths)
                rows |= {f"ids{i}": ids.numpy()[0], f"samples{i}": samples.numpy()[0]}
        np.savez(path.with_suffix(".outputs.npz"), **rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
