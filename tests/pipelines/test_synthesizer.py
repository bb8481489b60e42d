"""Voices: sound and times, batches, live speech, hard texts, options, files."""

import json

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.audio.spectral_subtraction import subtract_spectrum
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError, SpeechError
from jaxspeech.inference import speak_programs
from jaxspeech.nn import winograd
from jaxspeech.pipelines.synthesizer import Synthesizer
from jaxspeech.surgery.voice import join_voice, split_voice
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters
from jaxspeech.text.symbols import SymbolTokenizer
from tests.pipelines.toy_voice import (
    HOP,
    RATE,
    SPEECH,
    SYMBOLS,
    VOCODER,
    archives,
    expected,
    toy_voice,
    toys_in_the_table,
)

TEXT = "Good morning, this is a test. It has two sentences."


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys_in_the_table():
        yield


@pytest.fixture(scope="module")
def voice():
    return Synthesizer(toy_voice())


def sound_of(voice, text, **options):
    return voice.speak(text, **options)[0].samples


def test_sound_and_times_are_those_of_the_models(voice):
    [spoken] = voice.speak(TEXT, pause=0.5)
    first, second = [voice.front_end.spell(sentence) for sentence in voice.front_end.sentences(TEXT)]
    durations, samples = expected(voice.archive.variables, first.ids)
    later, more = expected(voice.archive.variables, second.ids)
    silence = np.zeros(RATE // 2)
    np.testing.assert_allclose(spoken.samples, np.concatenate([samples, silence, more]), atol=1e-5)
    assert spoken.duration == len(spoken.samples) / RATE and spoken.sample_rate == RATE
    assert [word.text for word in spoken.words] == TEXT.lower().split()
    frames = np.cumsum([0, *durations])
    word, begin, end = first.words[1]
    assert spoken.words[1][:3] == (word, frames[begin] * HOP / RATE, frames[end] * HOP / RATE)
    word, begin, end = second.words[0]
    start = len(samples) / RATE + 0.5
    assert spoken.words[6].start == pytest.approx(start + later[:begin].sum() * HOP / RATE)
    assert [segment.text for segment in spoken.segments] == voice.front_end.sentences(TEXT)
    assert spoken.segments[1].end == pytest.approx(spoken.duration)
    assert [symbol.text for symbol in spoken.symbols[:4]] == list("good")
    assert spoken.symbols[-1].end == pytest.approx(spoken.duration)


def test_a_text_is_spoken_as_if_alone(voice):
    texts = ["A short one.", TEXT, "Why?", "x", "some words that take longer, and still more of them"]
    together = voice.speak(texts, batch_size=3)
    assert [spoken.source for spoken in together] == [f"text {i}" for i in range(5)]
    for text, spoken in zip(texts, together, strict=True):
        np.testing.assert_allclose(spoken.samples, sound_of(voice, text), atol=1e-5)


def test_sentences_come_one_by_one(voice):
    texts = iter([TEXT, "The end."])
    found = voice.speak_iter(texts, pause=0.0)
    first = next(found)
    assert first.text == "Good morning, this is a test." and next(texts, None) == "The end."
    rest = list(found)
    whole = np.concatenate([part.samples for part in (first, *rest)])
    np.testing.assert_allclose(whole, sound_of(voice, TEXT, pause=0.0), atol=1e-5)


@pytest.mark.parametrize("parts", [True, False])
def test_live_speech_is_the_same_sound(voice, parts):
    if not parts:
        voice = Synthesizer(toy_voice(VOCODER | {"parts": False}))
    text = "This sentence is much longer than one part of it is. " + TEXT
    blocks = list(voice.stream(text))
    np.testing.assert_allclose(np.concatenate(blocks), sound_of(voice, text), atol=1e-5)
    assert (max(map(len, blocks)) <= 32 * HOP) == parts
    # The first sentence is cut at its first comma.
    cut = ["Good morning,", "then, this is it."]
    expected_sound = np.concatenate([sound_of(voice, part) for part in cut])
    np.testing.assert_allclose(np.concatenate(list(voice.stream(" ".join(cut)))), expected_sound, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text 0: the text is empty"),
        (" \n", "text 0: the text is empty"),
        ("😀😀", "text 0: there is nothing in it that this voice can say: it has no symbol for '😀'"),
        ("Привет!", "nothing in it that this voice can say"),
        ("...", "nothing in it that this voice can say"),
        ("a\ud83d", "text 0: the text holds half of a character"),
        ({"text": 5}, "text 0: the text is 5, not a string"),
        ({}, "text 0: no text"),
        (5, "cannot speak int"),
    ],
)
def test_what_cannot_be_said_is_one_line(voice, text, message):
    with pytest.raises(SpeechError) as raised:
        voice.speak(text)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    [good, bad] = voice.speak(["fine", text], on_error="skip")
    assert good.error is None and message.removeprefix("text 0") in str(bad.error) and not len(bad.samples)
    with pytest.raises(SpeechError):
        list(voice.stream(text))


