"""Conversations that are simulated as they are loaded: new ones in each epoch, with the activity of what is heard."""

import numpy as np
import pytest

from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.columns.conversation import conversation_columns
from jaxspeech.data.conversation_manifest import conversation_manifest
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.sortformer import SORTFORMER
from tests.data.talkers import PITCHES, RATE, heard, make_corpus

SETTINGS = {"sessions": 6, "speakers": [3, 3], "seconds": [8, 12], "turns": [0.6, 2], "gain_db": [0, 0], "overlap": 0.2}
FRAME = 0.08


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def columns(corpus, **options):
    manifest = conversation_manifest(SETTINGS, Manifest(corpus), sample_rate=RATE)
    return conversation_columns(manifest, most_speakers=3, frame_seconds=FRAME, **options)


@pytest.mark.parametrize("change", [{}, {"speed": 1.1}, {"before": 0.5, "after": 0.25}, {"before": -1.0}])
def test_activity_is_of_what_is_heard(corpus, change):
    made = columns(corpus)
    for example in range(2):
        variant = Variant(**change, epoch=3)
        samples, activity = (made[name].row(example, variant) for name in ("samples", "activity"))
        tones = [heard(samples, pitch * variant.speed) for pitch in PITCHES.values()]
        by_frame = np.stack([np.pad(t, (0, -len(t) % 8)).reshape(-1, 8).mean(1) >= 0.5 for t in tones], 1)
        size = min(len(by_frame), len(activity))
        # The columns are in the order of arrival.
        order = np.argsort([np.argmax(by_frame[:, c]) for c in range(3)])
        assert abs(len(by_frame) - len(activity)) <= 1
        assert np.mean(by_frame[:size, order] != activity[:size]) < 0.08


def test_each_epoch_has_its_own_conversations(corpus):
    one, two = columns(corpus), columns(corpus, augment=AugmentConfig())
    rows = [made["samples"].row(1, Variant(epoch=epoch)) for made in (one, two) for epoch in (0, 1)]
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows[1], rows[3])
    assert len(rows[0]) != len(rows[1]) or not np.allclose(rows[0], rows[1])
    assert not np.array_equal(one["activity"].row(1, Variant(epoch=0)), one["activity"].row(1, Variant(epoch=1)))


def test_the_manifest_stands_for_its_settings(corpus):
    first, again, other = (
        conversation_manifest(SETTINGS | {"overlap": overlap}, Manifest(corpus), sample_rate=RATE)
        for overlap in (0.2, 0.2, 0.3)
    )
    assert len(first) == 6 and first.durations.min() >= 8 and first.durations.max() <= 12
    assert first.content == again.content != other.content
    with pytest.raises(ManifestError, match="has 3 speakers, fewer than the 4 of a conversation"):
        conversation_manifest(SETTINGS | {"speakers": [2, 4]}, Manifest(corpus), sample_rate=RATE)
    with pytest.raises(ManifestError, match="all of its 3 speakers are left out"):
        conversation_manifest(SETTINGS | {"leave_out": str(corpus)}, Manifest(corpus), sample_rate=RATE)
    with pytest.raises(ConfigError, match="sessions is 0"):
        conversation_manifest(SETTINGS | {"sessions": 0}, Manifest(corpus), sample_rate=RATE)


def test_the_job_reads_a_corpus_as_conversations(corpus):
    data = {"train": str(corpus), "min_seconds": 0.1, "max_seconds": 20, "temperature": 1, "seed": 0}
    settings = {"data": data, "conversations": SETTINGS, "model": {"features": {"sample_rate": RATE}}}
    assert len(SORTFORMER.source(settings, print)) == 6
