"""What the peer's reference files hold, in our layout."""

import numpy as np


def inputs_of(peer):
    """The peer's features [B T F] and their frames [B]."""
    return peer["feats"].transpose(0, 2, 1), peer["feats_len"].astype(np.int32)


def targets_of(peer):
    """The labels [B U] and their number [B]."""
    return peer["targets"].astype(np.int32), peer["target_len"].astype(np.int32)


def worst(ours, theirs, num_frames):
    """Largest difference in a real frame, and in any frame."""
    difference = np.abs(ours - theirs).max(-1)
    assert np.isfinite(difference).all()
    return max(row[:n].max() for row, n in zip(difference, num_frames, strict=True)), difference.max()
