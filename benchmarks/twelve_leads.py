"""Compare the 12-lead categories with the statements of cardiologists, and with themselves.

    OMP_NUM_THREADS=1 python -m benchmarks.twelve_leads

Agreement: sensitivity, specificity and Cohen's kappa of categories against the SCP-ECG
statements of PTB-XL (300 records at 100 Hz) and against the diagnoses of LUDB (200 records at
500 Hz, true amplitudes). The delineator and the limits for pacing were fitted to LUDB. Normal:
how often a category is not normal in records that are stated normal. Repeatability: the same
category from the odd and the even beats of a record, from its two halves, by the fiducial
points of the spatial rule instead of the delineator's, and at 100 Hz. The first two are the
ceiling of what a release can keep. Profiles: how many people share the combination of all
categories. Floor of halves: how often the categories of the second half of a record identify
its first half, an indication of the floor within one session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.contracts import (
    CATEGORIES,
    NO_P_WAVE,
    TWELVE_LEAD_CATEGORIES,
    UNMEASURED,
    measure,
    profile_anonymity,
    profiles,
    twelve_lead_categories,
)
from sklearn_ecganon.datasets import load_protocol
from sklearn_ecganon.records import BeatSet

Categories = dict[str, NDArray[np.intp]]

NAMES = (*CATEGORIES, *TWELVE_LEAD_CATEGORIES)
#: Categories that depend on the rhythm, which odd and even beats share.
RHYTHM = ("rate_zone", "irregularity", "qtc", "arrhythmia", "pauses")
NORMAL = {"rate_zone": 1, "pr": 1, "st": 1, "axis": 1, "transition": 1} | {
    name: 1 for name in TWELVE_LEAD_CATEGORIES if name.startswith("st_")
}
NORMAL |= {name: 2 for name in TWELVE_LEAD_CATEGORIES if name.startswith("t_")}


def code(name: str, *labels: str) -> Callable[[Categories], NDArray[np.bool_]]:
    """Return a test whether a category has one of these labels."""
    codes = [TWELVE_LEAD_CATEGORIES[name].index(label) for label in labels]
    return lambda categories: np.isin(categories[name], codes)


def any_region(wave: str, *labels: str) -> Callable[[Categories], NDArray[np.bool_]]:
    """Return a test whether a wave has one of these labels in some region."""
    tests = [
        code(f"{wave}_{region}", *labels) for region in ("anterior", "lateral", "inferior")
    ]
    return lambda categories: np.any([test(categories) for test in tests], axis=0)


def pr_is(value: int) -> Callable[[Categories], NDArray[np.bool_]]:
    """Return a test for a code of the PR interval."""
    return lambda categories: categories["pr"] == value


CONDUCTION = "ventricular_conduction"
WIDE = code(CONDUCTION, "RBBB", "LBBB", "other wide")
ISCHEMIC = ["ISC_", "ISCAL", "ISCAN", "ISCAS", "ISCIL", "ISCIN", "ISCLA"]
T_STATEMENTS = ["NDT", "LOWT", "NT_", "INVT", "TAB_", "ANEUR", *ISCHEMIC]
#: Name of the finding, statements (any of them), and the test of the categories.
PTB_XL: list[tuple[str, Collection[str], Callable[[Categories], NDArray[np.bool_]]]] = [
    ("RBBB", ["CRBBB"], code(CONDUCTION, "RBBB")),
    ("LBBB", ["CLBBB"], code(CONDUCTION, "LBBB")),
    ("incomplete RBBB", ["IRBBB"], code(CONDUCTION, "incomplete RBBB")),
    ("wide QRS", ["CRBBB", "CLBBB", "IVCD", "WPW", "PACE"], WIDE),
    ("left axis (LAFB or axis ALAD)", ["LAFB", "axis ALAD"], code("axis", "left")),
    (
        "right axis (LPFB, RVH or axis RAD, ARAD)",
        ["LPFB", "RVH", "axis RAD", "axis ARAD"],
        code("axis", "right"),
    ),
    ("high R, left", ["LVH", "VCLVH", "HVOLT"], code("high_r_left", "yes")),
    ("high R, right", ["RVH"], code("high_r_right", "yes")),
    ("low voltage", ["LVOLT"], code("low_voltage", "yes")),
    ("Q inferior", ["IMI", "ILMI", "IPMI", "IPLMI"], code("q_inferior", "significant")),
    ("Q anterior", ["AMI", "ASMI", "ALMI"], code("q_anterior", "significant")),
    ("Q lateral", ["LMI", "ALMI", "ILMI"], code("q_lateral", "significant")),
    ("Q in some region", ["QWAVE"], any_region("q", "significant")),
    ("ST depressed", ["STD_", *ISCHEMIC], any_region("st", "depressed")),
    ("T negative", ["INVT"], any_region("t", "negative")),
    ("T not positive", T_STATEMENTS, any_region("t", "negative", "flat")),
    ("long PR", ["1AVB", "LPR"], pr_is(2)),
    (
        "AF or flutter: no P",
        ["AFIB", "AFLT"],
        code("arrhythmia", "irregular without P", "regular without P"),
    ),
    ("AF", ["AFIB"], code("arrhythmia", "irregular without P")),
    (
        "irregular with P",
        ["SARRH", "PVC", "PAC", "SVARR"],
        code("arrhythmia", "irregular with P"),
    ),
]
_SCAR = ("Scar formation: ", "STEMI: ")


def _walls(*walls: str) -> list[str]:
    return [f"{kind}{wall} wall" for kind in _SCAR for wall in walls] + [
        f"{kind}{wall}" for kind in _SCAR for wall in walls
    ]


_AXIS = "Electric axis of the heart: "
LUDB: list[tuple[str, Collection[str], Callable[[Categories], NDArray[np.bool_]]]] = [
    ("RBBB", ["Complete right bundle branch block"], code(CONDUCTION, "RBBB")),
    ("LBBB", ["Complete left bundle branch block"], code(CONDUCTION, "LBBB")),
    (
        "incomplete RBBB",
        ["Incomplete right bundle branch block"],
        code(CONDUCTION, "incomplete RBBB"),
    ),
    (
        "incomplete LBBB",
        ["Incomplete left bundle branch block"],
        code(CONDUCTION, "incomplete LBBB"),
    ),
    (
        "left axis (anterior hemiblock)",
        ["Left anterior hemiblock"],
        code("axis", "left"),
    ),
    ("left axis (stated)", [_AXIS + "left axis deviation"], code("axis", "left")),
    ("right axis", [_AXIS + "right axis deviation"], code("axis", "right")),
    ("high R, left", ["Left ventricular hypertrophy"], code("high_r_left", "yes")),
    ("high R, right", ["Right ventricular hypertrophy"], code("high_r_right", "yes")),
    ("Q anterior", _walls("anterior", "septal", "apical"), code("q_anterior", "significant")),
    ("Q inferior", _walls("inferior"), code("q_inferior", "significant")),
    ("Q lateral", _walls("lateral"), code("q_lateral", "significant")),
    (
        "ST elevated, some region",
        [f"STEMI: {wall}" for wall in ("anterior wall", "septal", "lateral wall")]
        + ["STEMI: apical", "STEMI: inferior wall", "Early repolarization syndrome"],
        any_region("st", "elevated"),
    ),
    ("long PR", ["I degree AV block"], pr_is(2)),
    (
        "AF or flutter: no P",
        ["Rhythm: Atrial fibrillation", "Rhythm: Atrial flutter, typical"],
        code("arrhythmia", "irregular without P", "regular without P"),
    ),
    ("AF", ["Rhythm: Atrial fibrillation"], code("arrhythmia", "irregular without P")),
    (
        "paced",
        [
            "UNIpolar ventricular pacing",
            "BIpolar ventricular pacing",
            "Biventricular pacing",
            "UNIpolar atrial pacing",
            "P-synchrony",
        ],
        code("arrhythmia", "paced"),
    ),
]
TITLES = ("agreement", "normal", "repeatability", "profiles", "floor of halves")


def load_records(name: str, arguments: Any) -> tuple[Any, BeatSet]:
    """Return a protocol with statements, and the beats of its records."""
    if arguments.quick:
        protocol = load("synthetic", arguments, n_leads=12, n_sessions=1, duration=12.0)
        protocol.statements = [("NORM",)] * len(protocol.records)
    elif name == "ludb":
        protocol = load_protocol(name, data_home=arguments.data_home, true_amplitudes=True)
    else:
        protocol = load_protocol(name, data_home=arguments.data_home)
        protocol.statements = [
            (*of_record, f"axis {axis}") if axis else of_record
            for of_record, axis in zip(protocol.statements, protocol.axes, strict=True)
        ]
    # The detector finds the beats, because LUDB's annotations leave out those at the ends.
    return protocol, QRSSegmenter(on_error="mask").fit_transform(protocol.records)


def agreement(
    findings: Sequence[tuple[str, Collection[str], Any]],
    statements: Sequence[tuple[str, ...]],
    categories: Categories,
) -> list[dict[str, Any]]:
    """Return sensitivity, specificity and kappa of each finding that was stated."""
    rows = []
    known = categories["axis"] != UNMEASURED
    for finding, names, test in findings:
        stated = np.array([bool(set(names) & set(s)) for s in statements])[known]
        measured = test(categories)[known]
        if not stated.any():
            continue
        rows.append(
            {
                "finding": finding,
                "stated": int(stated.sum()),
                "measured": int(measured.sum()),
                "both": int((stated & measured).sum()),
                "sensitivity": float(measured[stated].mean()),
                "specificity": float((~measured[~stated]).mean()),
                "kappa": float(cohen_kappa_score(stated, measured)),
            }
        )
    return rows


def repeatability(beats: BeatSet, categories: Categories) -> list[dict[str, Any]]:
    """Return the fraction of records that have the same category in two measurements."""
    odd, even = (measure(paired(beats, side)).categories() for side in (0, 1))
    first, second = (measure(half(beats, side)).categories() for side in (0, 1))
    rule = by_rule(beats)
    slow = measure(resampled(beats, 100.0)).categories() if beats.sampling_rate > 100 else {}
    rows = []
    for name in NAMES:
        normal = categories[name] == NORMAL.get(name, 0)
        rows.append(
            {
                "category": name,
                "not normal": int((~normal & (categories[name] != UNMEASURED)).sum()),
                "odd/even": None if name in RHYTHM else _same(odd[name], even[name]),
                "halves": _same(first[name], second[name]),
                "spatial rule": _same(categories[name], rule[name]) if name in rule else None,
                "at 100 Hz": _same(categories[name], slow[name]) if slow else None,
            }
        )
    return rows


def _same(a: NDArray[np.intp], b: NDArray[np.intp]) -> float:
    known = (a != UNMEASURED) & (b != UNMEASURED)
    return float((a == b)[known].mean()) if known.any() else np.nan


def paired(beats: BeatSet, side: int) -> BeatSet:
    """Replace each second beat by its neighbor, so that only odd or even beats are left."""
    rows = np.arange(len(beats.beats))
    for start, stop in zip(beats.bounds()[:-1], beats.bounds()[1:], strict=True):
        within = 2 * (np.arange(stop - start) // 2) + side
        rows[start:stop] = start + np.minimum(within, stop - start - 1)
    return beats.with_beats(beats.beats[rows])


def half(beats: BeatSet, side: int) -> BeatSet:
    """Return the first or the second half of the beats of each record."""
    position = np.arange(len(beats.beats)) - beats.bounds()[beats.record]
    second = 2 * position >= beats.n_beats[beats.record]
    chosen = second == bool(side)
    return replace(
        beats,
        beats=beats.beats[chosen],
        record=beats.record[chosen],
        r_peaks=beats.r_peaks[chosen],
        labels=None,
    )


def by_rule(beats: BeatSet) -> Categories:
    """Return the categories of median beats without a delineator."""
    known = np.flatnonzero(beats.n_beats)
    bounds = beats.bounds()
    medians = [np.median(beats.beats[bounds[i] : bounds[i + 1]], axis=0) for i in known]
    measured = twelve_lead_categories(
        np.array(medians), beats.lead_names[0], beats.sampling_rate
    )
    categories = {name: np.full(len(beats), UNMEASURED) for name in measured}
    for name, codes in measured.items():
        categories[name][known] = codes
    return categories


def resampled(beats: BeatSet, rate: float) -> BeatSet:
    """Return beats at another rate, with the R peak in the middle."""
    from scipy.signal import resample_poly

    up, down = round(rate), round(beats.sampling_rate)
    windows = resample_poly(beats.beats, up, down, axis=2, padtype="line")
    r_peaks = np.rint(beats.r_peaks * up / down).astype(np.intp)
    lengths = np.ceil(beats.lengths * up / down).astype(np.intp)
    return replace(
        beats, beats=windows, r_peaks=r_peaks, lengths=lengths, sampling_rate=rate, gaps=None
    )


def shared_profiles(protocol: Any, measured: Any) -> list[dict[str, Any]]:
    """Return how many people share each profile, of 12 leads and of the six categories."""
    rows = []
    for label, of_records in (
        ("12 leads", measured),
        ("six categories", replace(measured, twelve_leads=None)),
    ):
        anonymity = profile_anonymity(profiles(of_records), protocol.subjects)
        rows.append({"contract": label, **anonymity.to_dict()})
        print(f"{label}: {anonymity}; largest class {anonymity.class_sizes.max()}")
    return rows


def floor_of_halves(beats: BeatSet) -> list[dict[str, Any]]:
    """Return how often the categories of one half of a record identify the other half.

    The attacker links records as Fellegi and Sunter (1969) do: equal codes count by their
    rarity, different ones by how rarely the halves of one person differ. Both are counted on
    the same people, which favors the attacker slightly.
    """
    gallery, probe = (measure(half(beats, side)).categories() for side in (0, 1))
    usable = (gallery["axis"] != UNMEASURED) & (probe["axis"] != UNMEASURED)
    rows = []
    for label, names in (("12 leads", NAMES), ("six categories", tuple(CATEGORIES))):
        score = np.zeros((usable.sum(), usable.sum()))
        for name in names:
            a, b = probe[name][usable], gallery[name][usable]
            same = np.clip(np.mean(a == b), 0.01, 0.999)
            frequency = np.array([np.mean(b == value) for value in a]).clip(0.001, 0.999)
            equal = np.log(same / frequency)[:, np.newaxis]
            other = np.log((1 - same) / (1 - frequency))[:, np.newaxis]
            score += np.where(a[:, np.newaxis] == b, equal, other)
        best = np.isclose(score, score.max(axis=1, keepdims=True))
        rank1 = float(np.mean(np.diag(best) / best.sum(axis=1)))  # ties are broken by lot
        rows.append({"contract": label, "people": len(score), "rank-1": rank1})
    return rows


def normal_records(
    statements: Sequence[tuple[str, ...]], categories: Categories
) -> list[dict[str, Any]]:
    """Return how often each category is not normal in records that are stated normal."""
    normal = np.array(["NORM" in s for s in statements])
    rows = []
    for name in NAMES if normal.any() else ():
        codes = categories[name][normal]
        codes = codes[codes != UNMEASURED]
        fraction = float(np.mean(codes != NORMAL.get(name, 0)))
        rows.append({"category": name, "not normal": fraction})
    return rows


def figures(name: str, findings: Any, arguments: Any) -> dict[str, Any]:
    """Measure one database and return the rows of all tables."""
    protocol, beats = load_records(name, arguments)
    measured = measure(beats)
    categories = measured.categories()
    no_p = int((categories["pr"] == NO_P_WAVE).sum())
    print(f"\n{protocol.DESCR}; {no_p} records without P waves")
    return {
        "agreement": agreement(findings, protocol.statements, categories),
        "normal": normal_records(protocol.statements, categories),
        "repeatability": repeatability(beats, categories),
        "profiles": shared_profiles(protocol, measured),
        "floor of halves": floor_of_halves(beats),
    }


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    arguments = parser.parse_args(argv)
    print_header(arguments)
    results = Results(arguments.out)
    shown = []
    for name, findings in (("ptbxl-300", PTB_XL), ("ludb", LUDB)):
        key = {"protocol": name, "quick": arguments.quick}
        row = results.measure(key, lambda n=name, f=findings: figures(n, f, arguments))
        for title in TITLES:
            rows = row[title]
            if rows:
                print(f"\n{name}: {title}")
                print(table(list(rows[0]), [list(r.values()) for r in rows]), flush=True)
                shown += [{"protocol": name, "table": title, **r} for r in rows]
    return shown


if __name__ == "__main__":
    main()
