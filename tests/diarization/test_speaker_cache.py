"""Tests the speaker cache against lists of frames, one row and one frame at a time."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.diarization.compression import compress
from jaxspeech.diarization.speaker_cache import advance, beside_cache, empty_cache
from jaxspeech.diarization.stream_settings import PUBLISHED, StreamSettings, choose_settings
from jaxspeech.errors import ConfigError
from tests.diarization.nth_element import nth_element

WIDTH = 3
SMALL = StreamSettings(chunk=3, left=1, right=2, cache=16, queue=5, update=4, silence=2)
# No queue, an update that is shorter than a chunk, a cache that nothing fills at first, and no silence.
BARE = StreamSettings(chunk=4, left=0, right=0, cache=21, queue=0, update=1, silence=0, weak_share=2.5, clean_share=0.2)
LATE = StreamSettings(chunk=2, left=2, right=1, cache=12, queue=7, update=40, silence=1, latest_bonus=0.3)


def best(scores, k):
    """The keys of the k greatest scores that are not -inf; of equal ones those that NeMo takes."""
    keys, values = list(scores), list(scores.values())
    chosen = nth_element(values, k) if k < len(keys) else range(len(keys))
    return [keys[i] for i in chosen if values[i] > -math.inf]


def compressed(frames, beliefs, silence, s):
    """The frames that stay, chosen one speaker and one frame at a time."""
    speakers = len(beliefs[0])
    share = s.cache // speakers - s.silence
    candidates = {}
    for speaker in range(speakers):
        scores = dict.fromkeys(range(len(beliefs)), -math.inf)
        for time, p in enumerate(beliefs):
            if p[speaker] > 0.5:
                quiet = [math.log(max(1 - x, s.least_probability)) for x in p]
                scores[time] = math.log(p[speaker]) - quiet[speaker] + sum(quiet) + math.log(2)
        clean = [time for time, score in scores.items() if score > 0]
        for time in scores:
            if len(clean) >= int(share * s.clean_share) and time not in clean:
                scores[time] = -math.inf
            scores[time] += s.latest_bonus * (time >= s.cache)
        for part, times in ((s.strong_share, 2), (s.weak_share, 1)):
            for time in best(scores, int(share * part)):
                scores[time] += times * math.log(2)
        candidates |= {(speaker, time): score for time, score in scores.items()}
        candidates |= {(speaker, len(beliefs) + i): math.inf for i in range(s.silence)}
    times = [time for _, time in sorted(best(candidates, s.cache))]
    nothing = silence, [0.0] * speakers
    kept = [(frames[time], beliefs[time]) if time < len(frames) else nothing for time in times]
    return [*kept, *[nothing] * (s.cache - len(kept))]


class Lists:
    """The state of one row."""

    def __init__(self):
        self.cache, self.beliefs, self.queue, self.queued = [], None, [], []
        self.silent, self.silence = [], [0.0] * WIDTH

    def step(self, chunk, predictions, left, new, s):
        c, q = len(self.cache), len(self.queue)
        found = predictions[c + q + left : c + q + left + new].tolist()
        self.queue += chunk[left : left + new].tolist()
        self.queued = predictions[c : c + q].tolist() + found
        if len(self.queue) > s.queue:
            pop = min(max(s.update, len(self.queue) - s.queue), len(self.queue))
            leaving, beliefs = self.queue[:pop], self.queued[:pop]
            self.queue, self.queued = self.queue[pop:], self.queued[pop:]
            self.silent += [x for x, p in zip(leaving, beliefs, strict=True) if sum(p) < s.silence_below]
            self.silence = np.mean(self.silent, axis=0).tolist() if self.silent else self.silence
            self.cache += leaving
            if self.beliefs is not None:
                self.beliefs += beliefs
            if len(self.cache) > s.cache:
                before = predictions[:c].tolist() + beliefs if self.beliefs is None else self.beliefs
                kept = compressed(self.cache, before, self.silence, s)
                self.cache, self.beliefs = map(list, zip(*kept, strict=True))
        return found


def padded(rows, size, width):
    """Rows of lists as an array, with zeros after them."""
    out = np.zeros((len(rows), size, width), np.float32)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = np.reshape(values, (-1, width))
    return out


def random_activity(rng, count, speakers):
    """Probabilities with speech of one, of several, and silence; with frames that are alike."""
    p = rng.uniform(0, 0.15, (count, speakers))
    active = rng.random((count, speakers)) < rng.choice([0.0, 0.3, 0.7])
    active[np.arange(count), rng.integers(0, speakers, count)] |= rng.random(count) < 0.7
    return np.where(active, rng.uniform(0.4, 1.0, p.shape), p).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "speakers"), [("small", 2), ("bare", 3), pytest.param("late", 4, marks=pytest.mark.slow)]
)
def test_states_are_those_of_lists(name, speakers):
    """Property: rows whose chunks have lengths of their own, and which pause; padding holds NaN."""
    s = {"small": SMALL, "bare": BARE, "late": LATE}[name]
    rng = np.random.default_rng(speakers)
    rows, count = [Lists() for _ in range(4)], s.left + s.chunk + s.right
    state = empty_cache(4, width=WIDTH, speakers=speakers, settings=s)
    step, join = jax.jit(partial(advance, settings=s)), jax.jit(beside_cache)
    compressions = 0
    for turn in range(26):
        new = rng.integers(0, s.chunk + 1, 4) if turn % 3 == 0 else np.full(4, s.chunk)
        new[1] = s.chunk if turn > 12 else 0  # a row that begins later
        left = np.minimum(turn, s.left) * np.ones(4, int)
        after = np.where(new == s.chunk, rng.integers(0, s.right + 1, 4), 0)
        chunk = rng.standard_normal((4, count, WIDTH)).astype(np.float32)
        lengths = left + new + after
        chunk[np.arange(count) >= lengths[:, None]] = np.nan
        joined, num_joined = join(state, chunk, jnp.array(lengths))
        predictions = np.full((4, joined.shape[1], speakers), np.nan, np.float32)
        for i, row in enumerate(rows):
            seen = [*row.cache, *row.queue, *chunk[i, : lengths[i]].tolist()]
            assert num_joined[i] == len(seen)
            np.testing.assert_allclose(joined[i, : len(seen)], np.reshape(seen, (-1, WIDTH)), atol=1e-6)
            predictions[i, : len(seen)] = random_activity(rng, len(seen), speakers)
        found, state = step(state, chunk, predictions, left=jnp.array(left), new=jnp.array(new))
        expected = [
            row.step(chunk[i], predictions[i], left[i], new[i], s) if new[i] else [] for i, row in enumerate(rows)
        ]
        np.testing.assert_array_equal(found, padded(expected, s.chunk, speakers))
        np.testing.assert_array_equal(state.num_frames, [len(row.cache) for row in rows])
        np.testing.assert_array_equal(state.num_queued, [len(row.queue) for row in rows])
        np.testing.assert_array_equal(state.num_silent, [len(row.silent) for row in rows])
        np.testing.assert_allclose(state.frames, padded([row.cache for row in rows], s.cache, WIDTH), atol=1e-5)
        np.testing.assert_allclose(state.queue, padded([row.queue for row in rows], s.queue, WIDTH), atol=1e-6)
        np.testing.assert_allclose(state.queue_predictions, padded([r.queued for r in rows], s.queue, speakers))
        np.testing.assert_allclose(state.silence, [row.silence for row in rows], atol=1e-5)
        for i, row in enumerate(rows):
            assert state.compressed[i] == (row.beliefs is not None)
            if row.beliefs is not None:
                np.testing.assert_allclose(state.predictions[i], row.beliefs, atol=1e-6)
        compressions += sum(row.beliefs is not None for row in rows)
    assert compressions > 20 and sum(len(row.silent) for row in rows) > 0


def test_speakers_that_change_places_in_training_change_no_result():
    """The model hears the speakers in a different order; what it finds is put back, and the same frames are kept."""
    rng, speakers = np.random.default_rng(0), 3
    plain = drawn = empty_cache(2, width=WIDTH, speakers=speakers, settings=SMALL)
    step, left = partial(advance, settings=SMALL), jnp.array([0, 0])
    plain_step, drawn_step, join, orders = jax.jit(step), jax.jit(step), jax.jit(beside_cache), set()
    for turn in range(16):
        chunk = rng.standard_normal((2, 3, WIDTH)).astype(np.float32)

        def predicted(state, chunk=chunk):
            """Each frame has probabilities of its own, which come in the order of the state."""
            joined, count = join(state, chunk, jnp.array([3, 3]))
            out = np.zeros((2, joined.shape[1], speakers), np.float32)
            for i in range(2):
                for j, frame in enumerate(np.asarray(joined[i, : count[i]])):
                    who = np.random.default_rng(abs(int(frame[0] * 1e6)))
                    out[i, j] = random_activity(who, 1, speakers)[0][np.asarray(state.order[i])]
            return out

        new = jnp.array([3, 3])
        found, plain = plain_step(plain, chunk, predicted(plain), left=left, new=new)
        other, drawn = drawn_step(drawn, chunk, predicted(drawn), left=left, new=new, key=jax.random.key(turn))
        np.testing.assert_array_equal(found, other)
        np.testing.assert_array_equal(drawn.order.sum(1), [3, 3])
        orders |= {tuple(order) for order in drawn.order.tolist()}
        for one, two in zip(np.asarray(plain.frames), np.asarray(drawn.frames), strict=True):
            np.testing.assert_allclose(np.sort(one[:, 0]), np.sort(two[:, 0]), atol=1e-5)
        np.testing.assert_allclose(plain.silence, drawn.silence, atol=1e-6)
    assert len(orders) > 3 and np.array_equal(plain.order[0], [0, 1, 2])


def test_only_speakers_who_spoke_alone_change_places():
    s = StreamSettings(cache=8, silence=0, chunk=1)
    beliefs = np.zeros((9, 4), np.float32)
    beliefs[:4, 0] = beliefs[4:8, 1] = beliefs[8, 3] = 0.9  # speaker 2 has said nothing: 3 keeps its place too
    draw = jax.jit(partial(compress, settings=s))
    orders = {
        tuple(
            draw(
                jnp.zeros((9, 2)), jnp.array(beliefs), jnp.array(9), jnp.zeros(2), key=jax.random.key(i)
            ).order.tolist()
        )
        for i in range(12)
    }
    assert orders == {(0, 1, 2, 3), (1, 0, 2, 3)}


def test_settings_are_checked():
    own = StreamSettings()
    for latency, sizes in PUBLISHED.items():
        chosen = choose_settings(own, latency, {"left": 2})
        assert (chosen.chunk + chosen.right) * 0.08 == pytest.approx(latency, abs=0.05) and chosen.left == 2
        assert chosen == choose_settings(own, f"{latency}s", {"left": 2}) and sizes.items() <= vars(chosen).items()
    assert choose_settings(own) == own
    with pytest.raises(ConfigError, match=r"latency is 2; published are 30\.4, 10, 1\.04, 0\.32 s"):
        choose_settings(own, 2)
    with pytest.raises(ConfigError, match='did you mean "chunk"'):
        choose_settings(own, options={"chunks": 2})
    with pytest.raises(ConfigError, match="chunk is 0; it must be a number of frames, at least 1"):
        StreamSettings(chunk=0)
    with pytest.raises(ConfigError, match="4 speakers need at least 16 frames"):
        StreamSettings(cache=15).check(4)
