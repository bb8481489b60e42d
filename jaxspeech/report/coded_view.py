"""Shows recordings that a codec in training codes and decodes, next to what they were."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.evaluation.codec import CodedRow
from jaxspeech.report.vocoded_view import VocodedView
from jaxspeech.types import Variables


class CodedView(VocodedView):
    """The pictures and players of a vocoder, of a codec's results."""

    def section(self, variables: Variables, data: Any, results: Mapping[int, Any]) -> str:
        """Recordings to listen to, those that are furthest from what they should be first."""
        return super().section(variables, data, {i: _distance(found) for i, found in results.items()})


def _distance(found: CodedRow) -> float:
    return found.mel
