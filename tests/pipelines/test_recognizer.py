"""Transcribing anything, and what can go wrong. The model is random and tiny; the audio is made up."""

import itertools
import json
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import load_archive, save_archive
from jaxspeech.builder import build
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.inference import programs, read_ahead
from jaxspeech.inference.batching import Shape
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.prediction import Outputs
from tests.pipelines.tiny_recognizer import RATE, chirps, reference, tiny_archive


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSPEECH_CACHE", "off")


@pytest.fixture(scope="module")
def asr(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    path = tmp_path_factory.mktemp("model") / "tiny.jaxspeech"
    save_archive(path, **tiny_archive()._asdict())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXSPEECH_CACHE", "off")
        return jaxspeech.load(path)


@pytest.fixture(scope="module")
def audio() -> list[np.ndarray]:
    """Eight recordings that need two padded lengths."""
    return [chirps(i, seconds) for i, seconds in enumerate([1.9, 0.9, 1.6, 0.8, 1.7, 1.95, 1.6, 1.8])]


def test_results_are_the_models_own_in_the_order_of_the_inputs(asr: Recognizer, audio: list[np.ndarray]) -> None:
    found = asr.transcribe(audio, batch_size=4, return_log_probs=True)
    for i in (2, 6):
        expected = reference()(tiny_archive().variables, audio[i])
        np.testing.assert_allclose(found[i].log_probs, expected, atol=2e-3)
        path = [symbol for symbol, _ in itertools.groupby(expected.argmax(-1).tolist()) if symbol != 27]
        assert found[i].tokens == tuple(path) and found[i].text == asr.tokenizer.decode(path)
    assert [h.duration for h in found] == [len(samples) / RATE for samples in audio]
    assert len({h.text for h in found}) == len(audio)
    assert all(h.words is h.chars is h.segments is None for h in found)


def test_a_transcript_does_not_depend_on_the_others(asr: Recognizer, audio: list[np.ndarray]) -> None:
    together = asr.transcribe(audio, batch_size=4, return_log_probs=True)
    alone = [asr.transcribe(samples, return_log_probs=True)[0] for samples in audio]
    backwards = asr.transcribe(audio[::-1], batch_size=4, return_log_probs=True)[::-1]
    for one, other, third in zip(together, alone, backwards, strict=True):
        assert one.text == other.text == third.text
        assert one.score == pytest.approx(other.score, rel=1e-4)
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=2e-3)
        np.testing.assert_allclose(one.log_probs, third.log_probs, atol=2e-3)


def test_files_arrays_and_manifests_say_the_same(asr: Recognizer, audio: list[np.ndarray], tmp_path: Path) -> None:
    quiet = np.round(audio[0] * 32768) / 32768
    soundfile.write(tmp_path / "a.flac", quiet, RATE)
    soundfile.write(tmp_path / "stereo.wav", np.stack([quiet, 0 * quiet], 1), RATE)
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": "a.flac"}))
    inputs = [quiet.astype("f"), np.round(quiet * 32768).astype(np.int16), tmp_path / "a.flac", str(manifest)]
    found = asr.transcribe(inputs)
    assert {h.text for h in found} == {found[0].text}
    assert [h.source for h in found] == ["array 0", "array 1", str(tmp_path / "a.flac"), str(tmp_path / "a.flac")]
    assert asr.transcribe(tmp_path / "stereo.wav", channel=0)[0].text == found[0].text
    half = asr.transcribe(np.repeat(quiet, 2).astype("f"), sample_rate=2 * RATE)[0]
    assert half.duration == pytest.approx(found[0].duration, abs=1e-3)


