"""
Choose how much identity to remove
==================================

An anonymizer has a strength. :class:`~sklearn.model_selection.GridSearchCV` finds a suitable
one, with two scores, privacy and utility, and a rule that picks one of the candidates.
"""

# %%
# Recordings
# ----------
# There are two sessions of each subject. The anonymizer is fitted on the first and evaluated
# on the second.
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
# The pipeline turns records into beats and, with ``inverse_transform``, beats into records.
# Each strength is a candidate.
anonymize = Pipeline(
    [
        ("segment", QRSSegmenter(leads=[0], sampling_rate=250.0)),
        ("identity", NonQRSVAEAnonymizer(max_epochs=5, random_state=0)),
    ]
)

# %%
# Two scores and a rule
# ---------------------
# :class:`~sklearn_ecganon.model_selection.PrivacyUtilityScorer` runs an ignorant attacker and a
# retrained one on the held-out session. It also measures how much of the diagnostic contract is
# kept: whether a cardiologist would conclude the same.
# :func:`~sklearn_ecganon.model_selection.max_utility` picks the most useful candidate whose
# risk is low enough. If there is none, it warns and picks the most useful of the most private
# candidates. The example prints this warning, because it is the result.
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
# Results
# -------
# Risk is ``1 - privacy``: 0 if the worst attacker guesses, 1 if they always succeed.
results = search.cv_results_
print("strength  utility  risk")
for strength, utility, privacy in zip(
    results["param_identity__strength"],
    results["mean_test_utility"],
    results["mean_test_privacy"],
    strict=True,
):
    print(f"{strength:8.2f}  {utility:7.3f}  {1 - privacy:4.2f}")
print("refitted:", search.best_params_)

# %%
# ``search`` now is the anonymizer with this strength: ``search.transform(records)`` gives
# beats, and ``search.inverse_transform`` gives records.
#
# Good candidates are low and to the right. The line is the Pareto front: no candidate with as
# much utility has less risk. If the whole front is high, no strength of this method protects
# people, however much utility it costs. Then use another method.
PrivacyUtilityDisplay.from_cv_results(results, best_index=search.best_index_)
