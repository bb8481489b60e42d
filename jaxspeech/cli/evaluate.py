"""Scores a model on manifests: transcripts with WER and CER, translations with BLEU, classes with accuracy, and so on.

Or scores transcripts that manifests already hold, compares recognisers, and scores who spoke when, and who said what.

  jaxspeech evaluate --model=model.jaxspeech --manifest=dev.jsonl,test.jsonl
  jaxspeech evaluate --model=model.nemo --manifest=test.jsonl --output=out.jsonl --normalize=leaderboard --rtfx
  jaxspeech evaluate --manifest=out.jsonl --normalize=whisper --report=report.html
  jaxspeech evaluate --compare a.jsonl b.jsonl --report=comparison.html
  jaxspeech evaluate --engine=jaxspeech:model.nemo --engine=onnx-asr:model_onnx --manifest=test.jsonl --report=page.html
  jaxspeech evaluate --model=titanet.nemo --manifest=test.jsonl --field=speaker
  jaxspeech evaluate --rttm=reference.rttm found.rttm --collar=0.25
  jaxspeech evaluate --rttm=reference_folder found_folder --uem=all.uem --output=scores.json
  jaxspeech evaluate --seglst=reference.json found.json
  jaxspeech evaluate --clean=clean_folder --noisy=noisy_folder enhanced_folder --report=page.html
  jaxspeech evaluate --model=voice.jaxspeech --manifest=test.jsonl --recognizer=asr.jaxspeech --report=page.html
  jaxspeech evaluate --model=salm.jaxspeech --manifest=questions.jsonl --output=out.jsonl

A manifest holds JSON lines with audio_filepath and the truth: "text" for a recogniser, which is a translation
where "source_lang" and "target_lang" differ; for other models the field that --field names, with the class (also its
macro F1), a label for each frame ("0 0 1 1"), or the speaker (equal error rate); for a model that enhances
"target_filepath", the clean recording; for a language model that hears "context", the question, and "text", the true
answer, of which "score" says how the model's is judged ("wer", "bleu" or "answer"); for a voice "text", which is
spoken, and compared with the recording if there is one. Speakers need not be those of the training: all pairs of a
manifest's recordings are compared. The scores go to stdout, for each manifest; --output receives all lines of the
manifests with pred_text, pred_label, pred_top or pred_embedding, and with the errors of each transcript. A recording
that cannot be read is skipped, with a line on stderr, and does not count.

Without a model, --manifest scores the transcripts in "pred_text", or in the field that --pred_field names. --compare
and --engine compare several recognisers; docs/evaluating.md describes them. --rttm scores turns of speakers by
md-eval's rules: a table with the diarization error rate, its parts, the Jaccard error rate and the number of speakers
of each recording and of all. --seglst scores words of speakers: cpWER and tcpWER. The found turns or words are another
file, or a folder of files. --clean scores enhanced recordings against clean ones of the same name: a table with SI-SDR,
SDR, PESQ, STOI and ESTOI, also of the --noisy ones, and with --recognizer=MODEL the word error rates of both.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
import contextlib
from typing import Any

import jaxspeech
from jaxspeech.cli.engine_options import add_comparison, compares
from jaxspeech.cli.enhanced_options import add_enhanced_options, is_of_enhanced
from jaxspeech.cli.fusion import fusion_of
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recognition import add_recognition, search_of
from jaxspeech.cli.recordings import Totals, add_manifest, add_options, check_model, counted, process, report
from jaxspeech.cli.turn_scores import add_turn_options, evaluate_turns, is_of_turns
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording, read_manifest

# A copy of the list in text/normalizers.py, which is too slow to import for --help.
NORMALIZERS = ("none", "basic", "whisper", "whisper_basic", "leaderboard")


def options(parser: Parser) -> None:
    """Adds the options."""
    add_manifest(parser, help="JSON lines with audio_filepath and text; separate several manifests with commas")
    add_options(parser, needs_model=False)
    add_recognition(parser, long=("auto", "full", "local", "buffered", "segments"))
    parser.add_argument(
        "--target_lang",
        help="the language of the text, for a model that is asked for one; a line's target_lang takes precedence",
    )
    parser.add_argument("--field", default="label", help="the manifests' field with the true class or the speaker")
    help = "the manifests' lines with what was found; --rttm, --seglst: the scores as JSON; --clean: a line for each"
    parser.add_argument("--output", metavar="OUT", help=help)
    parser.add_argument(
        "--normalize",
        choices=NORMALIZERS,
        default="none",
        help="what is done to transcripts and references before they are compared. none: nothing; basic: lower case "
        "without punctuation, for any language; whisper: Whisper's rules for English, whisper_basic: for other "
        'languages; leaderboard: those of the Open ASR Leaderboard. The last three need the extra "eval"',
    )
    parser.add_argument("--text_field", default="text", help="without --model: the field with the reference")
    parser.add_argument("--pred_field", default="pred_text", help="without --model: the field with the transcript")
    parser.add_switch("bleu", help="also BLEU and chrF of transcripts; translations always have them")
    parser.add_switch("confidence", help="--model: also score the confidences of words; --output gets the words")
    parser.add_switch(
        "rtfx",
        help="--model: measure the speed as the Open ASR Leaderboard does: total audio by total time, after all "
        "recordings were transcribed once to warm up",
    )
    parser.add_argument("--report", metavar="OUT.html", help="a page with the scores and the worst utterances")
    parser.add_argument("--scores", metavar="OUT.json", help="the scores of each manifest as JSON")
    add_comparison(parser)
    add_turn_options(parser)
    add_enhanced_options(parser)
    parser.add_argument("--vocoder", help="the file of a vocoder, for a --model that makes mel frames of texts")


def run(flags: argparse.Namespace) -> int:
    """Scores a model, or what files hold, and prints a summary."""
    if compares(flags):
        from jaxspeech.cli.comparison import compare

        return compare(flags)
    if is_of_enhanced(flags):
        from jaxspeech.cli.enhanced_scores import evaluate_enhanced

        return evaluate_enhanced(flags)
    if is_of_turns(flags):
        return evaluate_turns(flags)
    if not flags.manifest:
        if not flags.model:
            check_model(flags)
        raise ConfigError("on what is the model to be evaluated? give --manifest=IN.jsonl")
    return _evaluate(flags)


def _evaluate(flags: argparse.Namespace) -> int:
    """Runs the model over the manifests, or reads their transcripts, and scores each of them."""
    from jaxspeech.cli.scored_manifests import notes_on, write_scores

    if flags.model:
        from jaxspeech import loading
        from jaxspeech.cli.scoring import scoring_of

        sets = _read(flags, needs_audio=False)
        _check(sets)
        model = loading.load_any(flags.model, dtype=flags.dtype, vocoder=flags.vocoder, **search_of(flags))
        if not isinstance(model, jaxspeech.Synthesizer):
            sets = _read(flags)
            _check(sets)
        scoring = scoring_of(model, flags)
    else:
        from jaxspeech.cli.transcript_scoring import of_predictions
        from jaxspeech.inference.predictions import read_predictions

        if flags.rtfx or flags.confidence:
            raise ConfigError(f"--{'rtfx' if flags.rtfx else 'confidence'} needs --model=FILE, which transcribes")
        if given := fusion_of(flags):
            raise ConfigError(f"--{next(iter(given))} needs --model=FILE, which transcribes")
        sets = {manifest: list(read_predictions(manifest, text_field=flags.text_field)) for manifest in flags.manifest}
        _check(sets)
        scoring = of_predictions(flags)
        _check_predictions(sets, flags.pred_field)
    for manifest, part in sets.items():
        if missing := scoring.problem(part):
            problem = next((recording.problem for recording in part if recording.problem), "")
            raise ManifestError(problem or f"{manifest}: {missing}")
        for note in notes_on(manifest, part):
            report(note)
    recordings = [recording for part in sets.values() for recording in part]
    if flags.rtfx:
        warm_up(scoring.results(recordings), len(recordings))
    found: list[Any] = []
    opened = scoring.writer(flags.output, recordings) if flags.output else contextlib.nullcontext()
    with opened as write:

        def take(recording: Recording, result: Any) -> None:
            found.append(None)
            if write:
                write(recording, result)
            if result.error is None:
                found[-1] = scoring.keep(recording, result)

        totals = process(recordings, scoring.results(recordings), take, done=scoring.done)
    kept, summaries = iter(found), {}
    for manifest, part in sets.items():
        summaries[manifest] = scoring.summarize([x for _ in part if (x := next(kept)) is not None])
        if (summary := summaries[manifest]) is not None:
            print(f"{manifest}: {summary.text}")
    speed = {}
    if flags.rtfx:
        speed = _speed(totals, flags.batch_size)
        print(
            f"RTFx {speed['rtfx']:.2f}: {speed['audio_seconds']:.1f} s of audio in {speed['seconds']:.2f} s, batch "
            f"size {flags.batch_size}, {speed['device']}, after a warm-up on all recordings"
        )
    write_scores(flags, summaries, speed)
    report(totals if flags.model else f"{counted(totals.files, 'line')}, {totals.skipped} skipped")
    return totals.status(strict=flags.strict)


def warm_up(results: Any, number: int) -> None:
    """Computes results that nobody needs, so that programs are compiled before time is measured."""
    from jaxspeech.cli.announcements import compilation_announced

    with compilation_announced():
        for _ in results:
            pass
    report(f"warmed up on {counted(number, 'recording')}")


def _speed(totals: Totals, batch_size: int) -> dict[str, Any]:
    import jax

    devices = jax.devices()
    return {
        "rtfx": totals.seconds / max(totals.elapsed, 1e-9),
        "audio_seconds": totals.seconds,
        "seconds": totals.elapsed,
        "batch_size": batch_size,
        "device": f"{len(devices)} x {devices[0].device_kind}",
    }


def _read(flags: argparse.Namespace, *, needs_audio: bool = True) -> dict[str, list[Recording]]:
    return {manifest: list(read_manifest(manifest, needs_audio=needs_audio)) for manifest in flags.manifest}


def _check(sets: dict[str, list[Recording]]) -> None:
    for part in sets.values():
        if all(recording.problem for recording in part):
            raise ManifestError(part[0].problem)


def _check_predictions(sets: dict[str, list[Recording]], field: str) -> None:
    """Raises ManifestError where no line of a manifest has a transcript: one line instead of one for each."""
    for manifest, part in sets.items():
        if not any(isinstance(recording.fields.get(field), str) for recording in part):
            hint = "--model=FILE transcribes the recordings, --pred_field=NAME names another field"
            raise ManifestError(f'{manifest}: no line has a transcript in "{field}"; {hint}')
