"""
One scan made into another
==========================

Two networks translate between two kinds of images, without ever seeing a pair, and each
undoes the other. :class:`~sklearn_ecganon.images.CycleGANTranslator` turns contrasts of
a scanner into each other; :class:`~sklearn_ecganon.anonymizers.CycleGANAnonymizer` does it with
the beats of two groups of people. What that hides is another question, asked at the end.
"""

# %%
# Two domains
# -----------
# Slices of brain MRI: T1 is one domain, T2 the other. The last patient is left out of
# training.
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon.images import CycleGANTranslator, PreviewGrid, load_mri_slices


def made_heads(n_patients=3, n_slices=24):
    """Make slices of heads of nobody in two contrasts: a skull, tissue and two ventricles."""
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
    t1, t2, patient = made_heads()
    print("SYNTHETIC heads; set SKLEARN_ECGANON_DATA for real ones")
seen = patient < patient.max()

# %%
# Training
# --------
# The domain of each image is handed to `fit`. Which T1 belongs to which T2 is not. A callback
# has a preview written: examples of each domain, translated, and back again.
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
# The judges of real and translated hold the translators in check, and neither side wins.
# There and back, images come home: the cycle error is a share of the range.
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
epochs = np.arange(1, gan.n_iter_ + 1)
for ax, name in zip(axes, ("generator_loss", "discriminator_loss", "cycle_error"), strict=True):
    ax.plot(epochs, gan.history_[name], color="#0072B2")
    ax.set(title=name.replace("_", " "), xlabel="epoch", ylim=(0, None))

# %%
# A patient never seen
# --------------------
original, wanted = t1[~seen], t2[~seen]
translated = gan.translate(original)
back = gan.round_trip(original)
rows = {"T1": original, "translated": translated, "back": back, "true T2": wanted}
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


print(f"T1 as it is:   {psnr(original, wanted):.1f} dB from the true T2")
print(f"translated:    {psnr(translated, wanted):.1f} dB")
print(f"there and back within {np.abs(back - original).mean():.3f} of the range")

# %%
# Is anybody hidden?
# ------------------
# Someone holds T2 slices of all patients, with names, and wants to name the translated ones.
# Slice by slice he compares edges, which lie where they lay whatever is dark or light, and
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
    f"{np.mean(np.array(answers) == patient.max()):.0%} of the translated slices are given "
    f"to the right one of {len(people)} patients"
)

# %%
# A translation keeps what is peculiar to a head, as it must if the way back is to end at the
# original. And who holds the fitted model walks that way: it is a key, not a shredder. To
# measure what is left of people, use :func:`~sklearn_ecganon.images.verify_release` for
# images and :class:`~sklearn_ecganon.ReidentificationScorer` for heartbeats.
