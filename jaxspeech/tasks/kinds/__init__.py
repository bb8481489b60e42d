"""The kinds of models, defined by their inference functions: `Task.inference` is one of these records.

Every function is pure and takes the variables first. "Waveforms" stands for padded samples [B S] with num_samples [B].
"""

from jaxspeech.tasks.kinds.answering import Answering as Answering
from jaxspeech.tasks.kinds.classification import Classification as Classification
from jaxspeech.tasks.kinds.coding import Coding as Coding
from jaxspeech.tasks.kinds.diarization import Diarization as Diarization
from jaxspeech.tasks.kinds.embedding import Embedding as Embedding
from jaxspeech.tasks.kinds.encoding import Encoding as Encoding
from jaxspeech.tasks.kinds.enhancement import Enhancement as Enhancement
from jaxspeech.tasks.kinds.generation import Generation as Generation
from jaxspeech.tasks.kinds.recognition import Attention as Attention
from jaxspeech.tasks.kinds.recognition import IncrementalSearch as IncrementalSearch
from jaxspeech.tasks.kinds.recognition import Prompting as Prompting
from jaxspeech.tasks.kinds.recognition import Recognition as Recognition
from jaxspeech.tasks.kinds.regression import Regression as Regression
from jaxspeech.tasks.kinds.speaking import Speaking as Speaking
from jaxspeech.tasks.kinds.synthesis import Synthesis as Synthesis
from jaxspeech.tasks.kinds.synthesis import Timing as Timing
from jaxspeech.tasks.kinds.talker_recognition import TalkerRecognition as TalkerRecognition
from jaxspeech.tasks.kinds.vocoding import IncrementalVocoding as IncrementalVocoding
from jaxspeech.tasks.kinds.vocoding import Vocoding as Vocoding
