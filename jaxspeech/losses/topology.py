"""The ways that paths of each transducer may go: its arcs, and which logits give their probabilities.

    RNN-T        label (0 frames), blank (1 frame)
    multi-blank  label (0 frames), blank (1 frame), big blank i (its duration)
    TDT          label with duration i, blank with duration i unless that is 0

Source: see `losses.transducer`.
"""

from typing import NamedTuple

from jaxspeech.errors import ConfigError

LABEL = 0  # The factor of the next label; those of the blanks follow, and behind them those of the durations.


class Arc(NamedTuple):
    """One way on from a node of the lattice."""

    frames: int  # frames it reads
    emits: int  # labels it emits, 0 or 1
    factors: tuple[int, ...]  # the kept log-probabilities that add up to its own

    @property
    def reach(self) -> int:
        """Frames and labels between its two ends; at least 1."""
        return self.frames + self.emits


class Topology(NamedTuple):
    """What sets one transducer apart from another."""

    blanks: tuple[int, ...]  # the blanks' places among the tokens
    num_durations: int  # logits behind those of the tokens
    arcs: tuple[Arc, ...]
    sigma: float  # taken off every token's log-probability

    @property
    def num_tokens_kept(self) -> int:
        """The label and the blanks."""
        return 1 + len(self.blanks)


def rnnt(width: int, blank_id: int) -> Topology:
    """RNN-T over `width` logits."""
    topology = Topology((blank_id,), 0, (Arc(0, 1, (LABEL,)), Arc(1, 0, (1,))), 0.0)
    return _checked(topology, width)


def multiblank(width: int, blank_id: int, big_blank_durations: tuple[int, ...], sigma: float) -> Topology:
    """Multi-blank: big blank i is i + 1 places before the standard one."""
    if any(frames < 1 for frames in big_blank_durations):
        raise ConfigError(f"big_blank_durations {big_blank_durations}: each must be at least 1 frame")
    frames = (1, *big_blank_durations)
    blanks = tuple(Arc(d, 0, (1 + i,)) for i, d in enumerate(frames))
    places = tuple(blank_id - i for i in range(len(frames)))
    return _checked(Topology(places, 0, (Arc(0, 1, (LABEL,)), *blanks), sigma), width)


def tdt(width: int, blank_id: int, durations: tuple[int, ...], sigma: float) -> Topology:
    """TDT: the last logits are those of the durations."""
    if min(durations, default=0) < 0 or max(durations, default=0) < 1:
        raise ConfigError(f"durations {durations}: none may be negative, and one at least must be positive")
    labels = tuple(Arc(d, 1, (LABEL, 2 + i)) for i, d in enumerate(durations))
    blanks = tuple(Arc(d, 0, (1, 2 + i)) for i, d in enumerate(durations) if d > 0)
    return _checked(Topology((blank_id,), len(durations), (*labels, *blanks), sigma), width)


def _checked(topology: Topology, width: int) -> Topology:
    num_tokens = width - topology.num_durations
    if not all(0 <= place < num_tokens for place in topology.blanks):
        raise ConfigError(f"blanks at {topology.blanks}: the logits have {num_tokens} tokens; set blank_id to match")
    if topology.sigma < 0:
        raise ConfigError(f"sigma {topology.sigma}: must be 0 or positive")
    return topology
