"""What a run needs of each task besides the Task itself: data, assets, scores."""

from jaxspeech.jobs.job import Job as Job
from jaxspeech.jobs.recognition import RECOGNITION

# By `model.task` of a recipe.
JOBS: dict[str, Job] = {
    "ctc": RECOGNITION,
    "transducer": RECOGNITION,
    "hybrid": RECOGNITION,
}