def test_times_count_from_the_beginning_of_the_file(asr: Recognizer, audio: list[np.ndarray], tmp_path: Path) -> None:
    [whole] = asr.transcribe(audio[0], timestamps=True)
    assert whole.words and whole.chars and whole.segments
    assert " ".join(word.text for word in whole.words) == " ".join(whole.text.split())
    assert "".join(char.text for char in whole.chars) == whole.text
    for spans in (whole.words, whole.chars, whole.segments):
        assert all(0 <= s.start < s.end <= whole.duration + asr.task.inference.frame_seconds for s in spans)
        assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
        assert all(0 <= s.confidence <= 1 for s in spans)

    soundfile.write(tmp_path / "a.wav", np.concatenate([chirps(9, 2.0), audio[0]]), RATE, subtype="FLOAT")
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": "a.wav", "offset": 2.0}))
    [part] = asr.transcribe(manifest, timestamps=True)
    assert part.words is not None and part.text == whole.text
    np.testing.assert_allclose([w.start for w in part.words], [2.0 + w.start for w in whole.words])
    np.testing.assert_allclose([w.end for w in part.words], [2.0 + w.end for w in whole.words])


@pytest.mark.parametrize("seconds", [1 / RATE, 0.01, 0.05])
def test_less_than_a_frame_is_no_text(asr: Recognizer, seconds: float) -> None:
    [found] = asr.transcribe(chirps(0, seconds), timestamps=True, return_log_probs=True)
    assert (found.text, found.tokens, found.words, found.error) == ("", (), (), None)
    assert found.log_probs is not None and found.log_probs.shape == (0, 28)
    assert found.duration == pytest.approx(seconds)


def test_a_frame_and_silence_give_finite_results(asr: Recognizer) -> None:
    inputs = [chirps(0, 0.081), np.zeros(RATE, np.float32)]
    for found in asr.transcribe(inputs, return_log_probs=True):
        assert found.log_probs is not None and np.isfinite(found.log_probs).all() and len(found.log_probs)


def test_nothing_to_do(asr: Recognizer) -> None:
    assert asr.transcribe([]) == []


def test_a_bad_input_raises_or_is_skipped(asr: Recognizer, audio: list[np.ndarray], tmp_path: Path) -> None:
    inputs = [audio[0], tmp_path / "missing.wav", audio[1]]
    first, bad, last = asr.transcribe(inputs, on_error="skip")
    assert first.text and last.text and first.error is last.error is None
    assert bad.text == "" and bad.source == str(tmp_path / "missing.wav") and bad.error
    assert bad.error.startswith(str(tmp_path / "missing.wav")) and "\n" not in bad.error
    results = asr.transcribe_iter(inputs)
    assert next(results).text == first.text
    with pytest.raises(AudioError, match="no such file"):
        next(results)


