"""Scoring of predictions, with one file per score."""
