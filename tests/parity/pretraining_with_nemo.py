"""Restores .nemo files of masked prediction with NeMo and runs them; this script runs in NeMo's interpreter.

    NEMO_PYTHON pretraining_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B S], num_samples), and writes NAME.outputs.npz with
the codes, the log-probabilities without a mask, and the type of the code books.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.core import ModelPT
from omegaconf import OmegaConf


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        model = ModelPT.restore_from(str(path), map_location="cpu", strict=True).eval()
        with np.load(path.with_suffix(".inputs.npz")) as inputs, torch.inference_mode():
            samples, lengths = torch.tensor(inputs["samples"]), torch.tensor(inputs["num_samples"])
            given = {"input_signal": samples, "input_signal_length": lengths}
            if "noisy_input_signal" in model.input_types:
                given |= {"noisy_input_signal": samples, "noisy_input_signal_length": lengths}
            log_probs, _, _, tokens = model.forward(**given, apply_mask=False)
            squeezed = OmegaConf.select(model.cfg, "squeeze_single") and model.cfg.num_books == 1
            if squeezed:
                log_probs, tokens = log_probs[..., None], tokens[..., None]
        kind = str(model.state_dict()["quantizer.codebooks"].dtype)
        np.savez(path.with_suffix(".outputs.npz"), log_probs=log_probs, tokens=tokens, codes_dtype=kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
