"""Scores of enhanced recordings: each against its clean signal, and by how much it is better than the input.

"si_sdr" and "sdr" are in dB, "pesq", "stoi", "estoi" and "dnsmos" have no unit (see signal_ratios.py, perceived.py);
"si_sdr_gain" and so on are the differences to the score of the noisy input. A recording that a score cannot judge is
left out of its mean and counted: "pesq_unscored".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.evaluation.perceived import check_package, dnsmos, missing_package, pesq, stoi
from jaxspeech.evaluation.signal_ratios import best_pairing, sdr, si_sdr

# Of a recording: the values by name, None where it cannot be scored.
Values = Mapping[str, float | None]


class Measure(NamedTuple):
    """A score of a signal.

    Attributes:
      titles: of its values, by their names; DNSMOS has three.
      compute: (estimate [S], target [S], sample rate) -> the values by name.
    """

    titles: Mapping[str, str]
    compute: Callable[[np.ndarray, np.ndarray, int], Values]


OF_DNSMOS = {"dnsmos": "DNSMOS", "dnsmos_sig": "DNSMOS speech", "dnsmos_bak": "DNSMOS background"}
# In the order in which they are shown.
MEASURES = {
    "si_sdr": Measure({"si_sdr": "SI-SDR"}, lambda x, target, rate: {"si_sdr": si_sdr(x, target)}),
    "sdr": Measure({"sdr": "SDR"}, lambda x, target, rate: {"sdr": sdr(x, target)}),
    "pesq": Measure({"pesq": "PESQ"}, lambda x, target, rate: {"pesq": pesq(x, target, rate)}),
    "stoi": Measure({"stoi": "STOI"}, lambda x, target, rate: {"stoi": stoi(x, target, rate, extended=False)}),
    "estoi": Measure({"estoi": "ESTOI"}, lambda x, target, rate: {"estoi": stoi(x, target, rate, extended=True)}),
    "dnsmos": Measure(OF_DNSMOS, lambda x, target, rate: dnsmos(x, rate) or dict.fromkeys(OF_DNSMOS)),
}
TITLES = {name: title for measure in MEASURES.values() for name, title in measure.titles.items()}
IN_DECIBELS = ("si_sdr", "sdr")
GAIN, UNSCORED = "_gain", "_unscored"


class Scored(NamedTuple):
    """The scores of a recording, and of the noisy one that it was made of; `before` is empty if that is not known."""

    after: Values
    before: Values = MappingProxyType({})


def available(measures: Iterable[str] = MEASURES) -> tuple[str, ...]:
    """Those of the measures whose packages are installed."""
    return tuple(name for name in measures if not missing_package(name))


def check_measures(measures: Sequence[str]) -> tuple[str, ...]:
    """Checks that these scores are known and can be computed.

    Raises:
      ConfigError: one is not known, its package is not installed, or there is none.
    """
    if not measures:
        raise ConfigError(f"there is no score to compute; known are {', '.join(MEASURES)}")
    for name in measures:
        if name not in MEASURES:
            raise ConfigError(f"{name!r} is not a score{did_you_mean(name, MEASURES)}")
        check_package(name)
    return tuple(name for name in MEASURES if name in measures)


def signal_scores(
    estimates: Float[np.ndarray, "M S"],
    targets: Float[np.ndarray, "M S"],
    sample_rate: int,
    measures: Sequence[str] = IN_DECIBELS,
) -> dict[str, float | None]:
    """Computes the scores of a recording: the mean over its M signals that can be scored.

    Args:
      estimates, targets: in the same order, of the same length.
      sample_rate: in Hz.
      measures: names among `MEASURES`.
    """
    each = [
        {name: value for one in measures for name, value in MEASURES[one].compute(*pair, sample_rate).items()}
        for pair in zip(estimates, targets, strict=True)
    ]
    return {name: _mean([values[name] for values in each]) for name in (each[0] if each else {})}


def score_recording(
    estimates: Float[np.ndarray, "M S"],
    targets: Float[np.ndarray, "M S"],
    noisy: Float[np.ndarray, "_ S"] | None,
    sample_rate: int,
    *,
    measures: Sequence[str] = IN_DECIBELS,
    any_order: bool = False,
) -> Scored:
    """Scores a recording, and its input against the same targets.

    Args:
      estimates, targets: M signals of the same length.
      noisy: the input that they were made of: one channel, or M; None if it is not known.
      sample_rate: in Hz.
      measures: names among `MEASURES`.
      any_order: whether separated sources may come out in any order.
    """
    if any_order and len(targets) > 1:
        targets = targets[best_pairing(estimates, targets)]
    after = signal_scores(estimates, targets, sample_rate, measures)
    if noisy is None:
        return Scored(after)
    return Scored(after, signal_scores(np.broadcast_to(noisy, targets.shape), targets, sample_rate, measures))


def summarize(rows: Iterable[Scored]) -> dict[str, float]:
    """The means over the recordings, those of the gains, and the numbers of recordings without a score."""
    rows = list(rows)
    scores: dict[str, float] = {}
    for name in dict.fromkeys(name for row in rows for name in row.after):
        found = [row.after.get(name) for row in rows]
        if (mean := _mean(found)) is not None:
            scores[name] = mean
        pairs = [(row.after[name], row.before.get(name)) for row in rows]
        gains = [after - before for after, before in pairs if after is not None and before is not None]
        if gains:
            scores[name + GAIN] = float(np.mean(gains))
        if missing := sum(value is None for value in found):
            scores[name + UNSCORED] = float(missing)
    return scores


def show_scores(scores: Scores) -> str:
    """The scores in words: "SI-SDR 11.02 dB (+10.98), PESQ 1.68 (+0.54, 2 not scored)"."""
    parts = []
    for name, title in TITLES.items():
        if name not in scores and name + UNSCORED not in scores:
            continue
        notes = []
        if name + GAIN in scores:
            notes.append(f"{scores[name + GAIN]:+.{_digits(name)}f}")
        if missing := scores.get(name + UNSCORED):
            notes.append(f"{missing:.0f} not scored")
        value = "–" if name not in scores else shown(name, scores[name])
        parts.append(f"{title} {value}" + (f" ({', '.join(notes)})" if notes else ""))
    return ", ".join(parts) or "no score (no example has speech)"


def shown(name: str, value: float | None) -> str:
    """A score as text, with its unit."""
    if value is None:
        return "–"
    return f"{value:.{_digits(name)}f}" + (" dB" if name in IN_DECIBELS else "")


def enhancement_scores(
    sample_rate: int,
    *,
    measures: Sequence[str] = IN_DECIBELS,
    any_order: bool = False,
    reference_channel: int = 0,
    identity: Sequence[str] = (),
) -> Evaluation:
    """Returns the evaluation of waveforms [B M S] against the targets of a batch [B M S].

    Args:
      sample_rate: in Hz.
      measures: names among `MEASURES`; the first one chooses the best model. PESQ, STOI and DNSMOS need packages.
      any_order: whether separated sources may come out in any order.
      reference_channel: of the inputs [B C S], with which the outputs are compared.
      identity: fields of the manifest that a score belongs to.

    Raises:
      ConfigError: a score is not known, or its package is not installed.
    """
    check_measures(measures)
    # Computed in the order given, so that the first one is the first of the scores.
    options: Any = {"measures": tuple(dict.fromkeys(measures)), "any_order": any_order}

    def collect(outputs: Any, batch: Any) -> list[Scored]:
        outputs, targets, samples = (np.asarray(x, np.float32) for x in (outputs, batch.targets, batch.samples))
        rows = []
        for row, (index, count) in enumerate(zip(np.asarray(batch.index), np.asarray(batch.num_samples), strict=True)):
            if index < 0:
                rows.append(Scored({}))
                continue
            noisy = samples[row, reference_channel : reference_channel + 1, :count]
            rows.append(
                score_recording(outputs[row, :, :count], targets[row, :, :count], noisy, sample_rate, **options)
            )
        return rows

    def score(found: Mapping[int, Scored], fields: Mapping[int, Fields]) -> dict[str, float]:
        del fields
        return summarize(found.values())

    def sample(found: Scored, fields: Fields) -> str:
        del fields
        lines = (f"  {TITLES[name]}: {_change(name, found)}" for name in found.after)
        return "\n".join(lines)

    rising = tuple(name + end for name in TITLES for end in ("", GAIN))
    return Evaluation(False, collect, score, show_scores, sample, identity=tuple(identity), rising=rising)


def _change(name: str, found: Scored) -> str:
    before = found.before.get(name)
    return ("" if before is None else f"{shown(name, before)} -> ") + shown(name, found.after[name])


def _digits(name: str) -> int:
    return 3 if name in ("stoi", "estoi") else 2


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
