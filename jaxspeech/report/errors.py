"""Shows the errors of a set in HTML: in total, by length, language and speaker, and the worst utterances' audio."""

from collections.abc import Mapping

from jaxspeech.report.players import card
from jaxspeech.report.tables import by_language, by_length, by_speaker
from jaxspeech.report.utterance import ReplayedAudio, Utterance, worst
from jaxspeech.text.error_rate import total

WORST_SHOWN = 12


def errors_section(utterances: list[Utterance], audio: Mapping[str, ReplayedAudio]) -> str:
    """HTML about a set's errors, escaped.

    Args:
      utterances: all of the set.
      audio: of the worst ones, by name.
    """
    if not utterances:
        return ""
    counts = total([utterance.errors for utterance in utterances])
    perfect = sum(u.errors.errors == 0 for u in utterances) / len(utterances)
    summary = (
        f"{len(utterances)} utterances, {counts.length} words: WER {counts.rate:.2%} "
        f"({counts.substitutions} substituted, {counts.deletions} deleted, {counts.insertions} inserted); "
        f"{perfect:.0%} of the utterances have no errors."
    )
    cards = [card(u, audio.get(u.name)) for u in worst(utterances, WORST_SHOWN)]
    lengths, languages, speakers = by_length(utterances), by_language(utterances), by_speaker(utterances)
    return (
        f"<p>{summary}</p>"
        + (f"<h3>By length</h3>{lengths}" if lengths else "")
        + (f"<h3>By language</h3>{languages}" if languages else "")
        + (f"<h3>By speaker</h3>{speakers}" if speakers else "")
        + (f'<h3>Most errors</h3><div class="cards">{"".join(cards)}</div>' if cards else "")
    )
