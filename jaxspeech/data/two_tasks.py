"""Makes the corpus of the two-task recipe: the quickstart's recordings, each to be transcribed and to be translated.

    jaxspeech prepare two_tasks               # data/two_tasks

writes what `quickstart` writes, with two lines for each recording: one whose text is what is said, in English, and one
whose text is its translation into Esperanto (esperanto.py).
"""

import sys
from collections.abc import Mapping
from typing import Any

from jaxspeech.data.esperanto import translate
from jaxspeech.data.quickstart import QUICKSTART

SOURCE, TARGET = "en", "eo"


def both_tasks(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the two lines of a recording; `transcript` is what is said where `text` is its translation."""
    said = line["text"]
    return [
        {**line, "source_lang": SOURCE, "target_lang": SOURCE},
        {**line, "source_lang": SOURCE, "target_lang": TARGET, "text": translate(said), "transcript": said},
    ]


TWO_TASKS = QUICKSTART._replace(name="two_tasks", module="jaxspeech.data.two_tasks", version=1, lines=both_tasks)

if __name__ == "__main__":
    sys.exit(TWO_TASKS.main())
