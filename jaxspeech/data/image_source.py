"""Simulates the impulse responses of a box-shaped room by the image method of Allen and Berkley (1979).

    h_m(t) = sum over images i of  prod over walls w of b_w^{r_iw} / d_im  delta(t - d_im / c)

with d_im from image i to microphone m, r_iw how often its sound has met wall w, and b_w = sqrt(1 - absorption). By
Sabine's formula, sound decays by 60 dB in 0.161 V / (S absorption) seconds.

The impulses are placed on a grid of OVERSAMPLING times the sample rate, split linearly between two of its points, and
the result is limited to the band and decimated in the frequency domain.
"""

import math

import numpy as np
from jaxtyping import Float

SOUND_SPEED = 343.0  # m/s
OVERSAMPLING = 8
# Seconds before the direct sound at the nearest microphone.
LEAD = 0.002
# Below, walls of real rooms no longer reflect everything in phase, in Hz; and where the filter at the upper end of the
# band begins, as a share of half the sample rate.
LOWEST_HZ, PASS = 20.0, 0.92
MOST_ABSORPTION = 0.98


def reflections(sides: Float[np.ndarray, " 3"], rt60: float) -> float:
    """Returns the factor b of every wall with which a room of these sides (in metres) has about this RT60 (in seconds).

    Sabine's formula fits a box better than Eyring's, with which the decay of the image method is slower than asked.
    """
    volume, surface = float(np.prod(sides)), 2 * float(sides[0] * sides[1] + sides[1] * sides[2] + sides[2] * sides[0])
    return math.sqrt(1 - min(0.161 * volume / (surface * rt60), MOST_ABSORPTION))


def room_response(
    sides: Float[np.ndarray, " 3"],
    source: Float[np.ndarray, " 3"],
    microphones: Float[np.ndarray, "C 3"],
    walls: Float[np.ndarray, "3 2"],
    *,
    seconds: float,
    sample_rate: int,
    jitter: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Float[np.ndarray, "C M"], Float[np.ndarray, "C M"]]:
    """Computes the impulse responses from a source to microphones.

    Args:
      sides: of the room, from 0, in metres.
      source, microphones: their places in it.
      walls: the factor b of the walls at 0 and at the far end of each axis.
      seconds: of the responses after the first direct sound.
      sample_rate: in Hz.
      jitter: displaces each image along each axis by at most this much, in metres. Echoes of a perfect box form
        audible sweeps, which real rooms do not have (De Sena et al., 2015).
      rng: random numbers of the jitter.

    Returns:
      (all of the responses, their direct sound alone); the direct sound of the nearest microphone is at LEAD seconds.
    """
    near = float(np.linalg.norm(microphones - source, axis=1).min())
    reach = near + seconds * SOUND_SPEED
    places, logs = _images(sides, source, walls, microphones.mean(0), reach)
    if jitter and rng is not None:
        moved = rng.uniform(-jitter, jitter, places.shape)
        places = places + moved * (logs < 0)[:, None]  # not the source itself
    size = math.ceil((LEAD + seconds) * sample_rate)
    gains = np.exp(logs)
    distances = np.linalg.norm(microphones - source, axis=1)
    full, direct = [], []
    for place, straight in zip(microphones, distances, strict=True):
        distance = np.sqrt(((places - place) ** 2).sum(1))
        full.append(_impulses((distance - near) / SOUND_SPEED, gains / distance, size, sample_rate))
        ones = np.array([(straight - near) / SOUND_SPEED]), np.array([1 / straight])
        direct.append(_impulses(*ones, size, sample_rate))
    return np.stack(full), np.stack(direct)


def _images(
    sides: Float[np.ndarray, " 3"],
    source: Float[np.ndarray, " 3"],
    walls: Float[np.ndarray, "3 2"],
    centre: Float[np.ndarray, " 3"],
    reach: float,
) -> tuple[Float[np.ndarray, "K 3"], Float[np.ndarray, " K"]]:
    """The places of the images within `reach` of the centre, and the logarithm of what their reflections leave."""
    axes, logs = [], []
    for side, start, wall, middle in zip(sides, source, np.log(np.maximum(walls, 1e-6)), centre, strict=True):
        most = math.ceil(reach / (2 * side)) + 1
        n, q = (x.ravel() for x in np.meshgrid(np.arange(-most, most + 1), np.arange(2), indexing="ij"))
        # Image (n, q) has met the wall at 0 |n - q| times, and the far one |n| times.
        place = (1 - 2 * q) * start + 2 * n * side
        inside = np.abs(place - middle) <= reach
        axes.append(place[inside])
        logs.append((np.abs(n - q) * wall[0] + np.abs(n) * wall[1])[inside])
    x, y, z = (((axis - middle) ** 2).astype(np.float32) for axis, middle in zip(axes, centre, strict=True))
    chosen = np.flatnonzero((x[:, None, None] + y[:, None] + z <= np.float32(reach**2)).ravel())
    i, j, k = np.unravel_index(chosen, (len(x), len(y), len(z)))
    places = np.stack([axes[0][i], axes[1][j], axes[2][k]], 1)
    return places, logs[0][i] + logs[1][j] + logs[2][k]


def _impulses(
    delays: Float[np.ndarray, " K"], gains: Float[np.ndarray, " K"], size: int, sample_rate: int
) -> Float[np.ndarray, " M"]:
    """Impulses at these delays (in seconds, LEAD later), as `size` samples."""
    padded = size + 64  # the filter's ends do not wrap around to where the response begins
    grid = (delays + LEAD) * (sample_rate * OVERSAMPLING)
    inside = (grid >= 0) & (grid < size * OVERSAMPLING - 1)
    grid, gains = grid[inside], gains[inside]
    first = grid.astype(np.int64)
    share = grid - first
    fine = np.bincount(first, gains * (1 - share), padded * OVERSAMPLING)
    fine += np.bincount(first + 1, gains * share, padded * OVERSAMPLING)
    spectrum = np.fft.rfft(fine)[: padded // 2 + 1]
    f = np.arange(len(spectrum)) / padded  # of the sample rate
    upper = np.clip((2 * f - PASS) / (1 - PASS), 0, 1)
    low = 1j * f * sample_rate / LOWEST_HZ
    # The split between two points is a triangular filter.
    spectrum = spectrum * (np.cos(upper * np.pi / 2) ** 2 / np.sinc(f / OVERSAMPLING) ** 2 * (low / (1 + low)))
    return np.fft.irfft(spectrum, padded)[:size].astype(np.float32)
