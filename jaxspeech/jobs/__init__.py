"""What a training run needs for each task besides the Task itself: data, assets, scores."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.jobs.job import Job as Job
from jaxspeech.table import Table

# Keys: the field `task` of a model's configuration.
JOBS: Table[Job] = Table(
    {
        "attention": "jaxspeech.jobs.attention:ATTENTION",
        "classification": "jaxspeech.jobs.classification:CLASSIFICATION",
        "codec": "jaxspeech.jobs.codec:CODEC",
        "contrastive": "jaxspeech.jobs.pretrain:PRETRAIN",
        "ctc": "jaxspeech.jobs.recognition:RECOGNITION",
        "enhancement": "jaxspeech.jobs.enhancement:ENHANCEMENT",
        "frame_classification": "jaxspeech.jobs.frame_classification:FRAME_CLASSIFICATION",
        "generative_enhancement": "jaxspeech.jobs.enhancement:ENHANCEMENT",
        "hybrid": "jaxspeech.jobs.recognition:RECOGNITION",
        "hybrid_text": "jaxspeech.jobs.hybrid_text:HYBRID_TEXT",
        "language_model": "jaxspeech.jobs.language_model:LANGUAGE_MODEL",
        "multitalker": "jaxspeech.jobs.multitalker:MULTITALKER",
        "pretrain": "jaxspeech.jobs.pretrain:PRETRAIN",
        "regression": "jaxspeech.jobs.regression:REGRESSION",
        "sortformer": "jaxspeech.jobs.sortformer:SORTFORMER",
        "speaker": "jaxspeech.jobs.speaker:SPEAKER",
        "speech": "jaxspeech.jobs.speech:SPEECH",
        "speech_lm": "jaxspeech.jobs.speech_lm:SPEECH_LM",
        "transducer": "jaxspeech.jobs.recognition:RECOGNITION",
        "voice": "jaxspeech.jobs.speech:SPEECH",
        "vocoder": "jaxspeech.jobs.vocoder:VOCODER",
    }
)


def find_job(model: Mapping[str, Any]) -> Job:
    """Finds the job for a model's task.

    Raises:
      ConfigError: there is no such task.
    """
    task: Any = model.get("task")
    if task not in JOBS:
        raise ConfigError(f"model.task cannot be {task!r}{did_you_mean(str(task), JOBS)}")
    return JOBS[task]
