"""Skorch nets trained at the speed of a plain loop, seen by scikit-learn's callbacks."""
