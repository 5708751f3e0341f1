"""PTB-XL: downloaded from a server on this machine, and read from a part on disk."""

import csv
import hashlib
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import _fetch, fetch_ptbxl, load_ptbxl
from sklearn_ecganon.io import write_record
from sklearn_ecganon.records import STANDARD_LEADS

FIELDS = [
    "ecg_id",
    "patient_id",
    "age",
    "sex",
    "recording_date",
    "scp_codes",
    "heart_axis",
    "strat_fold",
    "filename_lr",
    "filename_hr",
]
ROWS = (
    (1, "15709.0", "56.0", "1", "1984-11-09 09:17:34", "{'NORM': 100.0, 'SR': 0.0}", "", 3),
    (2, "13243.0", "300.0", "0", "1984-11-14 12:55:37", "{'IMI': 80.0, 'LVH': 0.0}", "LAD", 10),
    (3, "13243.0", "", "0", "1984-11-15 12:55:37", "{'AFIB': 0.0}", "", 10),
)


def _publish(folder, rates=(100, 500)):
    """Write the rows of the table, and their recordings, as the publisher does."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    with (folder / "ptbxl_database.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(FIELDS)
        for row in ROWS:
            names = [f"records{rate}/00000/{row[0]:05d}_{rate}" for rate in (100, 500)]
            table.writerow([*row, *names])
            for rate, name in zip((100, 500), names, strict=True):
                if rate in rates:
                    signal = rng.normal(0, 0.2, (10 * rate, 12))
                    path = folder / f"{name}.hea"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_record(ECGRecord(signal, rate, STANDARD_LEADS), path)
    (folder / "scp_statements.csv").write_text(
        ",description,diagnostic_class\nNORM,normal,NORM\nIMI,infarction,MI\nLVH,,HYP\nAFIB,,\n"
    )
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / "SHA256SUMS.txt").write_text("".join(sums))
    return folder


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what was requested."""

    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that publishes as PhysioNet does; its root folder and the requested paths."""
    root = tmp_path / "server"
    folder = _publish(root / "files" / "ptb-xl" / "1.0.3")
    page = root / "content" / "ptb-xl" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>\nVersion: 1.0.3</p>\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=root)) as http:
        http.requested = []
        threading.Thread(target=http.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{http.server_address[1]}"
        download = _fetch.wfdb_download
        monkeypatch.setattr(download, "PN_CONTENT_URL", f"{address}/content/")
        monkeypatch.setattr(download.config, "db_index_url", f"{address}/files/")
        yield folder, http.requested
        http.shutdown()


def _files(requested):
    return sorted(Path(path).name for path in requested if path.startswith("/files/"))


def test_only_the_files_of_a_fold_are_downloaded(server, tmp_path, capsys):
    _, requested = server
    bunch = fetch_ptbxl(folds=[10], data_home=tmp_path / "home")
    assert [name for name in _files(requested) if name.endswith(".dat")] == [
        "00002_100.dat",
        "00003_100.dat",
    ]
    assert bunch.subject.tolist() == ["13243", "13243"]
    assert bunch.session.tolist() == ["1984-11-14", "1984-11-15"]
    assert bunch.labels.tolist() == [[False, True, False, False, True], [False] * 5]
    assert bunch.data[0].statements == ("IMI", "LVH")
    assert bunch.data[0].lead_names == STANDARD_LEADS
    assert bunch.data[0].signal.shape == (1000, 12)
    np.testing.assert_array_equal(bunch.age, [90, np.nan])
    assert bunch.sex.tolist() == ["M", "M"]
    assert bunch.axes.tolist() == ["LAD", ""]
    assert "CC BY 4.0" in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_download_continues_where_it_stopped(server, tmp_path):
    folder, requested = server
    home = tmp_path / "home"
    broken = folder / "records100" / "00000" / "00003_100.dat"
    content = broken.read_bytes()
    broken.unlink()
    with pytest.raises(OSError, match=r"00003_100\.dat could not be downloaded"):
        fetch_ptbxl(data_home=home)
    broken.write_bytes(content)
    complete = {
        path.name for path in (home / "ptb-xl").rglob("*") if path.suffix in (".dat", ".hea")
    }
    assert "00001_100.hea" in complete
    requested.clear()
    assert len(fetch_ptbxl(data_home=home).data) == 3
    assert not complete & set(_files(requested))
    requested.clear()
    fetch_ptbxl(data_home=home, download_if_missing=False)
    assert requested == []


def test_damaged_files_are_refused(server, tmp_path):
    folder, _ = server
    (folder / "records500" / "00000" / "00001_500.dat").write_bytes(b"other bytes")
    with pytest.raises(OSError, match=r"00001_500\.dat does not match"):
        fetch_ptbxl(sampling_rate=500, folds=[3], data_home=tmp_path / "home")
    local = fetch_ptbxl(folds=[3], data_home=tmp_path / "home").data[0]
    path = tmp_path / "home" / "ptb-xl" / f"{local.name}.dat"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(OSError, match=r"00001_100\.dat does not match"):
        fetch_ptbxl(folds=[3], data_home=tmp_path / "home")


def test_a_part_on_disk_is_read(tmp_path):
    folder = _publish(tmp_path / "part", rates=(100,))
    (folder / "records100" / "00000" / "00001_100.hea").unlink()
    bunch = load_ptbxl(folder)
    assert [record.statements for record in bunch.data] == [("IMI", "LVH"), ("AFIB",)]
    assert "2 of 3 recordings" in bunch.DESCR
    with pytest.raises(FileNotFoundError, match="none of the 3 recordings at 500 Hz"):
        load_ptbxl(folder, sampling_rate=500)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": 250}, "published at 100 and 500 Hz"),
        ({"folds": [1]}, r"folds is \[1\], but the table has the folds \[3, 10\]"),
        ({"folds": []}, "folds is empty"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, message):
    folder = _publish(tmp_path / "part", rates=(100,))
    with pytest.raises(ValueError, match=message):
        load_ptbxl(folder, **options)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ptbxl_database\.csv is missing"):
        load_ptbxl(tmp_path)


def test_ptbxl_300(data_home):
    bunch = load_ptbxl(Path(data_home) / "ptbxl-300")
    assert bunch.labels.sum(axis=0).tolist() == [186, 42, 55, 45, 23]
    for record in bunch.data:
        one, two, three = record.signal.T[:3]
        # Values are multiples of 1 uV, so that each of the three is off by 0.5 uV at most.
        assert np.abs(three - (two - one)).max() <= 0.0015
    assert np.nanmax(bunch.age) <= 90
    assert set(bunch.sex) == {"M", "F"}
