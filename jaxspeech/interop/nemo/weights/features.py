"""NeMo's tensors of a frontend: the window and the filters of log-mel features."""

from typing import Any

import numpy as np


def mel_tensors(frontend: Any, nemo: str) -> dict[str, np.ndarray]:
    """Window [N] and filters [1, F, bins] of a `MelSpectrogram`, in the names of NeMo's module `nemo`."""
    window = {} if frontend.window == "none" else {f"{nemo}.window": frontend.analysis_window.astype(np.float32)}
    return window | {f"{nemo}.fb": frontend.filters.T[None].astype(np.float32)}
