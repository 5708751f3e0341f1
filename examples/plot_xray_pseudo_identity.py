"""
A synthetic person in a chest X-ray
===================================

:class:`~sklearn_ecganon.images.PseudoIdentityImageAnonymizer` replaces the person in an image
by a synthetic one with the same label. Synthetic people are sewn together from warped places of
several images of other patients. Attackers who are trained on the release measure what is left
of the person.
"""

# %%
# Images
# ------
# Chest X-rays if available, reduced to 64 x 64 pixels to save time. Otherwise each person has a
# smooth random pattern, and each finding a bright corner.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.model_selection import GroupShuffleSplit

from sklearn_ecganon.images import (
    MatchingVerifier,
    PseudoIdentityImageAnonymizer,
    load_nih_chest_xrays,
    verify_release,
)

home = os.environ.get("SKLEARN_ECGANON_DATA")
if home and (Path(home) / "nih-chestxray-128").is_dir():
    bunch = load_nih_chest_xrays(home)
    images = bunch.images.reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4))
    subjects, match = bunch.subject, np.column_stack([bunch.view, bunch.sex])
    findings = np.array(bunch.target_names)[bunch.target]
    print(f"NIH ChestX-ray14: {len(images)} images of {len(np.unique(subjects))} patients")
else:
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(60), 3)
    patterns = gaussian_filter(rng.standard_normal((60, 64, 64)), (0, 4, 4))
    images = patterns[subjects] / patterns.std() + 0.3 * rng.standard_normal((180, 64, 64))
    findings, match = np.where(subjects % 2, "opacity", "none"), np.full((180, 2), "PA")
    images[subjects % 2 == 1, :20, :20] += 3
    print(f"SYNTHETIC: {len(images)} images of {len(np.unique(subjects))} people")

# %%
# A release
# ---------
# The anonymizer learns from two thirds of the patients, and releases images of the others.
# `labels` holds all that must survive: here the finding and the view.
labels = np.char.add(np.char.add(findings.astype(str), ", "), match[:, 0].astype(str))
split = GroupShuffleSplit(1, test_size=1 / 3, random_state=0)
[(train, test)] = split.split(images, groups=subjects)
model = PseudoIdentityImageAnonymizer(random_state=0)
model.fit(images[train], subjects[train], labels=labels[train])
released = model.transform(images, labels)


def standardized(X):
    rows = X.reshape(len(X), -1) - X.mean(axis=(1, 2))[:, None]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# %%
# Below each release stands the training image that correlates with it most: a release is no
# copy of it.
shown = np.random.default_rng(0).choice(test, 6, replace=False)
similarity = standardized(released[shown]) @ standardized(images[train]).T
nearest = images[train][similarity.argmax(axis=1)]
rows = {"original": images[shown], "release": released[shown], "nearest in training": nearest}
figure, axes = plt.subplots(3, 6, figsize=(9, 5), layout="constrained")
for ax_row, (title, group) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(ax_row, group, strict=True):
        ax.imshow(image, cmap="gray", vmin=images.min(), vmax=images.max())
        ax.set_axis_off()
    ax_row[0].set_title(title, loc="left", fontsize=10)
for ax, value in zip(axes[2, 1:], similarity.max(axis=1)[1:], strict=True):
    ax.set_title(f"r = {value:.2f}", loc="right", fontsize=9)
plt.show()

# %%
# Who is recognized?
# ------------------
# The attacker moves one image onto the other and compares them place by place. Trained on pairs
# of an original and a release, it knows of the anonymizer. The attacker's own release has
# another salt. A second attacker, a network, is left out here to save time: use both.
others = model.resalt(1).transform(images, labels)
others[test] = released[test]
is_test = np.isin(np.arange(len(images)), test)
attacker = MatchingVerifier(size=64, n_impostors=2, n_cohort=5, random_state=0)
result = verify_release(attacker, images, others, subjects, is_test, match=match)
print(result)

# %%
attacks = [("original", "originals")]
attacks += [(name, name) for name in ("ignorant", "lazy-informed", "semi-informed")]
figure, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
for offset, evidence in ((-0.17, "single"), (0.17, "linked")):
    values = [result.auc(knowledge, "matching", evidence)[0] for knowledge, _ in attacks]
    ax.barh(np.arange(len(attacks)) + offset, values, height=0.32, label=evidence)
ax.axvline(0.5, color="0.4", linestyle="--")
ax.text(0.502, -0.62, "guessing", fontsize=8, color="0.3")
ax.set_yticks(range(len(attacks)), [title for _, title in attacks])
ax.invert_yaxis()
ax.set(xlim=(0.3, 1), xlabel="AUC of recognizing a patient")
ax.legend(title="originals of a person", fontsize=8, title_fontsize=8, loc="lower right")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
