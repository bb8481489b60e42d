"""Clusters conversations whose speakers are known; numbers of speakers are obeyed, and all ways of computing agree."""

import numpy as np
import pytest

from jaxspeech.diarization import clustering, spectral
from jaxspeech.diarization.affinity import Scale, affinity_of, nearest_windows
from jaxspeech.diarization.clustering import ClusterOptions, cluster
from jaxspeech.diarization.kmeans import kmeans
from jaxspeech.diarization.neighbours import candidates, graph, laplacian, search
from jaxspeech.errors import ConfigError
from tests.diarization.voices import conversation, same_clusters, share_of_same


@pytest.mark.parametrize("speakers", [1, 2, 3, 5])
def test_speakers_are_found_and_counted(speakers):
    scales, truth = conversation(60, speakers=speakers, seed=speakers)
    found = cluster(scales)
    assert found.speakers == speakers and share_of_same(found.labels, truth) > 0.98
    # They are numbered in the order in which they speak.
    firsts = [found.labels.tolist().index(label) for label in range(speakers)]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("seconds", [0.8, 1.3, 4.0, 25.0])
def test_numbers_of_speakers_are_obeyed(seconds):
    scales, _ = conversation(seconds, speakers=3, noise=1.0)
    windows = len(scales[-1].embeddings)
    for wanted in (1, 2, 4, 9):
        for options in ({"num_speakers": wanted}, {"min_speakers": wanted, "max_speakers": wanted}):
            found = cluster(scales, ClusterOptions(**options))
            assert found.speakers == min(wanted, windows) == len(set(found.labels.tolist()))
    assert cluster(scales, ClusterOptions(min_speakers=4, max_speakers=6)).speakers in (min(4, windows), 4, 5, 6)
    assert cluster(scales, ClusterOptions(max_speakers=2)).speakers <= 2


def test_numbers_are_obeyed_for_equal_embeddings_and_in_parts():
    scales, _ = conversation(40, speakers=1)
    equal = [Scale(np.ones_like(scale.embeddings), scale.times) for scale in scales]
    silent = [Scale(np.zeros_like(scale.embeddings), scale.times) for scale in scales]
    for case in (equal, silent):
        for options in ({}, {"part": 60, "part_clusters": 10}):
            assert len(set(cluster(case, ClusterOptions(num_speakers=5, **options)).labels.tolist())) == 5
            assert len(cluster(case, ClusterOptions(**options)).labels) == len(scales[-1].times)


def test_no_window_and_one():
    empty = [Scale(np.zeros((0, 8), np.float32), np.zeros((0, 2)))]
    assert cluster(empty).speakers == 0 and cluster(empty).labels.shape == (0,)
    one = [Scale(np.ones((1, 8), np.float32), np.array([[0.0, 0.5]]))]
    assert cluster(one, ClusterOptions(num_speakers=3)).labels.tolist() == [0]


def test_parts_of_a_long_recording_agree_with_the_whole():
    scales, truth = conversation(70, speakers=4)
    found = cluster(scales, ClusterOptions(part=100, part_clusters=12))
    assert found.speakers == 4 and share_of_same(found.labels, truth) > 0.98


def test_graphs_of_bytes_and_iterated_vectors_agree_with_the_direct_ones(monkeypatch):
    scales, truth = conversation(100, speakers=3, noise=0.8)
    affinity = affinity_of(scales)
    exact = graph(np.argsort(-affinity.matrix(), axis=1), 60)
    np.fill_diagonal(exact, 0)
    monkeypatch.setattr(spectral, "BLOCK", 70)
    np.testing.assert_array_equal(spectral.neighbour_counts(affinity, 60), 2 * exact)
    direct = spectral.embeddings_of_graph(affinity, 60, 3)
    monkeypatch.setattr(spectral, "MOST_DIRECT", 10)
    iterated = spectral.embeddings_of_graph(affinity, 60, 3)
    cosines = np.linalg.svd(direct.T @ np.linalg.qr(iterated)[0], compute_uv=False)
    assert cosines.min() > 0.999
    assert share_of_same(cluster(scales).labels, truth) > 0.98


