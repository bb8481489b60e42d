"""Reports the results of a run as one self-contained HTML file."""
