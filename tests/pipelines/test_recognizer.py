"""Loading, transcribing anything, and what can go wrong. The model is random and tiny; the audio is made up."""

import functools
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import Archive, load_archive, save_archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, AudioError, ConfigError, SpeechError
from jaxspeech.inference import programs, read_ahead
from jaxspeech.inference.batching import Shape
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.prediction import Outputs
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.char import CharTokenizer
from tests.log_probs import log_probs_of

RATE = 16000
CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 20},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 8},
    "decoder": {"name": "ctc", "vocab_size": 27},
}


def chirps(seed: int, seconds: float) -> np.ndarray:
    """Tones that change five times a second."""
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(100, 6000, 100), RATE // 5)[: round(seconds * RATE)]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


@functools.cache
def reference() -> Callable[[Any, np.ndarray], np.ndarray]:
    """(variables, samples) -> log-probabilities of the model as configured: scanned layers, no batch, no padding."""
    log_probs = jax.jit(log_probs_of(build(CONFIG)))

    def apply(variables: Any, samples: np.ndarray) -> np.ndarray:
        length, no_labels = np.array([len(samples)]), np.zeros((1, 0), np.int32)
        found, num_frames = log_probs(variables, Utterances(samples[None], length, no_labels, length, length))
        return np.asarray(found)[0, : int(num_frames[0])]

    return apply


@functools.cache
def tiny_archive() -> Archive:
    """A random model with varied output: its head has large weights, and prefers no symbol on average."""
    variables = jax.device_get(jax.jit(build(CONFIG).init)(jax.random.key(3)))
    head = variables["params"]["decoder"]["out"]
    head["kernel"] = 30 * head["kernel"]
    head["bias"] = -reference()(variables, chirps(99, 1.6)).mean(0)
    return Archive(CONFIG, {"tokenizer": CharTokenizer("abcdefghijklmnopqrstuvwxyz ")}, variables, {"by": "test"})


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


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.jaxspeech", "no such file"),
        ("nvidia/parakeet", "not in the local cache"),
        ("some/other/parakeet", "a Hub name such as"),
        ("a.ckpt", ".jaxspeech or .nemo"),
    ],
)
def test_what_cannot_be_loaded(name: str, why: str) -> None:
    with pytest.raises(ArchiveError, match=why) as caught:
        jaxspeech.load(name)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="bfloat16"):
        jaxspeech.load(name, dtype="bfloat61")


def test_nemos_transcript(refs: Path) -> None:
    asr = jaxspeech.load(refs / "fc_ctc_bpe.nemo")
    arrays = np.load(refs / "fc_ctc_bpe.npz")
    expected = json.loads((refs / "fc_ctc_bpe.json").read_text())["ctc_greedy_batch"][0]
    [found] = asr.transcribe(arrays["audio"][0, : arrays["audio_len"][0]])
    assert found.text == expected["text"] and found.score == pytest.approx(expected["score"], abs=1e-2)


def test_importing_takes_nothing() -> None:
    code = (
        "import sys, jaxspeech; early = set(sys.modules) & {'jax', 'flax', 'numpy', 'soundfile'}; jaxspeech.load; "
        "jaxspeech.losses.ctc_loss; late = set(sys.modules) & {'optax', 'grain', 'ml_collections', 'tensorboardX', "
        "'orbax', 'torch', 'tensorflow'}; print(early, late, sorted(set(jaxspeech.__all__) - set(dir(jaxspeech))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "set() set() []"
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        jaxspeech.lode  # noqa: B018


def test_every_mistake_is_a_speech_error() -> None:
    assert issubclass(AudioError, SpeechError) and jaxspeech.SpeechError is SpeechError


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
