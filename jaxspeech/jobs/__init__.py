"""What a training run needs for each task besides the Task itself: data, assets, scores."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.jobs.job import Job as Job
from jaxspeech.jobs.recognition import RECOGNITION
from jaxspeech.jobs.speaker import SPEAKER

# Keys: the field `task` of a model's configuration.
JOBS: dict[str, Job] = {
    "ctc": RECOGNITION,
    "transducer": RECOGNITION,
    "hybrid": RECOGNITION,
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
