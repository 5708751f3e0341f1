"""Every anonymizer of the package through the same ladder: the leaderboard.

    python benchmarks/ladder.py [--data mitdb ecgid] [--attackers default] [--out DIR]
        [--methods WORD ...] [--strengths 0.25 0.5 1] [--whole]

MIT-BIH: 47 subjects, 60 s records of the first 45 % of each recording (gallery, and training
data of the anonymizers: closed) against the last 45 % (probes), annotated beats. ECG-ID: 89
subjects, their first recording against the next of the same date, detected beats. Lead 0.
Prints Markdown tables for each database: all methods at strength 1, and the least risk at a
given utility, of the strengths that were tried: the choice is made on the probes, and a
little too kind to all. An excess is given where ``intervals`` is among the attackers: it uses
what a contract keeps. With --out, these are written to
``leaderboard.md`` there, a picture of risk against utility to ``leaderboard.svg``, and all
figures to ``leaderboard.json``: it grows with each method, and what it already holds is not
measured again. ``--whole`` prints every attacker, not only the worst.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    CycleGANAnonymizer,
    FlowFieldAnonymizer,
    GANImageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    NoiseFieldAnonymizer,
    PseudoIdentityAnonymizer,
    TimeWarpAnonymizer,
)
from sklearn_ecganon.datasets import fetch_ecgid, fetch_mitdb, time_split
from sklearn_ecganon.utility import UtilityScorer

CONTRACTS = ("diagnostic", "measurement")
TITLES = {"mitdb": "MIT-BIH", "ecgid": "ECG-ID"}
# Okabe and Ito's palette; black and vermilion are the flagship's.
COLORS = ["#8c8c8c", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#CC79A7"]
FLAGSHIP = {"pseudo-identity, diagnostic": "#D55E00", "pseudo-identity, measurement": "#000000"}
MARKERS = ["o", "s", "^"]
# Shares of a contract at which methods are compared.
KEPT = (0.95, 0.9, 0.8, 0.7, 0.5)
HEADER = (
    "| method | waveform, 1 beat | waveform, <= 50 | full, <= 50 beats | worst | EER there "
    "| excess, diagnostic | excess, measurement | utility, diagnostic | utility, measurement |"
)


def methods(seed, epochs):
    yield "originals", None
    yield "noise, one a beat", NoiseAnonymizer(per="beat", random_state=seed)
    yield "noise, one a record", NoiseAnonymizer(per="record", random_state=seed)
    yield "low-pass", LowPassAnonymizer(random_state=seed)
    yield "time warp", TimeWarpAnonymizer(random_state=seed)
    yield "block average (DP-Pix)", BlockAverageAnonymizer(random_state=seed)
    yield "k-Same, k=10", KSameAnonymizer(k=10, random_state=seed)
    for region in ("pre", "all"):
        model = NonQRSVAEAnonymizer(region=region, max_epochs=epochs, random_state=seed)
        yield f"non-QRS VAE, region {region}", model
    yield "flow field", FlowFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "noise field", NoiseFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "CycleGAN", CycleGANAnonymizer(max_epochs=epochs, lr=1e-3, random_state=seed)
    yield "GAN", GANImageAnonymizer(max_epochs=15, random_state=seed)
    for contract in ("diagnostic", "measurement"):
        yield (
            f"pseudo-identity, {contract}",
            PseudoIdentityAnonymizer(contract=contract, random_state=seed),
        )


def load(name, home):
    """Return beats, subjects and sides of one database."""
    if name == "mitdb":
        records = time_split(fetch_mitdb(data_home=home).data)
        sides = np.array([record.session for record in records])
        segment = QRSSegmenter("annotated", leads=[0])
    else:
        records, sides = same_day(fetch_ecgid(data_home=home).data)
        segment = QRSSegmenter(leads=[0])
    return segment.fit_transform(records), np.array([r.subject for r in records]), sides


def same_day(records):
    """Return each person's first recording and the next of the same date."""
    chosen, sides = [], []
    for subject in dict.fromkeys(record.subject for record in records):
        own = [record for record in records if record.subject == subject]
        later = [record for record in own[1:] if record.session == own[0].session]
        if later:
            chosen += [own[0], later[0]]
            sides += ["1 first", "2 next"]
    return chosen, np.array(sides)


