"""Links tracks whose speakers are known."""

import numpy as np
import pytest

from jaxspeech.diarization.linking import PART, agglomerate, link_tracks
from jaxspeech.diarization.speaker_numbers import Numbers
from tests.diarization.voices import same_clusters, share_of_same

# Four tracks: their windows, speakers and seconds.
TWO_WINDOWS = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.full(4, 5.0)


def meeting(speakers, windows, *, seed=0, noise=0.25, width=32, each=3):
    """Tracks of `each` random speakers in each window: embeddings, windows, speakers of windows, seconds, the truth."""
    rng = np.random.default_rng(seed)
    voices = rng.normal(size=(speakers, width)) / np.sqrt(width)
    truth = np.concatenate([rng.permutation(speakers)[:each] for _ in range(windows)])
    vectors = voices[truth] + noise * rng.normal(size=(len(truth), width)) / np.sqrt(width)
    return (
        vectors,
        np.repeat(np.arange(windows), each),
        np.tile(np.arange(each), windows),
        np.full(len(truth), 5.0),
        truth,
    )


@pytest.mark.parametrize("speakers", [3, 9])
def test_speakers_are_counted_and_found(speakers):
    *given, truth = meeting(speakers, 20)
    assert same_clusters(link_tracks(*given, threshold=0.5), truth)


def test_tracks_of_one_window_are_apart():
    voice = np.array([[1.0, 0.0]])
    vectors = np.repeat(voice, 4, axis=0) + np.array([[0, 0], [0, 0.3], [0, 0.02], [0, 0.28]])
    labels = link_tracks(vectors, *TWO_WINDOWS, threshold=0.5)
    assert labels[0] != labels[1] and labels[0] == labels[2] and labels[1] == labels[3]
    # The same tracks in windows of their own are all of one speaker.
    assert len(set(link_tracks(vectors, np.arange(4), np.zeros(4, int), np.full(4, 5.0), threshold=0.5))) == 1


@pytest.mark.parametrize("wanted", [1, 2, 3, 5, 12])
def test_numbers_are_obeyed(wanted):
    *given, _ = meeting(4, 4)
    for numbers in (Numbers(wanted, wanted), Numbers(1, wanted), Numbers(wanted, 1 << 30)):
        found = len(set(link_tracks(*given, threshold=0.5, numbers=numbers).tolist()))
        assert numbers.least <= found <= numbers.most


def test_short_tracks_join_others():
    vectors, windows, groups, seconds, truth = meeting(3, 12, noise=0.2)
    vectors, seconds = vectors.copy(), seconds.copy()
    vectors[5] = vectors[5] + 2 * np.random.default_rng(1).normal(size=vectors.shape[1]) / np.sqrt(vectors.shape[1])
    seconds[5] = 0.3  # says nothing about a voice
    labels = link_tracks(vectors, windows, groups, seconds, threshold=0.5)
    assert same_clusters(labels, truth)  # by its window, in which the two others are taken


def test_links_decide_where_voices_do_not():
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.8, 0.6]])
    given = vectors, *TWO_WINDOWS
    one = link_tracks(*given, threshold=0.5, links=[(0, 2, 1.0), (1, 3, 1.0)])
    other = link_tracks(*given, threshold=0.5, links=[(0, 3, 1.0), (1, 2, 1.0)])
    assert one[0] == one[2] and one[1] == one[3] and one[0] != one[1]
    assert other[0] == other[3] and other[1] == other[2] and other[0] != other[1]


def test_agglomeration_is_that_of_means():
    """Against a loop that computes the mean similarity of all pairs of clusters each time."""
    rng = np.random.default_rng(3)
    units = rng.normal(size=(30, 5))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    weights = rng.uniform(1, 5, 30)
    apart = rng.random((30, 30)) < 0.1
    apart |= apart.T
    np.fill_diagonal(apart, False)
    clusters = [[i] for i in range(30)]
    while True:
        best = None
        for a in range(len(clusters)):
            for b in range(a):
                one, two = clusters[a], clusters[b]
                w = weights[one][:, None] * weights[two][None]
                value = (w * (units[one] @ units[two].T)).sum() / w.sum() - 4 * apart[np.ix_(one, two)].any()
                if best is None or value > best[0]:
                    best = (value, a, b)
        if best[0] < 0.2:
            break
        clusters[best[2]] += clusters.pop(best[1])
    expected = np.zeros(30, int)
    for number, members in enumerate(clusters):
        expected[members] = number
    found = agglomerate((units @ units.T).astype(np.float32), apart.copy(), weights, threshold=0.2, numbers=Numbers())
    assert same_clusters(found, expected) and 1 < len(clusters) < 30


def test_many_tracks_are_linked_in_parts(monkeypatch):
    monkeypatch.setattr("jaxspeech.diarization.linking.PART", 100)
    assert PART > 1000
    *given, truth = meeting(6, 120)
    labels = link_tracks(*given, threshold=0.5)
    assert len(set(labels.tolist())) == 6 and share_of_same(labels, truth) == 1.0
    found = link_tracks(*given, threshold=0.5, numbers=Numbers(4, 4))
    assert len(set(found.tolist())) == 4
