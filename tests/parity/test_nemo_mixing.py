"""Compares mixtures of noise and utterances with NeMo's, from its draws."""

import numpy as np
import pytest

from jaxspeech.data.mixing import SOURCE, UTTERANCE, Segment, mix
from tests.parity.reference import arrays_of

TOLERANCE = 2e-6


class Draws:
    """The recorded draws of Python's `random`, in order."""

    def __init__(self, draws):
        self._rest = list(draws)

    def __call__(self, name):
        found, value = self._rest.pop(0)
        assert found == name
        return value

    @property
    def done(self):
        return not self._rest


def of_segments(draw, row, config, lengths, noise_length):
    """What MultiSpeakerNoiseAugmentation draws for a row: (is it noise, the others, the segments, the ratio)."""
    least, most = config["min_mix_rate"], config["max_mix_rate"]
    rate = draw("uniform") if least < most else least
    total = max(1, int(lengths[row] * rate))
    count, speakers = draw("randint"), draw("randint")
    parts = draw("choices")["segment_lengths"]
    noise = draw("random") < config["noise_ratio"]
    ratio = draw("uniform")
    cuts, others = [], []
    if noise:
        cuts = [(0, start) for start in np.cumsum([0, *parts[:-1]]).tolist()]
    else:
        candidates = [i for i in range(len(lengths)) if i != row]
        others = draw("sample")
        assert len(others) == min(speakers, len(candidates))
        number = 0
        for part in parts:
            size = lengths[others[number]]
            cuts.append((number, draw("randint") if size > part else 0))
            number += 1
            if number >= len(others):
                number = draw("randint")
    segments, first, last = [], 0, lengths[row] - total
    assert count == len(parts)
    for part, (source, start) in zip(parts, cuts, strict=True):
        place = draw("randint") if first < last else first
        segments.append(Segment(source, start, place, part))
        first, last = place + part, last + part
    return noise, others, segments, ratio


def of_a_stretch(draw, row, config, lengths, noise_length):
    """The same of SpeakerNoiseAugmentation."""
    length, place = draw("randint"), draw("randint")
    noise = draw("random") < config["noise_ratio"]
    ratio = draw("uniform")
    others = [] if noise else [draw("choice")]
    size = noise_length if noise else lengths[others[0]]
    start = 0 if size <= length else draw("randint")
    return noise, others, [Segment(0, start, place, length)], ratio


@pytest.mark.parametrize(
    ("name", "draws_of", "level"),
    [
        ("aug_multi", of_segments, UTTERANCE),
        ("aug_multi_segments", of_segments, UTTERANCE),
        ("aug_speaker", of_a_stretch, SOURCE),
    ],
)
def test_mixtures(name, draws_of, level, request):
    """Of the rows that are chosen: to the others NeMo adds the noise as it is, see `data.mixing`."""
    nemo, settings = arrays_of("rp_quantizer", request)
    config, draw = settings[name]["config"], Draws(settings[name]["draws"])
    lengths, noise_lengths = nemo["aug_len"].tolist(), nemo["aug_noise_len"].tolist()
    chosen = 0
    for row, length in enumerate(lengths):
        if draw("random") > config["prob"]:
            continue
        chosen += 1
        noise, others, segments, ratio = draws_of(draw, row, config, lengths, noise_lengths[row])
        sources = [nemo["aug_audio"][i, : lengths[i]] for i in others]
        sources = [nemo["aug_noise"][row, : noise_lengths[row]]] if noise else sources
        found = mix(nemo["aug_audio"][row, :length], sources, segments, ratio_db=ratio, level=level)
        assert int(nemo[f"{name}.noisy_len"][row]) == length
        np.testing.assert_allclose(found, nemo[f"{name}.noisy"][row, :length], atol=TOLERANCE)
    assert chosen > 1 and draw.done
