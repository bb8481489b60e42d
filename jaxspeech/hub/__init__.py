"""Fetches models from the Hugging Face Hub, and lists those that NVIDIA has published for NeMo."""

from jaxspeech.hub.fetch import download as download
from jaxspeech.hub.fetch import download_tokenizer as download_tokenizer
from jaxspeech.hub.fetch import is_hub_name as is_hub_name
from jaxspeech.hub.published import PublishedModel as PublishedModel
from jaxspeech.hub.published import list_models as list_models
