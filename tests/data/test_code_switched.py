"""Utterances joined to code-switched ones: which, how long, what is heard and said, and how often."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.code_switched import code_switched_manifest, normalised, parse_code_switching
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.recognition import RECOGNITION
from jaxspeech.text.train_languages import train_aggregate
from tests.contract.cases import recipe

RATE = 16000
WORDS = {"en": ("one two", "three"), "eo": ("unu", "du tri"), "de": ("eins", "zwei drei")}
SETTINGS = {"min_seconds": 1.0, "max_seconds": 2.0, "min_monolingual": 0.25, "pause_seconds": (0.1, 0.05, 0.2)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve utterances of 0.25 to 0.8 s, each of a constant value of its own."""
    folder, lines = tmp_path_factory.mktemp("languages"), []
    for i in range(12):
        language = list(WORDS)[i % 3]
        samples = np.full(4000 + 800 * i, 0.05 * (i + 1), np.float32)
        soundfile.write(folder / f"{i}.wav", samples, RATE)
        text = WORDS[language][i // 3 % 2]
        lines.append({"audio_filepath": f"{i}.wav", "duration": len(samples) / RATE, "text": text, "lang": language})
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "train.jsonl"


def joined(corpus, seed=3, **settings):
    return code_switched_manifest({**SETTINGS, **settings}, Manifest(corpus), seed=seed)


def test_lengths_and_languages_and_shares(corpus):
    manifest = joined(corpus, variety=8)
    several = [i for i, one in enumerate(manifest.members) if len(one) > 1]
    assert len(manifest) == 12 + 72 and several == list(range(12, 84))
    assert all(1.0 <= manifest.durations[i] <= 2.0 for i in several)
    for i in several:
        own = [manifest.original[j] for j in manifest.members[i].tolist()]
        spoken = [entry.fields["lang"] for entry in own]
        assert len({*spoken}) >= 2
        if len(own) <= 3:  # no language again before all were heard
            assert len({*spoken}) == len(own)
        fields = manifest[i].fields
        assert fields["text"] == " ".join(entry.fields["text"] for entry in own)
        assert fields["lang"] == [e.fields["lang"] for e in own for _ in e.fields["text"].split()]
        pauses = 0.1 + 0.05 * (len(own) - 1) + 0.2
        assert manifest.durations[i] == pytest.approx(sum(entry.duration for entry in own) + pauses)
    # A quarter of what an epoch shows are the utterances themselves; each joined one is shown in one of 8 epochs.
    np.testing.assert_allclose(manifest.weights[:12], 0.25)
    np.testing.assert_allclose(manifest.weights[12:], 9 / 72)
    # Every utterance is used before any recurs in its language.
    used = np.concatenate([manifest.members[i] for i in several])
    assert set(used.tolist()) == set(range(12))


def test_the_seed_alone_decides(corpus):
    first, again, other = joined(corpus), joined(corpus), joined(corpus, seed=4)
    same = [np.array_equal(a, b) for a, b in zip(first.members, again.members, strict=True)]
    assert all(same) and first.content == again.content
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first.members, other.members, strict=True))
    assert joined(corpus, db_norm=-20).content != first.content


def test_probabilities_leave_languages_out(corpus):
    manifest = joined(corpus, probs={"en": 0.5, "eo": 0.5}, variety=8, min_monolingual=0)
    assert len(manifest) == 96
    assert {language for entry in manifest for language in entry.fields["lang"]} == {"en", "eo"}
    often = joined(corpus, probs={"en": 0.8, "eo": 0.1, "de": 0.1}, pure_random=True, variety=8, min_monolingual=0)
    counts = [entry.fields["lang"].count("en") for entry in often]
    assert sum(counts) > sum(entry.fields["lang"].count("en") for entry in joined(corpus, variety=8, min_monolingual=0))


def test_samples_and_labels(corpus):
    manifest = joined(corpus)
    column = audio(manifest, sample_rate=RATE, joined=manifest)
    level = 10 ** (-25 / 20)
    np.testing.assert_allclose(column.row(2, STILL), level, rtol=1e-3)
    i = next(i for i, one in enumerate(manifest.members) if len(one) > 1)
    samples = column.row(i, STILL)
    assert len(samples) == round(manifest.durations[i] * RATE) == column.lengths[i]
    sizes = [round(manifest.original.durations[j] * RATE) for j in manifest.members[i]]
    expected, gaps = [np.zeros(1600)], [800] * (len(sizes) - 1) + [3200]
    for size, gap in zip(sizes, gaps, strict=True):
        expected += [np.full(size, level), np.zeros(gap)]
    np.testing.assert_allclose(samples, np.concatenate(expected), rtol=1e-3)
    loud = joined(corpus, db_norm=None)
    assert audio(loud, sample_rate=RATE, joined=loud).row(0, STILL)[0] == pytest.approx(0.05, abs=1e-4)
    assert normalised(np.full(9, 1e-4, np.float32), -20.0)[0] == pytest.approx(1e-4 * 0.1 / 0.01)
    assert not len(normalised(np.zeros(0, np.float32), -20.0))

    spoken = [(line.fields["text"], line.fields["lang"]) for line in manifest]
    tokenizer = train_aggregate(spoken, ["en", "eo", "de"], type="bpe", vocab_size=12)
    labels = transcripts(manifest, tokenizer)
    assert labels.usable.all() and len(labels.row(i, STILL)) == labels.lengths[i]
    languages = {tokenizer.language_of(token) for token in labels.row(i, STILL).tolist()}
    assert languages == {*manifest[i].fields["lang"]}
    taken = manifest.take(np.array([i, 1]))
    assert [one.tolist() for one in taken.members] == [manifest.members[i].tolist(), [1]]
    assert taken[0].fields == manifest[i].fields


def test_a_recipe_joins_what_it_trains_on(corpus, tmp_path):
    settings = recipe("ctc", tmp_path).to_dict()
    settings["data"] |= {"train": str(corpus), "min_seconds": 0.0}
    settings["code_switched"] = SETTINGS
    said = []
    source = RECOGNITION.source(settings, said.append)
    assert said == ["code-switched: 36 joined utterances"] and len(source) == 48
    settings["tokenizer"] = {
        "type": "bpe",
        "vocab_size": 12,
        "path": "",
        "characters": "",
        "languages": ("en", "eo", "de"),
    }
    assets = RECOGNITION.assets(settings, source, {})
    assert assets["tokenizer"].languages == ("en", "eo", "de")


@pytest.mark.parametrize(
    ("settings", "error", "reason"),
    [
        ({"prob": 1}, ConfigError, r'code_switched\.prob .*did you mean "probs"'),
        ({"min_monolingual": 1.0}, ConfigError, r"min_monolingual cannot be 1\.0"),
        ({"max_seconds": 0.5}, ConfigError, "max_seconds cannot be"),
        ({"pause_seconds": (0, 1)}, ConfigError, "pause_seconds cannot be"),
        ({"probs": {"fr": 1.0}}, ConfigError, "no utterance has the language fr"),
        ({"probs": {"en": 1.0}}, ManifestError, "needs lines in two languages .*: en$"),
        (
            {"min_seconds": 0.1, "max_seconds": 0.7, "pause_seconds": (0.3, 0.3, 0.0)},
            ManifestError,
            "too short to join",
        ),
    ],
)
def test_what_cannot_be_joined_is_one_line(corpus, settings, error, reason):
    with pytest.raises(error, match=reason):
        joined(corpus, **settings)
    assert parse_code_switching({}).db_norm == -25.0
