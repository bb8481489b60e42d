"""NeMo's tensors of a frontend: windows, filters and transforms, which follow from its configuration."""

from typing import Any

import numpy as np


def mel_tensors(frontend: Any, nemo: str) -> dict[str, np.ndarray]:
    """Window [N] and filters [1, F, bins] of a `MelSpectrogram`, in the names of NeMo's module `nemo`."""
    window = {} if frontend.window == "none" else {f"{nemo}.window": frontend.analysis_window.astype(np.float32)}
    return window | {f"{nemo}.fb": frontend.filters.T[None].astype(np.float32)}


def frontend_tensors(frontend: Any, nemo: str) -> dict[str, np.ndarray]:
    """The tensors of any frontend of ours, in the names of NeMo's module `nemo`."""
    if not hasattr(frontend, "transform"):
        return mel_tensors(frontend, nemo)
    tensors = {
        f"{nemo}.dct_mat": frontend.transform,
        f"{nemo}.MelSpectrogram.spectrogram.window": frontend.analysis_window,
        f"{nemo}.MelSpectrogram.mel_scale.fb": frontend.filters,
    }
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