def test_what_is_left_out_is_reported(voice):
    [spoken] = voice.speak("Hello ☃ there 😀.")
    assert spoken.note == "without '☃', '😀', which this voice has no symbol for"
    np.testing.assert_allclose(spoken.samples, sound_of(voice, "hello there ."), atol=1e-5)
    [spoken] = voice.speak("Hello. ☃!")
    assert "☃" in str(spoken.note) and len(spoken.segments) == 1


def test_texts_of_any_length_are_spoken(voice):
    long = " ".join(f"word{'' if i % 23 else ','}" for i in range(2000))
    [spoken] = voice.speak(long)
    assert len(spoken.words) == 2000 and max(s.end - s.start for s in spoken.segments) < 5
    [spoken] = voice.speak("a" * 3000)
    assert sum(symbol.text == "a" for symbol in spoken.symbols) == 3000


def test_options_change_the_manner(voice):
    plain = sound_of(voice, "hello")
    ids = voice.front_end.spell("hello").ids
    np.testing.assert_allclose(
        sound_of(voice, "hello", speaker="bob"), expected(voice.archive.variables, ids, speaker=1)[1], rtol=1e-4
    )
    assert voice.speakers == ("ann", "bob")
    np.testing.assert_array_equal(
        sound_of(voice, {"text": "hello", "speaker": "bob"}), sound_of(voice, "hello", speaker=1)
    )
    assert abs(len(sound_of(voice, "hello", pace=0.5)) - 2 * len(plain)) <= HOP * len(ids)
    assert np.abs(sound_of(voice, "hello", pitch=1.0) - plain).max() > 0.1


def test_the_hum_of_a_vocoder_is_subtracted(voice, monkeypatch):
    plain = sound_of(voice, "hello there")
    hum = np.linspace(0, 5, 2 * HOP + 1, dtype=np.float32)
    monkeypatch.setattr("jaxspeech.inference.vocoding.Vocoder._own_spectrum", lambda *_: hum)
    clean = subtract_spectrum(plain, 0.5 * hum, HOP)
    assert np.abs(clean - plain).max() > 0.1
    np.testing.assert_allclose(sound_of(voice, "hello there", denoise=0.5), clean, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(voice.stream("hello there", denoise=0.5))), clean, atol=1e-5)


def test_a_voice_speaks_like_a_recording(voice, tmp_path):
    model = voice.config | {"speech": voice.config["speech"] | {"styled": True, "num_speakers": 0}}
    styled = Synthesizer(voice.archive._replace(model=model, assets={"front_end": voice.front_end}))
    with pytest.raises(ConfigError, match="this voice speaks like a recording: give one as the style"):
        styled.speak("hello")
    recording = np.full(900, 10, np.float32) / 32
    expected_sound = sound_of(voice, "hello", pitch=10 / 32)
    np.testing.assert_allclose(sound_of(styled, "hello", style=recording), expected_sound, atol=1e-5)
    soundfile.write(tmp_path / "a.wav", recording, 2 * RATE)
    assert sound_of(styled, "hello", style=tmp_path / "a.wav").shape == expected_sound.shape
    with pytest.raises(SpeechError, match=r"none\.wav"):
        styled.stream("hello", style="none.wav")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speaker": "eve"}, "there is no speaker 'eve'"),
        ({"speaker": 2}, "there is no speaker 2; they are 0 to 1"),
        ({"pace": 0}, "pace is 0; it must be from 0.25 to 4"),
        ({"pace": float("nan")}, "pace is nan"),
        ({"pitch": "high"}, "pitch is 'high'"),
        ({"pause": -1}, "pause is -1"),
        ({"denoise": 2}, "denoise is 2; it must be from 0 to 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"style": "a.wav"}, "this voice has no style tokens: leave out style"),
        ({"on_error": "stop"}, "on_error is 'stop'"),
    ],
)
def test_wrong_options_are_one_line(voice, options, message):
    for call in (voice.speak, voice.speak_iter, voice.stream):
        with pytest.raises(ConfigError, match=message):
            call("hello", **options)
    with pytest.raises(TypeError, match="unexpected keyword argument 'pich'; did you mean \"pitch\""):
        voice.speak("hello", pich=1)


def test_paths_are_files(voice, tmp_path):
    (tmp_path / "a.txt").write_text("Hello.")
    lines = [{"text": "Hello."}, {"text": "5", "normalized_text": "five"}, {"text": None}]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = voice.speak([tmp_path / "a.txt", tmp_path / "b.jsonl", tmp_path / "none.txt"], on_error="skip")
    assert [spoken.source for spoken in found] == [
        str(tmp_path / "a.txt"),
        *(f"{tmp_path / 'b.jsonl'}:{i}" for i in (1, 2, 3)),
        str(tmp_path / "none.txt"),
    ]
    np.testing.assert_allclose(found[0].samples, found[1].samples, atol=1e-6)
    assert found[2].words[0].text == "five"
    assert found[3].error == f"{tmp_path / 'b.jsonl'}:3: no text" and "cannot be read" in found[4].error


