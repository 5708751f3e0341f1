"""Count the beats of each class before and after the archive's release, record by record.

A run of whole records through `RecordAnonymizer`, as the command makes it, with the annotations
of MIT-BIH in and those of the release out.

    OMP_NUM_THREADS=1 python -m benchmarks.kept_beats
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._results import QUICK, Results, make_parser, print_header, table
from sklearn_ecganon import make_ecg_records
from sklearn_ecganon.archive import RecordAnonymizer, Secret, make_anonymizer
from sklearn_ecganon.datasets import get_data_home
from sklearn_ecganon.io import open_record, write_record

CLASSES = "NSVFQ"


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    arguments = parser.parse_args(argv)
    print_header(arguments)
    secret = Secret(arguments.seed.to_bytes(32, "big"))
    release = RecordAnonymizer(make_anonymizer(), secret=secret)
    results = Results(arguments.out)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in _recordings(arguments, Path(folder)):
            key = {"record": path.stem, "seed": arguments.seed}

            def count(path: Path = path) -> dict[str, float]:
                target = Path(folder, f"released_{path.stem}.hea")
                release.anonymize_file(path, target)
                before, after = _n_beats(path), _n_beats(target)
                return {
                    f"{name}_{side}": float(numbers[name])
                    for side, numbers in (("before", before), ("after", after))
                    for name in CLASSES
                }

            rows.append(results.measure(key, count))
    columns = [f"{name}_{side}" for name in CLASSES for side in ("before", "after")]
    lines = [(row["key"]["record"], *(int(row[name]) for name in columns)) for row in rows]
    changed = [
        line
        for line, row in zip(lines, rows, strict=True)
        if any(row[f"{name}_before"] != row[f"{name}_after"] for name in "SVF")
    ]
    total = ("all", *(sum(line[i] for line in lines) for i in range(1, len(columns) + 1)))
    print(f"{len(changed)} of {len(rows)} records lose or gain beats of class S, V or F:\n")
    print(table(["record", *(name.replace("_", " ") for name in columns)], [*changed, total]))
    return rows


def _recordings(arguments: Any, folder: Path) -> Iterator[Path]:
    if arguments.quick:
        for record in make_ecg_records(**QUICK, random_state=0).data[:2]:
            yield write_record(record, folder / f"{record.name.replace('/', '_')}.hea")
        return
    yield from sorted((get_data_home(arguments.data_home) / "mitdb").glob("*.hea"))


def _n_beats(path: Path) -> Counter[str]:
    with open_record(path) as reader:
        annotations = reader.annotations
        return Counter() if annotations is None else Counter(annotations.beat_labels.tolist())


if __name__ == "__main__":
    main()