def cell(row):
    return f"{100 * row['rank1']:.1f} ({100 * row['low']:.0f}-{100 * row['high']:.0f})"


def best(rows, panel, evidence):
    """Return the highest rung of the retrained attackers of a panel."""
    rows = [r for r in rows if r["knowledge"] == "semi-informed" and r["panel"] == panel]
    return max((r for r in rows if r["evidence"] == evidence), key=lambda row: row["rank1"])


def excess(rows, worst, floor):
    """Return the excess, or nothing where no attacker reads what the contract keeps."""
    retrained = [row for row in rows if row["knowledge"] == "semi-informed"]
    if "intervals" not in {row["attacker"] for row in retrained}:
        return "-"
    return f"{100 * (worst['rank1'] - floor['rank1']):+.1f}"


def measure(database, arguments, known, save):
    """Add what is missing to the figures `known` of a database, and save them as they come."""
    beats, y, sides = load(database, arguments.data_home)
    gallery = sides == np.sort(sides)[0]
    judge = ReidentificationScorer(
        arguments.attackers[0] if len(arguments.attackers) == 1 else arguments.attackers,
        split="session",
        random_state=arguments.seed,
        n_jobs=arguments.n_jobs,
    )
    settings = {"seed": arguments.seed, "epochs": arguments.epochs}
    settings["attackers"] = arguments.attackers
    if known and known["settings"] != settings:
        raise SystemExit(
            f"{arguments.out} holds figures of {known['settings']}, not of {settings}; give "
            "another folder."
        )
    if not known:
        known |= {"subjects": len(set(y)), "settings": settings, "floors": {}, "methods": {}}
        for contract in CONTRACTS:
            scorer = ReidentificationScorer(
                "intervals", contract=contract, split="session", knowledge=["ignorant"]
            )
            evaluation = scorer.evaluate("passthrough", beats, y, sessions=sides)
            known["floors"][contract] = evaluation.floor._asdict()
    candidates = dict(methods(arguments.seed, arguments.epochs))
    # In the order of the table, in whatever order they are measured.
    known["methods"] = {name: known["methods"].get(name, {}) for name in candidates}
    for name, method in candidates.items():
        if arguments.methods and not any(part in name for part in arguments.methods):
            continue
        of_method = known["methods"][name]
        wanted = [1.0] if method is None else arguments.strengths
        missing = [strength for strength in wanted if str(strength) not in of_method]
        if missing and method is not None:
            start = time.perf_counter()
            method.fit(beats[gallery], y[gallery])
            print(f"# {name}: fitted in {time.perf_counter() - start:.0f} s", flush=True)
        for strength in missing:
            start = time.perf_counter()
            anonymizer = "passthrough"
            if method is not None:
                anonymizer = method.set_params(strength=strength)
            release = judge.release(anonymizer, beats, y, sessions=sides)
            result = judge.identify(release)
            worst = result.worst._asdict()
            utility = {
                contract: UtilityScorer(contract=contract).evaluate(*release.probes())
                for contract in CONTRACTS
            }
            of_method[str(strength)] = {
                "rows": result.to_records(),
                "worst": worst,
                "utility": utility,
            }
            kept = ", ".join(f"{c} {figures['utility']:.2f}" for c, figures in utility.items())
            seconds = time.perf_counter() - start
            print(
                f"# {name}, {strength:g}: worst {cell(worst)}, {kept}, {seconds:.0f} s",
                flush=True,
            )
            if arguments.whole:
                print(result, flush=True)
            save()