def test_two_models_are_joined_and_kept_in_one_file(voice, tmp_path):
    speech, vocoder = archives()
    assert "discriminator" in vocoder.variables["params"]
    assert list(voice.archive.variables["params"]["vocoder"]) == ["generator"]
    voice.save(tmp_path / "voice.jaxspeech")
    loaded = jaxspeech.load(tmp_path / "voice.jaxspeech", jaxspeech.Synthesizer)
    np.testing.assert_array_equal(sound_of(loaded, TEXT), sound_of(voice, TEXT))
    again = split_voice(loaded.archive)
    assert again[0].model["task"] == "toy_speech" and again[1].model["task"] == "toy_vocoder"
    np.testing.assert_array_equal(sound_of(Synthesizer(join_voice(*again)), TEXT), sound_of(voice, TEXT))
    shapes = {key: list(tree) for key, tree in build(voice.config).init(jax.random.key(0))["params"].items()}
    assert shapes == {"speech": ["embed"], "vocoder": ["generator"]}

    speech_file, vocoder_file = tmp_path / "speech.jaxspeech", tmp_path / "vocoder.jaxspeech"
    for path, archive in ((speech_file, speech), (vocoder_file, vocoder)):
        save_archive(path, **archive._asdict())
    joined = jaxspeech.load(speech_file, jaxspeech.Synthesizer, vocoder=vocoder_file)
    np.testing.assert_array_equal(sound_of(joined, TEXT), sound_of(voice, TEXT))
    with pytest.raises(ConfigError, match=r"is a text-to-mel model: jaxspeech\.load\(path, jaxspeech\.Synthesizer\)"):
        jaxspeech.load(speech_file)
    with pytest.raises(ConfigError, match="this model makes mel frames, which a vocoder turns into sound"):
        jaxspeech.load(speech_file, jaxspeech.Synthesizer)
    with pytest.raises(
        ConfigError, match=r"vocoder\.jaxspeech is a vocoder: jaxspeech\.load\(path, jaxspeech\.Vocoder\)"
    ):
        jaxspeech.load(vocoder_file, jaxspeech.Synthesizer)
    with pytest.raises(ConfigError, match=r"'toy_speech': it is not a vocoder"):
        jaxspeech.load(speech_file, jaxspeech.Synthesizer, vocoder=speech_file)
    with pytest.raises(ConfigError, match="only a voice has two parts"):
        split_voice(speech)
    large = SymbolTokenizer([*SYMBOLS, "%"])
    with pytest.raises(ArchiveError, match="its text front end has 33 symbols, its model knows 32"):
        Synthesizer(voice.archive._replace(assets={"front_end": FrontEnd(large, Letters())}))
    with pytest.raises(ArchiveError, match="no text front end"):
        Synthesizer(voice.archive._replace(assets={}))


def test_models_of_other_frames_are_not_joined(voice):
    speech, vocoder = archives()
    other = vocoder.model | {"features": vocoder.model["features"] | {"num_mels": 5, "high_hz": 300}}
    with pytest.raises(ConfigError, match=r"num_mels 4 and 5, high_hz 400\.0 and 300\.0"):
        join_voice(speech, vocoder._replace(model=other))
    same = vocoder.model | {"features": vocoder.model["features"] | {"high_hz": 400, "preemphasis": 0.0}}
    join_voice(speech, vocoder._replace(model=same))
    with pytest.raises(ConfigError, match=r"model\.vocoder is no vocoder"):
        build({"task": "voice", "speech": SPEECH, "vocoder": SPEECH})


def test_a_batch_of_texts_is_predicted(voice):
    """The samples of the frames that the text-to-mel model predicts."""
    ids = voice.front_end.spell("hello").ids
    batch = voice.task.batch(
        np.arange(1), np.array([ids]), np.array([len(ids)]), np.array([0]), np.zeros((1, 40 * HOP), np.float32)
    )
    samples = expected(voice.archive.variables, ids)[1]
    found = np.asarray(jax.jit(voice.task.predict)(voice.variables, batch).samples)[0]
    np.testing.assert_allclose(found[: len(samples)], samples, atol=1e-5)
    assert found.shape == (40 * HOP,) and not found[len(samples) :].any()
    with pytest.raises(ValueError, match="0 phases"):
        _ = voice.task.loss


def test_a_model_that_gives_no_sound_says_so(voice):
    broken = Synthesizer(voice.archive)
    broken.variables = {**broken.variables, "params": jax.tree.map(lambda x: np.nan * x, broken.variables["params"])}
    with pytest.raises(SpeechError, match="text 0: the model's samples are not finite"):
        broken.speak("hello")


def test_kernels_are_prepared_once_for_long_sentences(monkeypatch):
    """Again for other variables; not for few frames, which do not use it."""
    seen = []
    monkeypatch.setattr(speak_programs, "with_points", lambda variables: seen.append(variables) or variables)
    voice = Synthesizer(toy_voice())
    voice.speak("Hm.")
    assert not seen
    monkeypatch.setattr(winograd, "LONG", 1)
    voice.speak(["Hm.", "Oh."])
    assert len(seen) == 1 and seen[0] is voice.variables
    voice.variables = dict(voice.variables)
    voice.speak("Hm.")
    assert len(seen) == 2 and seen[1] is voice.variables
