"""
Choose how much identity to remove
==================================

An anonymizer has a strength. What is the right one? The question is one for
:class:`~sklearn.model_selection.GridSearchCV`, with two scores that pull in opposite
directions, and a rule that picks among the candidates.
"""

# %%
# Recordings
# ----------
# Two sessions of each subject: the anonymizer is fitted on the first and judged on the
# second.
import os
import warnings

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_mitdb, time_split
from sklearn_ecganon.model_selection import (
    PrivacyUtilityScorer,
    SessionSplit,
    max_utility,
)
from sklearn_ecganon.plot import PrivacyUtilityDisplay

if os.environ.get("SKLEARN_ECGANON_DATA"):
    numbers = [*range(100, 104), *range(105, 110), *range(111, 116)]
    whole = fetch_mitdb(records=[str(n) for n in numbers], download_if_missing=False).data
    print(f"MIT-BIH Arrhythmia Database, {len(whole)} records")
else:
    whole = make_ecg_records(n_subjects=14, n_sessions=1, duration=900.0, random_state=0).data
    print(f"SYNTHETIC, {len(whole)} records; set SKLEARN_ECGANON_DATA for real ones")

records = time_split(whole, fraction=0.2, duration=60.0)
subjects = np.array([record.subject for record in records])

# %%
# The candidates
# --------------
# The pipeline goes from records to beats and, by ``inverse_transform``, back. Every strength
# is a candidate.
anonymize = Pipeline(
    [
        ("segment", QRSSegmenter(leads=[0], sampling_rate=250.0)),
        ("identity", NonQRSVAEAnonymizer(max_epochs=5, random_state=0)),
    ]
)

# %%
# Two scores and a rule
# ---------------------
# :class:`~sklearn_ecganon.model_selection.PrivacyUtilityScorer` lets attackers try on the
# held-out session, an ignorant one and one who retrains, and asks how much of the diagnostic
# contract is kept: would a cardiologist conclude the same?
# :func:`~sklearn_ecganon.model_selection.max_utility` picks the most useful candidate whose
# risk is low enough. Where there is none it warns and takes the most useful of the most
# private ones. We print that warning: it is the result.
search = GridSearchCV(
    anonymize,
    {"identity__strength": [0.0, 0.25, 0.5, 0.75, 1.0]},
    scoring=PrivacyUtilityScorer(),
    refit=max_utility(risk=0.05),
    cv=SessionSplit(),
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    search.fit(records, subjects)
for warning in caught:
    print(warning.message)

# %%
# What was found
# --------------
# Risk is ``1 - privacy``: how far the worst attacker gets from guessing (0) to certainty (1).
found = search.cv_results_
print("strength  utility  risk")
for strength, utility, privacy in zip(
    found["param_identity__strength"],
    found["mean_test_utility"],
    found["mean_test_privacy"],
    strict=True,
):
    print(f"{strength:8.2f}  {utility:7.3f}  {1 - privacy:4.2f}")
print("refitted:", search.best_params_)

# %%
# ``search`` is now that anonymizer: ``search.transform(records)`` gives beats, and
# ``search.inverse_transform`` records.
#
# Good candidates are low and to the right. The line is the Pareto front: for so much utility
# no candidate has less risk. If the front stays high up on its whole length, no strength of
# this method hides the person, however much of the contract it gives away. That is a reason
# to take another method, and no reason to take another attacker.
PrivacyUtilityDisplay.from_cv_results(found, best_index=search.best_index_)
