"""What a training run needs for each task besides the Task itself: data, assets, scores."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.jobs.classification import CLASSIFICATION
from jaxspeech.jobs.frame_classification import FRAME_CLASSIFICATION
from jaxspeech.jobs.job import Job as Job
from jaxspeech.jobs.recognition import RECOGNITION
from jaxspeech.jobs.regression import REGRESSION
from jaxspeech.jobs.speaker import SPEAKER

# Keys: the field `task` of a model's configuration.
JOBS: dict[str, Job] = {
    "classification": CLASSIFICATION,
    "ctc": RECOGNITION,
    "frame_classification": FRAME_CLASSIFICATION,
    "transducer": RECOGNITION,
    "hybrid": RECOGNITION,
    "regression": REGRESSION,
    "speaker": SPEAKER,
}


def find_job(model: Mapping[str, Any]) -> Job:
    """Finds the job for a model's task.

    Raises:
      ConfigError: there is no such task.
    """
    task = model.get("task")
    if task not in JOBS:
        raise ConfigError(f"model.task cannot be {task!r}{did_you_mean(str(task), JOBS)}")
    return JOBS[task]
