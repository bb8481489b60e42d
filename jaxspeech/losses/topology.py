"""The lattice topology of each transducer: its arcs, and the logits that give their probabilities.

    RNN-T        label (0 frames), blank (1 frame)
    multi-blank  label (0 frames), blank (1 frame), big blank i (its duration)
    TDT          label with duration i, blank with duration i except 0

A W-Transducer has two further arcs, which skip frames: see `Wildcard`.

Source: see `losses.transducer`.
"""

import math
from typing import Literal, NamedTuple

from jaxspeech.errors import ConfigError, did_you_mean

LABEL = 0  # Index of the next label in the emissions; the blanks follow, then the durations.
# What frames without text may end with: no such frames; a last blank; also nothing.
WildcardMode = Literal["none", "force_final", "allow_ignore"]
WILDCARDS = ("none", "force_final", "allow_ignore")


class Arc(NamedTuple):
    """One kind of arc from a node of the lattice to a later one."""

    frames: int  # frames it consumes
    emits: int  # labels it emits, 0 or 1
    factors: tuple[int, ...]  # indices of the emission log-probabilities whose sum is the arc's

    @property
    def reach(self) -> int:
        """Anti-diagonals between its two ends: frames plus labels, at least 1."""
        return self.frames + self.emits


class Wildcard(NamedTuple):
    """The arcs of a W-Transducer, over frames whose text may be missing at the beginning or the end of the transcript.

    From (0, 0) to (t, 0) for every later frame t, and from (t, U) for every frame but the last one, T - 1, to the end.
    """

    log_weight: float  # of each of these arcs, in nats; 0: skipping frames costs nothing
    last_blank: bool  # they end at (T - 1, U), whose blank is still emitted; False: at (T, U)


class Topology(NamedTuple):
    """The blanks, durations and arcs of one kind of transducer."""

    blanks: tuple[int, ...]  # indices of the blanks among the tokens
    num_durations: int  # number of logits after those of the tokens
    arcs: tuple[Arc, ...]
    sigma: float  # subtracted from every token's log-probability
    factored: bool = False  # the blank has a probability of its own, and the labels a softmax without it
    wildcard: Wildcard | None = None

    @property
    def num_tokens_kept(self) -> int:
        """Number of tokens in the emissions: the next label and the blanks."""
        return 1 + len(self.blanks)


def rnnt(width: int, blank_id: int, *, factored: bool = False, wildcard: Wildcard | None = None) -> Topology:
    """Returns the topology of RNN-T over `width` logits; `factored` is that of HAT, see `losses.emissions`."""
    topology = Topology((blank_id,), 0, (Arc(0, 1, (LABEL,)), Arc(1, 0, (1,))), 0.0, factored, wildcard)
    return _checked(topology, width)


def multiblank(width: int, blank_id: int, big_blank_durations: tuple[int, ...], sigma: float) -> Topology:
    """Returns the topology of multi-blank RNN-T: big blank i is i + 1 places before the standard blank."""
    if any(frames < 1 for frames in big_blank_durations):
        raise ConfigError(f"big_blank_durations {big_blank_durations}: each must be at least 1 frame")
    frames = (1, *big_blank_durations)
    blanks = tuple(Arc(d, 0, (1 + i,)) for i, d in enumerate(frames))
    places = tuple(blank_id - i for i in range(len(frames)))
    return _checked(Topology(places, 0, (Arc(0, 1, (LABEL,)), *blanks), sigma), width)


def tdt(
    width: int,
    blank_id: int,
    durations: tuple[int, ...],
    sigma: float,
    *,
    factored: bool = False,
    wildcard: Wildcard | None = None,
) -> Topology:
    """Returns the topology of TDT: the last logits are those of the durations. `factored`: as of `rnnt`."""
    if min(durations, default=0) < 0 or max(durations, default=0) < 1:
        raise ConfigError(f"durations {durations}: none may be negative, and at least one must be positive")
    labels = tuple(Arc(d, 1, (LABEL, 2 + i)) for i, d in enumerate(durations))
    blanks = tuple(Arc(d, 0, (1, 2 + i)) for i, d in enumerate(durations) if d > 0)
    return _checked(Topology((blank_id,), len(durations), (*labels, *blanks), sigma, factored, wildcard), width)


def wildcard_of(mode: str, log_weight: float) -> Wildcard | None:
    """Returns the wildcard arcs of a mode in `WILDCARDS`."""
    if mode not in WILDCARDS:
        raise ConfigError(f'unknown wildcard "{mode}"{did_you_mean(mode, WILDCARDS)}')
    if not math.isfinite(log_weight):
        raise ConfigError(f"wildcard_weight {log_weight}: must be finite; wildcard 'none' has no wildcards")
    return None if mode == "none" else Wildcard(float(log_weight), mode == "force_final")


def _checked(topology: Topology, width: int) -> Topology:
    num_tokens = width - topology.num_durations
    if not all(0 <= place < num_tokens for place in topology.blanks):
        raise ConfigError(f"blanks at {topology.blanks}: the logits have {num_tokens} tokens; set blank_id to match")
    if topology.sigma < 0:
        raise ConfigError(f"sigma {topology.sigma}: must be 0 or positive")
    return topology
