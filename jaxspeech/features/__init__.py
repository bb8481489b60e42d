"""Computes feature frames from waveforms (log-mel, MFCC), and augments them (SpecAugment)."""
