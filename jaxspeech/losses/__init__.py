"""Losses: padded arrays with lengths in, one loss for each row out."""

from jaxspeech.losses.ctc import ctc_loss as ctc_loss
