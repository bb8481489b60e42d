"""Model files from the Hugging Face Hub, and the names that the peer has published."""

from jaxspeech.hub.fetch import download as download
from jaxspeech.hub.fetch import is_hub_name as is_hub_name
from jaxspeech.hub.published import PublishedModel as PublishedModel
from jaxspeech.hub.published import list_models as list_models
