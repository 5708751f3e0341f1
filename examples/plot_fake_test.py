"""
Do generated images show their class?
=====================================

A network generates chest X-rays with pneumonia. Do these images show pneumonia?
:class:`~sklearn_ecganon.images.FakeTest` asks a classifier that has learned from real images
only.

The same figure has two readings. Where fakes are made to deceive a classifier, its failure
is the success of the attack. The founding work reads it that way: its ResNet-18 fell from an
accuracy of 0.98 on real images to 0.63, 0.57 and 0.55 on fakes after 100, 200 and 500
iterations. Here generated images replace real ones. The same fall then means that utility is
lost, because the images do not show the finding.
"""

# %%
# Images
# ------
# Two classes. The patients of training and test images are different.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_ecganon.images import FakeTest, FakeTestMonitor, GANSynthesizer

home = os.environ.get("SKLEARN_ECGANON_DATA")
if home and (Path(home) / "kermany-chestxray-64.npz").is_file():
    data = np.load(Path(home) / "kermany-chestxray-64.npz")
    # 32 x 32 pixels are enough to see the idea, and a quarter of the work.
    images = data["images"].reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4)).astype(np.float32)
    finding = np.where(data["label"] == "normal", "normal", "pneumonia")
    patient = data["patient"]
    print(f"Kermany et al., {len(images)} chest X-rays of {len(np.unique(patient))} patients")
else:
    digits = load_digits(n_class=2)
    images = digits.images.repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)
    finding = np.where(digits.target == 0, "zero", "one")
    patient = np.arange(len(images))
    print(f"{len(images)} digits; set SKLEARN_ECGANON_DATA for chest X-rays")

names = np.random.default_rng(0).permutation(np.unique(patient))
is_test = np.isin(patient, names[: len(names) // 4])
classes = np.unique(finding)

# %%
# A classifier of real images
# ---------------------------
# A ResNet-18, narrow enough for a laptop, learns from three quarters of the patients.
classifier = FakeTest(width=8, max_epochs=4).fit(images[~is_test], finding[~is_test])
real = classifier.evaluate(images[is_test], finding[is_test])
print(f"real images of other patients: accuracy {real.accuracy:.2f}, AUC {real.auc:.2f}")

# %%
# A generator, tested during training
# -----------------------------------
# Every 100 iterations a callback generates 150 images of each class and classifies them.
labels = np.repeat(classes, 150)
monitor = FakeTestMonitor(classifier, labels, every=2)
generator = GANSynthesizer(
    n_filters=8,
    max_epochs=10,
    epoch_size=1600,
    batch_size=32,
    lr=5e-4,
    discriminator_lr=5e-4,
    random_state=0,
)
generator.set_callbacks(monitor).fit(images[~is_test], labels=finding[~is_test])

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
iterations = [row.n_iterations for row in monitor.rows]
ax.axhline(real.accuracy, color="#8c8c8c", linestyle="--", label="real images")
ax.plot(iterations, [row.accuracy for row in monitor.rows], color="#0072B2", label="ours")
if "pneumonia" in classes:
    ax.plot([100, 200, 500], [0.63, 0.57, 0.55], "o", color="#D55E00", label="founding work")
ax.axhline(0.5, color="0.8", linewidth=1)
ax.set(
    xlabel="iterations of the generator", ylabel="accuracy of the classifier", ylim=(0.4, 1.02)
)
ax.legend(frameon=False)

# %%
# This generator gets the class as an input, and its discriminator checks the class. The
# classifier therefore recognizes the class of most fakes.
#
# Real and generated images
# -------------------------
fakes = generator.sample(len(labels), labels, random_state=1)
figure, axes = plt.subplots(4, 7, figsize=(9, 5.4), layout="constrained")
rng = np.random.default_rng(0)
for pair, name in zip(np.split(axes, 2), classes, strict=True):
    shown = images[is_test & (finding == name)], fakes[labels == name]
    for row, pool, kind in zip(pair, shown, ("real", "generated"), strict=True):
        for ax, picture in zip(row, rng.permutation(pool)[:7], strict=True):
            ax.imshow(picture, cmap="gray", vmin=images.min(), vmax=images.max())
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"{name}\n{kind}")

# %%
# Are the images realistic?
# -------------------------
# This is another question: a fake may show the finding, and a classifier may still recognize
# it as a fake. This one learns for three epochs from few images. With a longer training it
# hardly ever errs (``benchmarks/images/gan.py``).
apart = classifier.set_params(max_epochs=3).tell_apart(images[is_test][:300], fakes)
print(f"real or generated: AUC {apart.auc:.2f}")
