"""
Choose how much identity to remove
==================================

An anonymizer has a strength. :class:`~sklearn.model_selection.GridSearchCV` finds a suitable
one, with two scores, privacy and utility, and a rule that picks one of the candidates.

This example takes two minutes on two busy cores.
"""

# %%
# Recordings
# ----------
# There are three recordings of each person. The anonymizer is fitted on the first. Of the
# others, the attackers know one with its name, and identify the other.
import os
from dataclasses import replace

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_ecgid
from sklearn_ecganon.model_selection import PrivacyUtilityScorer, SessionSplit, max_utility
from sklearn_ecganon.plot import PrivacyUtilityDisplay

if os.environ.get("SKLEARN_ECGANON_DATA"):
    by_person = {}
    for record in fetch_ecgid(download_if_missing=False).data:
        by_person.setdefault(record.subject, []).append(record)
    # Three recordings of one date, of those who have three. The anonymizer gets the third.
    same_day = [
        [record for record in recordings if record.session == recordings[0].session]
        for recordings in by_person.values()
    ]
    records = [
        replace(record, session=f"recording {number}")
        for recordings in same_day
        if len(recordings) >= 3
        for number, record in zip((2, 3, 1), recordings, strict=False)
    ]
    print(f"ECG-ID Database, {len(records)} recordings")
else:
    records = make_ecg_records(n_subjects=20, n_sessions=3, random_state=0).data
    print(f"SYNTHETIC, {len(records)} records; set SKLEARN_ECGANON_DATA for real ones")

subjects = np.array([record.subject for record in records])
print(f"{len(set(subjects))} people")

# %%
# The candidates
# --------------
# The pipeline turns records into beats and, with ``inverse_transform``, beats into records.
# Each strength is a candidate. The weights are pretrained, so that ``fit`` only draws a secret.
anonymize = Pipeline(
    [
        ("segment", QRSSegmenter()),
        ("identity", PseudoIdentityAnonymizer(random_state=0)),
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
# candidates.
search = GridSearchCV(
    anonymize,
    {"identity__strength": [0.0, 0.25, 0.5, 0.75, 1.0]},
    scoring=PrivacyUtilityScorer(metric=["privacy", "utility", "is_chance"]),
    refit=max_utility(risk=0.2),
    cv=SessionSplit(),
).fit(records, subjects)

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
# Good candidates are low and to the right. The line is the Pareto front: no candidate with as
# much utility has less risk. Each strength but 0 keeps about as much of the contract, so that
# the highest one is the best choice here.
#
# The attackers of a search are quick. On ECG-ID they miss some people even in the originals,
# and a warning says so. Measure the chosen candidate again with stronger attackers:
# ``ReidentificationScorer("strongest")``, on more people.
PrivacyUtilityDisplay.from_cv_results(results, best_index=search.best_index_)
