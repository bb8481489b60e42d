"""The families of NeMo's models that can be read and written; add one as a file here and a name in `FAMILIES`."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.assets import Assets
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families.attention import ATTENTION
from jaxspeech.interop.nemo.families.classification import CLASSIFICATION
from jaxspeech.interop.nemo.families.codec import CODEC
from jaxspeech.interop.nemo.families.contrastive import CONTRASTIVE
from jaxspeech.interop.nemo.families.ctc import CTC
from jaxspeech.interop.nemo.families.enhancement import ENHANCEMENT
from jaxspeech.interop.nemo.families.family import Family
from jaxspeech.interop.nemo.families.fastpitch import FASTPITCH
from jaxspeech.interop.nemo.families.frame_classification import FRAME_CLASSIFICATION
from jaxspeech.interop.nemo.families.generative_enhancement import GENERATIVE_ENHANCEMENT
from jaxspeech.interop.nemo.families.hybrid import HYBRID
from jaxspeech.interop.nemo.families.multitalker import MULTITALKER
from jaxspeech.interop.nemo.families.predictive_enhancement import PREDICTIVE_ENHANCEMENT
from jaxspeech.interop.nemo.families.pretraining import PRETRAINING
from jaxspeech.interop.nemo.families.regression import REGRESSION
from jaxspeech.interop.nemo.families.sortformer import SORTFORMER
from jaxspeech.interop.nemo.families.speaker import SPEAKER
from jaxspeech.interop.nemo.families.transducer import TRANSDUCER
from jaxspeech.interop.nemo.families.unprompted import UNPROMPTED
from jaxspeech.interop.nemo.families.vocoder import VOCODER
from jaxspeech.interop.nemo.sections.read import class_name

FAMILIES = (
    CTC,
    TRANSDUCER,
    HYBRID,
    MULTITALKER,
    ATTENTION,
    UNPROMPTED,
    CLASSIFICATION,
    FRAME_CLASSIFICATION,
    REGRESSION,
    SPEAKER,
    SORTFORMER,
    PREDICTIVE_ENHANCEMENT,
    ENHANCEMENT,
    GENERATIVE_ENHANCEMENT,
    VOCODER,
    FASTPITCH,
    CODEC,
    PRETRAINING,
    CONTRASTIVE,
)
BY_CLASS = {name: family for family in FAMILIES for name in family.classes}
BY_TASK: dict[str, Family] = {}
for _family in FAMILIES:
    BY_TASK.setdefault(_family.task, _family)  # the first family of each task


def family_of_nemo(config: Mapping[str, Any]) -> Family:
    """Finds the family of the class that NeMo's configuration names.

    Raises:
      ArchiveError: the class is not supported.
    """
    name = class_name(config.get("target"))
    if name not in BY_CLASS:
        raise ArchiveError(f"not supported: NeMo's class {name} (can be {', '.join(BY_CLASS)})")
    return BY_CLASS[name]


def family_of_model(model: Mapping[str, Any], assets: Assets | None = None) -> Family:
    """Finds the family as which a model of ours is written.

    Args:
      model: its configuration.
      assets: what it owns besides its variables; None: the first family of its task.

    Raises:
      ArchiveError: its task is not supported.
    """
    task = model.get("task")
    if task not in BY_TASK:
        raise ArchiveError(f"not supported: a .nemo file of the task {task!r} (can be {', '.join(BY_TASK)})")
    candidates = (BY_TASK[task], *(family for family in FAMILIES if family.task == task))
    return next(family for family in candidates if family.suits(model) and (assets is None or family.takes(assets)))
