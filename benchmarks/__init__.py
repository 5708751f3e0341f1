"""Commands that print the figures of README and documentation.

Run them from the root of the repository, for example ``python -m benchmarks.beat_class``.
Each has ``--quick``, which runs it within seconds on synthetic data: a test of the script,
not a figure.
"""
