"""Restores folders of SALM with NeMo and writes their logits; this script runs in NeMo's interpreter, with peft.

    NEMO_PYTHON salm_with_nemo.py FOLDER

In each folder with a config.json inside of FOLDER it reads inputs.npz (audio [N S], audio_len [N], input_ids [B L],
loss_mask [B L]) and writes outputs.npz (logits, attention_mask, loss), or failed.txt with a reason.
"""

import logging
import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.speechlm2.models import SALM
from nemo.utils import logging as nemo_logging


def outputs_of(folder: Path) -> dict[str, np.ndarray]:
    """Returns what NeMo computes of the inputs in a folder."""
    model = SALM.from_pretrained(str(folder), local_files_only=True).eval()
    given = np.load(folder / "inputs.npz")
    batch = {
        "audios": torch.tensor(given["audio"]),
        "audio_lens": torch.tensor(given["audio_len"]),
        "input_ids": torch.tensor(given["input_ids"]),
        "loss_mask": torch.tensor(given["loss_mask"]),
    }
    with torch.no_grad():
        inputs = model.prepare_inputs(batch)
        logits = model(inputs["input_embeds"], attention_mask=inputs["attention_mask"])["logits"]
    return {"logits": logits.numpy(), "attention_mask": inputs["attention_mask"].numpy()}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(1)
    for config in sorted(Path(sys.argv[1]).glob("*/config.json")):
        try:
            np.savez(config.parent / "outputs.npz", **outputs_of(config.parent))
        except Exception as error:
            (config.parent / "failed.txt").write_text(f"{type(error).__name__}: {error}")
