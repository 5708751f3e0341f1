"""
Translation between two contrasts of MRI
========================================

Two networks translate between two kinds of images, and each inverts the other. They learn
without pairs. :class:`~sklearn_ecganon.images.CycleGANTranslator` translates between two
contrasts of a scanner here. The last section asks whether a translation hides the patient.
"""

# %%
# Two domains
# -----------
# Slices of brain MRI: T1 is one domain, T2 the other. The last patient is not used for
# training.
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon.images import CycleGANTranslator, PreviewGrid, load_mri_slices


def synthetic_heads(n_patients=3, n_slices=24):
    """Return slices of synthetic heads in two contrasts: skull, tissue and two ventricles."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    t1, t2 = [], []
    for _ in range(n_patients):
        wide, high, apart = rng.uniform([0.55, 0.7, 0.15], [0.75, 0.9, 0.25])
        for level in np.linspace(0.4, 1, n_slices):
            head = (x / (wide * level)) ** 2 + (y / (high * level)) ** 2
            folds = 0.5 + 0.5 * np.sin(12 * np.arctan2(y, x) + 6 * head)
            brain, cortex = head < 0.8, folds * (head > 0.5)
            water = sum(
                ((x - s * apart * level) / 0.1) ** 2 + (y / (0.3 * level)) ** 2 < 1
                for s in (-1, 1)
            )
            t1.append(brain * np.where(water > 0, 0.15, 0.8 - 0.3 * cortex))
            t2.append(brain * np.where(water > 0, 0.95, 0.3 + 0.3 * cortex))
    return np.array(t1), np.array(t2), np.repeat(np.arange(n_patients), n_slices)


if os.environ.get("SKLEARN_ECGANON_DATA"):
    bunch = load_mri_slices(subset="mni_paired")
    # The middle of each image, at half its size.
    middle = bunch.images[:, 16:112, 16:112].reshape(-1, 48, 2, 48, 2).mean(axis=(2, 4))
    t1, t2 = (middle[bunch.target == bunch.target_names.index(name)] for name in ("T1", "T2"))
    patient = np.unique(bunch.subject, return_inverse=True)[1][bunch.target == 0]
    print(f"open MS data, {len(np.unique(patient))} patients, {len(t1)} slices")
else:
    t1, t2, patient = synthetic_heads()
    print("SYNTHETIC heads; set SKLEARN_ECGANON_DATA for real ones")
seen = patient < patient.max()

# %%
# Training
# --------
# `fit` gets the domain of each image, but not which T1 belongs to which T2. A callback writes
# a preview: examples of each domain, their translations, and these translated back.
gan = CycleGANTranslator(n_filters=8, batch_size=4, lr=5e-4, max_epochs=32, random_state=0)
X = np.concatenate([t1[seen], t2[seen]])
domain = np.repeat(["T1", "T2"], seen.sum())
with tempfile.TemporaryDirectory() as folder:
    preview = PreviewGrid(folder, every=16, n_columns=6)
    gan.set_callbacks(preview).fit(X, domain=domain)
    picture = plt.imread(preview.paths[-1])

figure, ax = plt.subplots(figsize=(6, 6), layout="constrained")
ax.imshow(picture)
ax.set(title="preview after the last epoch")
ax.set_axis_off()

# %%
# Translators and discriminators stay in balance. After a translation there and back images
# are close to the originals: the cycle error is a fraction of the range.
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
epochs = np.arange(1, gan.n_iter_ + 1)
for ax, name in zip(axes, ("generator_loss", "discriminator_loss", "cycle_error"), strict=True):
    ax.plot(epochs, gan.history_[name], color="#0072B2")
    ax.set(title=name.replace("_", " "), xlabel="epoch", ylim=(0, None))

# %%
# A new patient
# -------------
original, true_t2 = t1[~seen], t2[~seen]
translated = gan.translate(original)
back = gan.round_trip(original)
rows = {"T1": original, "translated": translated, "back": back, "true T2": true_t2}
shown = np.linspace(2, len(original) - 6, 6).astype(int)
figure, axes = plt.subplots(4, 6, figsize=(9, 6.2), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, i in zip(line, shown, strict=True):
        ax.imshow(images[i], cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)


def psnr(a, b):
    """Return the peak signal-to-noise ratio in dB of images in [0, 1]."""
    return -10 * np.log10(np.mean((a - b) ** 2))


print(f"T1 as it is:   {psnr(original, true_t2):.1f} dB from the true T2")
print(f"translated:    {psnr(translated, true_t2):.1f} dB")
print(f"there and back within {np.abs(back - original).mean():.3f} of the range")

# %%
# Does the translation hide the patient?
# --------------------------------------
# An attacker has identified T2 slices of all patients, and tries to identify the translated
# slices. For each slice the attacker compares edges, which do not depend on the contrast, and
# takes the patient whose edges correlate best.
people = np.unique(patient)
gallery = np.stack([t2[patient == person] for person in people], axis=1)


def edges(image):
    return np.hypot(*np.gradient(image)).ravel()


answers = []
for one, others in zip(translated, gallery, strict=True):
    if others.std(axis=(1, 2)).min() > 0.01:  # not above the head
        close = [np.corrcoef(edges(one), edges(other))[0, 1] for other in others]
        answers.append(people[np.argmax(close)])
print(
    f"{np.mean(np.array(answers) == patient.max()):.0%} of the translated slices are "
    f"identified among {len(people)} patients"
)

# %%
# A translation must preserve what distinguishes a head, because the way back must end at the
# original. With the fitted model an attacker can even recover the original: the model is a
# key. Use :func:`~sklearn_ecganon.images.verify_release` to measure identity in images.
