"""
========================
Twelve recordings, twice
========================

Each pair shows ten seconds of a recording of MIT-BIH or LUDB, and below it ten seconds of its
release by the pretrained :class:`~sklearn_ecganon.PseudoIdentityAnonymizer`, under the
diagnostic contract. Look at them as a cardiologist would: is the finding still there, and is
the person gone? The population of synthetic people was learned from these databases, among
others.

The example takes about a minute after MIT-BIH and LUDB have been downloaded.
"""

# %%
# The recordings were chosen for their findings, before their releases were looked at.

import matplotlib.pyplot as plt

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter
from sklearn_ecganon.datasets import fetch_ludb, fetch_mitdb

MITDB = {
    "100": ("sinus rhythm", "MLII"),
    "104": ("ventricular pacing, with fusion beats", "V5"),
    "109": ("left bundle branch block", "MLII"),
    "118": ("right bundle branch block", "V1"),
    "119": ("ventricular bigeminy", "MLII"),
    "201": ("atrial fibrillation", "MLII"),
    "207": ("ventricular ectopy, left bundle branch block", "MLII"),
    "232": ("pauses", "MLII"),
}
LUDB = {  # the diagnoses of the publisher
    "1": ("12 leads, sinus rhythm", "II"),
    "23": ("12 leads, complete right bundle branch block", "V1"),
    "44": ("12 leads, atrial fibrillation, complete left bundle branch block", "V1"),
    "96": ("12 leads, atrial fibrillation", "II"),
}


def pairs(records, findings, segmenter, start):
    """Yield the title, the lead, the original and the release of some recordings."""
    chosen = [record for record in records if record.name.split("/")[-1] in findings]
    beats = segmenter.fit_transform(chosen)
    model = PseudoIdentityAnonymizer(random_state=0)
    released = segmenter.inverse_transform(model.fit_transform(beats))
    for before, after in zip(chosen, released, strict=True):
        name = before.name.split("/")[-1]
        finding, lead = findings[name]
        yield f"{name}: {finding}, lead {lead}", lead.upper(), before, after, start


mitdb = [record.crop(0, 360 * 120) for record in fetch_mitdb().data]
rows = list(pairs(mitdb, MITDB, QRSSegmenter("annotated"), 30.0))
ludb = fetch_ludb(true_amplitudes=True).data
rows += list(pairs(ludb, LUDB, QRSSegmenter(leads=ludb[0].lead_names), 0.0))

# %%
# The release has another rhythm, so that ectopic beats and pauses stand at other places.

fig, axes = plt.subplots(2 * len(rows), 1, figsize=(10, 4.6 * len(rows)), layout="constrained")
for (title, lead, before, after, start), above, below in zip(
    rows, axes[::2], axes[1::2], strict=True
):
    for ax, record, side in ((above, before, "original"), (below, after, "release")):
        [name] = [name for name in record.lead_names if name.upper() == lead]
        record.plot(start=start, duration=9.9, leads=[name], limits=(-2, 2), ax=ax)
        ax.set_title(f"{title}, {side}", loc="left", fontsize=10)

# %%
# **What is still unlike.** One ventricular shape is used for a recording, so that multiform
# beats become uniform. Fibrillatory waves are more regular than real ones. Paced beats look
# alike in all releases, because few people of the population have a pacemaker.