def table(database, figures):
    """Yield the lines of the table of one database: all methods at strength 1."""
    floors = figures["floors"]
    n_subjects = figures["subjects"]
    of_contracts = ", ".join(f"{name} {cell(row)}" for name, row in floors.items())
    yield (
        f"{database}, {n_subjects} subjects, chance {100 / n_subjects:.1f} %; floors: "
        f"{of_contracts}. Retrained attackers, rank-1 in % (95 % interval); "
        f"seed {figures['settings']['seed']}."
    )
    yield ""
    yield HEADER
    yield "|" + "---|" * (HEADER.count("|") - 1)
    for name, of_method in figures["methods"].items():
        if "1.0" not in of_method:
            continue
        rows, worst, utility = (of_method["1.0"][key] for key in ("rows", "worst", "utility"))
        cells = [
            cell(best(rows, "waveform", 1)),
            cell(best(rows, "waveform", 50)),
            cell(best(rows, "full", 50)),
            f"{100 * worst['rank1']:.1f} "
            f"({worst['attacker']}, {worst['knowledge']}, {worst['evidence']})",
            f"{100 * worst['eer']:.1f}",
            *(excess(rows, worst, floors[c]) for c in CONTRACTS),
            *(f"{utility[c]['utility']:.2f}" for c in CONTRACTS),
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def at_matched_utility(figures, contract):
    """Yield the lines of a table: the least risk where so much of a contract is kept."""
    yield f"Worst rank-1 in % (at strength), by what share of the {contract} contract is kept"
    yield ""
    yield "| method | " + " | ".join(f">= {share:g}" for share in KEPT) + " |"
    yield "|" + "---|" * (len(KEPT) + 1)
    for name, of_method in figures["methods"].items():
        points = [
            (one["worst"]["rank1"], float(strength), one["utility"][contract]["utility"])
            for strength, one in of_method.items()
        ]
        if not points:
            continue
        cells = []
        for share in KEPT:
            enough = [point for point in points if point[2] >= share]
            risk, strength, _ = min(enough, default=(None, None, None))
            cells.append("-" if risk is None else f"{100 * risk:.1f} ({strength:g})")
        yield f"| {name} | " + " | ".join(cells) + " |"


def picture(figures, path):
    """Draw each method's way from strength to strength, and the floor of each contract."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6 * len(figures)), layout="constrained")
    axes = figure.subplots(len(figures), 2, squeeze=False)
    for row, (database, found) in zip(axes, figures.items(), strict=True):
        for ax, contract in zip(row, CONTRACTS, strict=True):
            draw(ax, found, contract)
            ax.set_title(f"{TITLES[database]}, {contract} contract", loc="left")
            ax.set_xlabel("utility: share of the contract that is kept")
        row[0].set_ylabel("worst attacker, rank-1 in %")
    shown = {}
    for ax in axes[:, 0]:
        shown |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        shown.values(),
        shown.keys(),
        title="larger: more strength",
        loc="outside right center",
        frameon=False,
        alignment="left",
    )
    figure.savefig(path)


def draw(ax, found, contract):
    floor = found["floors"][contract]
    ax.axhspan(100 * floor["low"], 100 * floor["high"], color="0.93", zorder=0)
    ax.axhline(100 * floor["rank1"], color="0.5", linestyle="--", label="floor", zorder=1)
    for i, (name, of_method) in enumerate(found["methods"].items()):
        color, marker = COLORS[i % len(COLORS)], MARKERS[i // len(COLORS)]
        width = 1
        if name in FLAGSHIP:
            color, marker, width = FLAGSHIP[name], "D", 2.4
        if not of_method:
            continue
        strengths = sorted(of_method, key=float)
        kept = [of_method[s]["utility"][contract]["utility"] for s in strengths]
        risk = [100 * of_method[s]["worst"]["rank1"] for s in strengths]
        sizes = [15 + 45 * float(s) for s in strengths]
        ax.plot(kept, risk, color=color, linewidth=width, alpha=0.8, zorder=2)
        ax.scatter(kept, risk, sizes, color=color, marker=marker, label=name, zorder=3)
    ax.set(xlim=(0, 1.03), ylim=(0, 103))
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["mitdb", "ecgid"])
    parser.add_argument("--data-home")
    parser.add_argument("--attackers", nargs="+", default=["default"])
    parser.add_argument("--methods", nargs="+", help="only those with one of these words")
    parser.add_argument("--strengths", nargs="+", type=float, default=[1.0])
    parser.add_argument("--whole", action="store_true", help="print all attackers")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    figures = {}
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        stored = arguments.out / "leaderboard.json"
        if stored.exists():
            figures = json.loads(stored.read_text())

    def save():
        if arguments.out:
            stored.write_text(json.dumps(figures, indent=1))

    told = []
    for database in arguments.data:
        measure(database, arguments, figures.setdefault(database, {}), save)
        told += [*table(database, figures[database]), ""]
        for contract in CONTRACTS:
            told += [*at_matched_utility(figures[database], contract), ""]
    print("\n".join(told))
    if arguments.out:
        (arguments.out / "leaderboard.md").write_text("\n".join(told))
        picture(figures, arguments.out / "leaderboard.svg")


if __name__ == "__main__":
    main()