def test_affinity_is_the_weighted_sum_over_scales():
    scales, _ = conversation(12, speakers=2)
    weights = [0.5, 2.0, 1.0]
    expected = 0.0
    for (vectors, times), weight in zip(scales, weights, strict=True):
        rounded = vectors.astype(np.float16).astype(np.float64)
        unit = rounded / (np.linalg.norm(rounded, axis=1, keepdims=True) + 3.5e-4)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, 1)
        near = [np.argmin(np.abs(times.mean(1) - middle)) for middle in scales[-1].times.mean(1)]
        assert nearest_windows(times, scales[-1].times).tolist() == near
        scaled = (cosines - cosines.min()) / (cosines.max() - cosines.min())
        expected = expected + weight * scaled[np.ix_(near, near)]
    affinity = affinity_of(scales, weights=weights)
    np.testing.assert_allclose(affinity.matrix(), expected, atol=1e-5)
    np.testing.assert_allclose(affinity.rows(7, 19), expected[7:19], atol=1e-5)
    np.testing.assert_allclose(affinity.take(np.s_[::3]).matrix(), expected[::3, ::3], atol=1e-5)


def test_search_of_neighbours_as_its_equations_say():
    scales, _ = conversation(20, speakers=2, noise=0.7)
    matrix = affinity_of(scales).matrix()
    tried = candidates(len(matrix), share=0.25, most=30)
    found = search(matrix, tried, most=4)
    for p, ratio, count in zip(tried[1:4], found.ratios[1:4], found.counts[1:4], strict=True):
        edges = np.zeros_like(matrix)
        for j, row in enumerate(matrix):
            edges[np.argsort(-row)[:p], j] = 1
        edges = (edges + edges.T) / 2
        np.fill_diagonal(edges, 0)
        values = np.linalg.eigvalsh(np.diag(edges.sum(1)) - edges)
        gaps = np.diff(values)[:4]
        if gaps.max() > 1e-3:
            assert count == np.argmax(gaps) + 1
            assert ratio == pytest.approx(p / len(matrix) / (gaps.max() / values[-1]), rel=1e-3)
    assert found.chosen in tried and 1 <= found.speakers <= 4
    assert search(matrix, tried, least=3, most=4).speakers >= 3
    np.testing.assert_allclose(laplacian(edges).sum(1), 0, atol=1e-5)


def test_every_cluster_has_a_point():
    points = np.array([[0.0]] * 30 + [[1.0]])
    for clusters in (1, 2, 5, 31):
        assert set(kmeans(points, clusters).tolist()) == set(range(clusters))
    spread = np.repeat(np.eye(3), 10, axis=0) + np.random.default_rng(0).standard_normal((30, 3)) / 50
    assert same_clusters(kmeans(spread, 3), np.repeat(np.arange(3), 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_speakers": 0}, "num_speakers is 0; it must be a whole number of 1 or more"),
        ({"max_speakers": -1}, "max_speakers is -1; it must be a whole number"),
        ({"min_speakers": 3, "max_speakers": 2}, "min_speakers is 3, which is more than max_speakers, 2"),
        ({"neighbours": 0.0}, "neighbours is 0.0; it must be a share"),
        ({"part": 20, "part_clusters": 20}, "part is 20; it must be more than part_clusters"),
    ],
)
def test_a_mistake_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        ClusterOptions(**options)


def test_scales_that_do_not_fit_are_refused():
    scales, _ = conversation(5, speakers=2)
    with pytest.raises(ConfigError, match="3 scales need as many weights of 0 or more"):
        cluster(scales, ClusterOptions(weights=[1.0]))
    with pytest.raises(ConfigError, match="a scale has 17 embeddings for 18 windows"):
        cluster([*scales[:2], Scale(scales[2].embeddings[:-1], scales[2].times)])
    assert clustering.SEARCHED == 512  # NeMo's, with which neighbours and counts are equal
