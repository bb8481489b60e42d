"""Checks before the first step that a tokenizer knows the texts, and that there is something to learn in them."""

from collections.abc import Iterator

from jaxspeech.assets import Assets
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.manifest_index import parse_line
from jaxspeech.errors import ManifestError
from jaxspeech.jobs.job import Report
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.unknown import count_unknown

# Most texts that are read, evenly spaced: enough for shares of a thousandth, and less than a second.
MOST_TEXTS = 10_000
# The run is refused if a larger share of the tokens or of the characters to train on is unknown.
MOST_UNKNOWN = 0.5


def look_at_texts(manifest: ExampleSet, assets: Assets, train: bool, report: Report) -> None:
    """Report how much of a manifest's texts is unknown to the tokenizer, which a recogniser then learns not to spell.

    At most MOST_TEXTS texts are read, evenly spaced.

    Args:
      manifest: to train on, or to evaluate on.
      assets: with the tokenizer.
      train: whether it is trained on.
      report: is called with a line if anything is unknown, or if no reference has a word.

    Raises:
      ManifestError: more than half of the tokens or of the characters to train on are unknown (MOST_UNKNOWN), or no
        text to train on has a word.
    """
    name = manifest.problems.name or "the manifest"
    if len(manifest) > MOST_TEXTS:
        name += f" (evenly spaced texts of {len(manifest)})"
    if not any(text.strip() for text, _ in _texts(manifest)):
        line = f"{name}: none of {min(len(manifest), MOST_TEXTS)} texts has a word"
        if train:
            raise ManifestError(f"{line}, so that there is nothing to learn")
        report(f"{line}, so that no word error rate can be computed")
        return
    found = count_unknown(assets["tokenizer"], _texts(manifest))
    if found is None or not found.unknown:
        return
    line = f"{name}: {found}"
    if train and found.most > MOST_UNKNOWN:
        raise ManifestError(
            f"{line}. Most of the texts cannot be learned: convert them to the casing and script of the tokenizer, or "
            "train a tokenizer on them"
        )
    report(line)


def _texts(manifest: ExampleSet) -> Iterator[tuple[str, Language]]:
    """Yield the text and the language of at most MOST_TEXTS examples."""
    for line in manifest.lines(at_most=MOST_TEXTS):
        fields = parse_line(line)
        yield str(fields.get("text") or ""), fields.get("lang")
