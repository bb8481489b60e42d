"""The job of speaker models: speeds as further speakers, and manifests of which nothing can be learned."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.builder import build
from jaxspeech.configs.base import base_config, with_classes
from jaxspeech.errors import ManifestError
from jaxspeech.jobs.job import Placement
from jaxspeech.jobs.speaker import SPEAKER
from tests.pipelines.speaker_model import MODEL, RATE
from tests.pipelines.tiny_recognizer import chirps

NAMES = ("ann", "bob", "ann", "bob")


def settings_of(folder, **speakers):
    """A recipe that trains and evaluates on four recordings of a second, with these speakers."""
    for part, names in speakers.items():
        lines = [{"audio_filepath": f"{i}.wav", "duration": 1.0, "speaker": name} for i, name in enumerate(names)]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for i in range(4):
        soundfile.write(folder / f"{i}.wav", chirps(i, 1.0), RATE)
    config = with_classes(base_config(), field="speaker")
    config.speakers = {"of_speeds": True}
    config.data.train, config.data.eval = f"{folder}/train.jsonl", {"dev": f"{folder}/dev.jsonl"}
    config.data.batch_size, config.data.buckets, config.data.num_threads = 4, 1, 1
    config.augment.speed = (0.8, 1.0, 1.25)
    return config.to_dict()


def data_of(settings):
    said = []
    manifest = SPEAKER.source(settings, said.append)
    assets = SPEAKER.assets(settings, manifest, {})
    task = build(SPEAKER.sized(MODEL, assets))
    return assets["classes"], task, SPEAKER.data(settings, manifest, assets, task, Placement(), said.append)


def test_a_recording_at_another_speed_is_of_another_speaker(tmp_path):
    classes, task, data = data_of(settings_of(tmp_path, train=NAMES, dev=NAMES))
    others = [f"{name} (speed {speed})" for speed in (0.8, 1.25) for name in ("ann", "bob")]
    assert classes.names == ("ann", "bob", *others) and task.model.decoder.num_classes == 6
    seen, batches = set(), data.train.batches()
    for _ in range(8):
        batch = next(batches)
        for label, count, index in zip(batch.label, batch.num_samples, batch.index, strict=True):
            name, _, speed = classes.names[label].partition(" (speed ")
            assert count == pytest.approx(RATE / float(speed.rstrip(")") or 1), abs=2)
            assert index < 0 or name in ("ann", "bob")
            seen.add(int(label))
    assert seen == set(range(6))
    [batch] = list(data.eval["dev"].batches())
    real = batch.index >= 0
    assert [classes.names[label] for label in batch.label[real]] == [NAMES[i] for i in batch.index[real]]
    np.testing.assert_array_equal(batch.num_samples[real], RATE)


def test_without_speeds_as_speakers_there_are_those_of_the_manifest(tmp_path):
    settings = settings_of(tmp_path, train=NAMES, dev=NAMES) | {"speakers": {"of_speeds": False}}
    assert data_of(settings)[0].names == ("ann", "bob")


def test_one_speaker_is_refused_in_one_line(tmp_path):
    with pytest.raises(ManifestError, match=r"all examples are of one class, 'ann'; to tell classes apart takes two$"):
        data_of(settings_of(tmp_path, train=["ann"] * 4, dev=NAMES))
    with pytest.raises(ManifestError, match=r"names fewer than two speakers; there is nothing to verify$"):
        data_of(settings_of(tmp_path, train=NAMES, dev=["ann"] * 4))
