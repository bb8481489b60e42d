"""Computes signals of several microphones from one another: arrays in, arrays out."""
