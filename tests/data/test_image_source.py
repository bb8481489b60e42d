"""The image method against the sum over images itself, and the decay of the rooms that are drawn."""

import itertools

import numpy as np
import pytest

from jaxspeech.data.image_source import LEAD, LOWEST_HZ, SOUND_SPEED, reflections, room_response
from jaxspeech.data.rng import generator
from jaxspeech.data.room_options import RoomOptions
from jaxspeech.data.rooms import SimulatedRooms

RATE, SECONDS = 8000, 0.03
SIDES, SOURCE = np.array([3.0, 4.1, 2.5]), np.array([1.1, 2.9, 1.6])
MICROPHONES = np.array([[2.0, 1.2, 1.1], [2.06, 1.25, 1.1]])
WALLS = np.array([[0.9, 0.7], [0.8, 0.85], [0.6, 0.75]])


def fade(seconds):
    """Ends a response smoothly, as no image beyond SECONDS is computed; `seconds` are from the direct sound."""
    return np.cos(np.pi / 2 * np.clip((seconds - SECONDS / 2) / (0.45 * SECONDS), 0, 1)) ** 2


def transfer(microphone, near, hz):
    """The transfer function of the box by its definition, one image at a time."""
    total = np.zeros(len(hz), complex)
    for n in itertools.product(range(-4, 5), repeat=3):
        for q in itertools.product((0, 1), repeat=3):
            place = [(1 - 2 * p) * s + 2 * k * side for k, p, s, side in zip(n, q, SOURCE, SIDES, strict=True)]
            distance = np.linalg.norm(np.array(place) - microphone)
            delay = (distance - near) / SOUND_SPEED
            if delay < SECONDS:
                gain = fade(delay) * np.prod(
                    [w[0] ** abs(k - p) * w[1] ** abs(k) for k, p, w in zip(n, q, WALLS, strict=True)]
                )
                total += gain / distance * np.exp(-2j * np.pi * hz * (delay + LEAD))
    return total


def test_responses_are_the_sum_over_images():
    full, direct = room_response(SIDES, SOURCE, MICROPHONES, WALLS, seconds=SECONDS, sample_rate=RATE)
    near = np.linalg.norm(MICROPHONES - SOURCE, axis=1).min()
    assert full.shape == direct.shape == (2, round((LEAD + SECONDS) * RATE)) and full.dtype == np.float32
    hz = np.arange(400.0, 3400.0, 37.0)
    times = np.arange(full.shape[1]) / RATE
    high_pass = 1j * hz / LOWEST_HZ / (1 + 1j * hz / LOWEST_HZ)
    for microphone, response in zip(MICROPHONES, full, strict=True):
        found = np.exp(-2j * np.pi * hz[:, None] * times) @ (response * fade(times - LEAD))
        wanted = high_pass * transfer(microphone, near, hz)
        error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert error < 0.02, error  # the fade also changes each impulse, which is some samples long
    for response, microphone in zip(direct, MICROPHONES, strict=True):
        distance = np.linalg.norm(microphone - SOURCE)
        peak = (LEAD + (distance - near) / SOUND_SPEED) * RATE
        assert abs(np.abs(response).argmax() - peak) <= 0.5
        loud = np.abs(np.exp(-2j * np.pi * 1000 * times) @ response)
        assert loud == pytest.approx(1 / distance, rel=0.01)


def test_jitter_moves_echoes_but_not_the_direct_sound():
    options = {"seconds": SECONDS, "sample_rate": RATE}
    still, direct = room_response(SIDES, SOURCE, MICROPHONES, WALLS, **options)
    moved, same = room_response(SIDES, SOURCE, MICROPHONES, WALLS, jitter=0.1, rng=np.random.default_rng(0), **options)
    np.testing.assert_array_equal(direct, same)
    assert np.abs(still - moved).max() > 0.05
    first = slice(0, round((LEAD + 0.001) * RATE))
    np.testing.assert_allclose(still[:, first], moved[:, first], atol=0.05)


def test_rooms_decay_as_drawn():
    options = RoomOptions(rt60=(0.3, 0.3), distance=(1.5, 3.0))
    rooms, found = SimulatedRooms(options, channels=1, sample_rate=RATE), []
    for number in range(4):
        energy = np.cumsum(rooms.simulate(number, 0).full[0][::-1] ** 2)[::-1]
        decay = 10 * np.log10(energy / energy[0] + 1e-12)
        found.append(3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / RATE)
    assert np.median(found) == pytest.approx(0.3, rel=0.2)
    assert reflections(np.array([5.0, 5.0, 3.0]), 0.9) > reflections(np.array([5.0, 5.0, 3.0]), 0.3)


def test_a_room_does_not_depend_on_what_was_drawn_before():
    one, two = (
        SimulatedRooms(RoomOptions(rooms=3, rt60=(0.15, 0.2)), channels=2, sample_rate=RATE, seed=4) for _ in range(2)
    )
    two(generator(0, 0, 1), 2)
    for first, second in zip(one(generator(0, 0, 2), 2), two(generator(0, 0, 2), 2), strict=True):
        np.testing.assert_array_equal(first.full, second.full)
        assert first.full.shape[0] == 2 and np.abs(first.direct[0]).argmax() == first.start