def test_endless_inputs_in_bounded_memory(
    asr: Recognizer, audio: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "WINDOW_RECORDINGS", 4)
    taken = 0

    def endless():
        nonlocal taken
        for samples in itertools.cycle(audio):
            taken += 1
            yield samples

    results = asr.transcribe_iter(endless(), batch_size=4)
    texts = [hypothesis.text for hypothesis in itertools.islice(results, 12)]
    assert texts[:8] == [h.text for h in asr.transcribe(audio, batch_size=4)] and texts[8:] == texts[:4]
    assert taken <= 12 + 2 * 4
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_too_long_for_the_memory_is_one_line(
    asr: Recognizer, audio: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [h.text for h in asr.transcribe(audio, batch_size=4)]
    singles = [Shape((0,), 1, RATE), Shape((0,), 1, 2 * RATE)]

    def needed(shape: Shape) -> int:
        return programs.needed_bytes(asr._long._full.compiled(asr.variables, shape, **Outputs()._asdict()))

    alone, together = max(map(needed, singles)), needed(Shape((0, 1, 2, 3), 4, 2 * RATE))
    assert alone < together
    # Recordings that do not fit together are done one by one.
    monkeypatch.setattr(programs, "available_bytes", lambda device: alone)
    assert [h.text for h in asr.transcribe(audio, batch_size=4)] == expected
    monkeypatch.setattr(programs, "available_bytes", lambda device: 1000)
    for found in asr.transcribe(audio[:2], on_error="skip"):
        assert found.error and found.error.startswith(f"{found.source}: ") and "GiB" in found.error


def test_memory_is_known() -> None:
    free = programs.available_bytes(jax.devices()[0])
    assert free is None or 1e7 < free < 1e14


def test_unusable_options(asr: Recognizer) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        asr.transcribe([], batch_size=0)


def test_saved_and_loaded_again(asr: Recognizer, tmp_path: Path) -> None:
    asr.save(tmp_path / "again.jaxspeech")
    again = load_archive(tmp_path / "again.jaxspeech")
    assert again.model == json.loads(json.dumps(asr.config)) and again.metadata == {"by": "test"}
    jax.tree.map(np.testing.assert_array_equal, again.variables, jax.device_get(asr.variables))


def test_bfloat16(asr: Recognizer, audio: list[np.ndarray], tmp_path: Path) -> None:
    asr.save(tmp_path / "m.jaxspeech")
    half = jaxspeech.load(tmp_path / "m.jaxspeech", dtype="bfloat16")
    # The fast form on a CPU: rounded operands, float32 activations.
    assert half.config["product_dtype"] == "bfloat16" and half.config["encoder"]["dtype"] == "float32"
    assert half.variables["params"]["decoder"]["out"]["kernel"].dtype == jax.numpy.bfloat16
    [found] = half.transcribe(audio[0], return_log_probs=True)
    [full] = asr.transcribe(audio[0], return_log_probs=True)
    assert found.log_probs is not None and full.log_probs is not None and found.log_probs.dtype == np.float32
    # Eight bits of mantissa through a head with weights 30 times as large.
    assert np.mean(np.abs(np.exp(found.log_probs) - np.exp(full.log_probs))) < 0.02


def test_nemos_transcript(refs: Path) -> None:
    asr = jaxspeech.load(refs / "fc_ctc_bpe.nemo")
    arrays = np.load(refs / "fc_ctc_bpe.npz")
    expected = json.loads((refs / "fc_ctc_bpe.json").read_text())["ctc_greedy_batch"][0]
    [found] = asr.transcribe(arrays["audio"][0, : arrays["audio_len"][0]])
    assert found.text == expected["text"] and found.score == pytest.approx(expected["score"], abs=1e-2)


def test_a_transcript_of_nemos_group_norm_does_not_depend_on_its_batch_either() -> None:
    archive = tiny_archive()
    encoder = archive.model["encoder"] | {"conv_norm": "group", "conv_groups": 2, "norm_over_padding": True}
    model = archive.model | {"encoder": encoder}
    variables = jax.device_get(jax.jit(build(model).init)(jax.random.key(3)))
    asr = Recognizer(archive._replace(model=model, variables=variables))
    short, long = chirps(0, 0.93), chirps(1, 1.21)  # near enough to share a batch
    [alone] = asr.transcribe([short], return_log_probs=True)
    beside = asr.transcribe([long, long, long, short], return_log_probs=True)[3]
    np.testing.assert_allclose(beside.log_probs, alone.log_probs, atol=1e-4)
    assert asr.config["encoder"]["norm_over_padding"]  # the model's NeMo setting is kept


def test_frames_are_whole_samples_apart() -> None:
    """At 22.05 kHz 10 ms are 220.5 samples, and frames 220 apart."""
    features = {"name": "mel", "num_mels": 16, "sample_rate": 22050, "fft_size": None}
    task = build(tiny_archive().model | {"features": features})
    rate, factor = 22050, task.model.encoder.total_factor
    assert task.inference.frame_seconds == pytest.approx(220 * factor / rate, rel=1e-12)
    samples = np.zeros((1, 60 * rate), np.float32)
    _, num_frames = task.model.apply({}, samples, np.array([samples.shape[1]]), method="features")
    assert abs(int(num_frames[0]) * task.inference.frame_seconds / factor - 60) < 2 * task.inference.frame_seconds
