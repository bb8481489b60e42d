"""The job of recognition among several speakers: what one of them says, and who speaks when."""

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.talker import SPEAKER, talker_activity
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.manifest import Manifest
from jaxspeech.jobs.known_texts import look_at_texts
from jaxspeech.jobs.recognition import RECOGNITION, TOO_LONG
from jaxspeech.jobs.recordings import recordings
from jaxspeech.tasks.task import Task


def _columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
    return {
        "labels": transcripts(manifest, assets["tokenizer"]),
        "activity": talker_activity(manifest, frame_seconds=task.inference.frame_seconds),
    }


MULTITALKER = RECOGNITION._replace(
    data=recordings(
        _columns, need=("text",), identity=("text", SPEAKER, "turns"), look=look_at_texts, infeasible=TOO_LONG
    )
)
