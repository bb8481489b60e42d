"""Reference implementations of the frontends: float64 NumPy, one utterance at a time, one loop per equation."""

import numpy as np


def spectra(samples, window, *, fft_size, hop):
    """Compute |X_t[k]|^2 of already padded samples, by direct summation of the Fourier series."""
    window = np.pad(window, ((fft_size - len(window)) // 2,) * 2)
    phases = np.exp(-2j * np.pi * np.outer(np.arange(fft_size), np.arange(fft_size // 2 + 1)) / fft_size)
    starts = range(0, len(samples) - fft_size + 1, hop)
    return np.stack([np.abs((samples[s : s + fft_size] * window) @ phases) ** 2 for s in starts])


def triangles(edges, bins):
    """Filters that rise from edges[i] to edges[i + 1] and fall to edges[i + 2], sampled at the bins: [bins F]."""
    filters = [np.interp(bins, edges[i : i + 3], [0, 1, 0]) for i in range(len(edges) - 2)]
    return np.stack(filters, axis=1)


def slaney_edges(num_mels, high_hz):
    """Ends and peaks of the filters: below 1 kHz 200 / 3 Hz per mel, above 27 mels in equal ratios to 6.4 kHz."""
    top = 15 + 27 * np.log(high_hz / 1000) / np.log(6.4)
    mels = np.linspace(0, top, num_mels + 2)
    return np.array([m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27) for m in mels])


def log_mel(samples):
    """The default log-mel frames of one utterance at 16 kHz, without those after its end."""
    samples = np.asarray(samples, np.float64)
    emphasized = samples.copy()
    emphasized[1:] -= 0.97 * samples[:-1]
    power = spectra(np.pad(emphasized, 256), np.hanning(400), fft_size=512, hop=160)
    edges = slaney_edges(80, 8000)
    filters = triangles(edges, np.arange(257) * 16000 / 512) * 2 / (edges[2:] - edges[:-2])
    frames = np.log(power @ filters + 2.0**-24)[: len(samples) // 160]
    return (frames - frames.mean(0)) / (frames.std(0, ddof=1) + 1e-5)


def mfcc(samples):
    """The default cepstral coefficients of one utterance at 16 kHz, reflected at both ends."""
    samples = np.asarray(samples, np.float64)
    padded = np.concatenate([samples[256:0:-1], samples, samples[-2:-258:-1]])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    power = spectra(padded, window, fft_size=512, hop=160)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    bands = np.log(power @ triangles(edges, np.arange(257) * 16000 / 512) + 1e-6)
    m = np.arange(64)
    coefficients = [np.sqrt((2 if k else 1) / 64) * bands @ np.cos(np.pi * k * (m + 0.5) / 64) for k in range(64)]
    return np.stack(coefficients, axis=1)[: -(-len(samples) // 160)]
