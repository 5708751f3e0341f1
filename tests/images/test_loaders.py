"""Loading images of known patients, and the errors when they cannot be read."""

import sys

import numpy as np
import pytest
from PIL import Image

from sklearn_ecganon.images import (
    load_kermany_chest_xrays,
    load_montgomery_chest_xrays,
    load_mri_slices,
    load_nih_chest_xrays,
)

LOADERS = [
    load_nih_chest_xrays,
    load_kermany_chest_xrays,
    load_montgomery_chest_xrays,
    load_mri_slices,
]
COLUMNS = (
    "file,patient_id,folder_label,Finding Labels,Follow-up #,Patient ID,Patient Age,"
    "Patient Gender,View Position"
)


def save(path, value, shape=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(path)


@pytest.fixture
def nih(tmp_path):
    """Three images, of the last of which nothing is known."""
    home = tmp_path / "nih-chestxray-128"
    rows = [
        COLUMNS,
        "No_findings/00000007_000.png,00000007,No_findings,No Finding,0,7,36,F,PA",
        "Pneumonia/00000007_012.png,00000007,Pneumonia,Edema|Pneumonia,12,7,37,F,AP",
        "Pneumonia/00000009_001.png,00000009,Pneumonia,,,,,,",
    ]
    for value, row in zip((0, 51, 255), rows[1:], strict=True):
        save(home / row.split(",")[0], value)
    (home / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def mri(tmp_path):
    """Two contrasts of two slices, and one visit of another patient."""
    for contrast in ("T1", "T2"):
        for place in (57, 103):
            name = f"patient07_{contrast}_z{place:03}.png"
            save(tmp_path / "mri-ms-128" / "mni_paired" / name, place)
    save(tmp_path / "mri-ms-128" / "longitudinal" / "patient07_study2_T1W_z019.png", 9)
    return tmp_path


def test_nih_columns_become_arrays(nih):
    bunch = load_nih_chest_xrays(nih)
    assert bunch.images.shape == (3, 4, 6)
    assert bunch.images.dtype == np.float32
    np.testing.assert_array_equal(bunch.images[:, 0, 0], np.float32([0, 0.2, 1]))
    assert np.shares_memory(bunch.data, bunch.images)
    assert [bunch.target_names[i] for i in bunch.target] == ["no finding"] + 2 * ["pneumonia"]
    assert bunch.subject.tolist() == ["00000007", "00000007", "00000009"]
    assert bunch.visit.tolist() == [0, 12, 1]
    assert bunch.sex.tolist() == ["F", "F", ""]
    assert bunch.view.tolist() == ["PA", "AP", ""]
    np.testing.assert_array_equal(bunch.age, [36, 37, np.nan])
    assert bunch.findings.tolist() == ["No Finding", "Edema|Pneumonia", ""]


def test_mri_contrasts_line_up_and_patients_stay_apart(mri):
    bunch = load_mri_slices(mri, subset="mni_paired")
    t1, t2 = (bunch.target == bunch.target_names.index(name) for name in ("T1", "T2"))
    assert bunch.slice[t1].tolist() == bunch.slice[t2].tolist() == [57, 103]
    np.testing.assert_array_equal(bunch.images[t1], bunch.images[t2])
    both = load_mri_slices(mri)
    assert len(set(both.subject)) == 2
    assert both.visit.tolist() == [1, 1, 1, 1, 2]
    assert both.target_names[both.target[-1]] == "T1"
    assert both.subset.tolist() == 4 * ["mni_paired"] + ["longitudinal"]


def test_kermany_is_an_archive_of_arrays(tmp_path):
    path = tmp_path / "kermany-chestxray-64.npz"
    arrays = {
        "images": np.full((2, 3, 3), 255, dtype=np.uint8),
        "label": np.array(["virus", "normal"]),
        "patient": np.array(["virus-1", "IM-0115"]),
        "name": np.array(["person1_virus_6.jpeg", "IM-0115-0001.jpeg"]),
    }
    np.savez(path, **arrays)
    bunch = load_kermany_chest_xrays(tmp_path)
    assert bunch.target.tolist() == [2, 0]
    assert bunch.subject.tolist() == ["virus-1", "IM-0115"]
    assert bunch.images.max() == 1
    np.savez(path, **arrays | {"label": np.array(["virus", "fungus"])})
    with pytest.raises(ValueError, match="'fungus'"):
        load_kermany_chest_xrays(tmp_path)
    np.savez(path, **arrays | {"images": np.zeros((2, 9))})
    with pytest.raises(ValueError, match=r"shape \(2, 9\) and dtype float64"):
        load_kermany_chest_xrays(tmp_path)
    path.write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="cannot be read"):
        load_kermany_chest_xrays(tmp_path)


@pytest.mark.parametrize("load", LOADERS)
def test_says_where_to_get_what_is_not_there(load, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="The originals are at https://"):
        load(tmp_path)
    monkeypatch.setenv("SKLEARN_ECGANON_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        load()


def test_refuses_damaged_files_by_name(nih, mri):
    image = nih / "nih-chestxray-128" / "Pneumonia" / "00000007_012.png"
    image.write_bytes(image.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"00000007_012.png cannot be read"):
        load_nih_chest_xrays(nih)
    save(image, 1, shape=(5, 5))
    with pytest.raises(ValueError, match=r"00000007_012.png has \(5, 5\) pixels"):
        load_nih_chest_xrays(nih)
    table = nih / "nih-chestxray-128" / "labels.csv"
    whole = table.read_text()
    table.write_text(whole.replace("Pneumonia,Edema", "Cold,Edema"))
    with pytest.raises(ValueError, match="folder_label 'Cold'"):
        load_nih_chest_xrays(nih)
    table.write_text(whole.replace("_012.png", ".png"))
    with pytest.raises(ValueError, match="number of the visit"):
        load_nih_chest_xrays(nih)
    table.write_text(whole.replace("View Position", "View"))
    with pytest.raises(ValueError, match="no column 'View Position'"):
        load_nih_chest_xrays(nih)
    save(mri / "mri-ms-128" / "longitudinal" / "notes.png", 0)
    with pytest.raises(ValueError, match=r"notes.png is not named as expected"):
        load_mri_slices(mri)
    with pytest.raises(ValueError, match="subset is 'paired'"):
        load_mri_slices(mri, subset="paired")


def test_says_which_extra_reads_images(nih, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"sklearn-ecganon\[plot\]"):
        load_nih_chest_xrays(nih)


def test_the_real_ones(data_home):
    nih = load_nih_chest_xrays(data_home)
    assert nih.images.shape == (1000, 128, 128)
    n_images = np.unique(nih.subject, return_counts=True)[1]
    assert (len(n_images), (n_images > 1).sum()) == (682, 164)
    assert (n_images * (n_images - 1) // 2).sum() == 677
    assert (nih.sex == "").sum() == np.isnan(nih.age).sum() == 90
    kermany = load_kermany_chest_xrays(data_home)
    assert np.bincount(kermany.target).tolist() == [1341, 2530, 1345]
    assert len(set(kermany.subject)) == 3654
    lungs = load_montgomery_chest_xrays(data_home)
    assert lungs.images.shape == lungs.masks.shape == (138, 128, 128)
    assert np.bincount(lungs.target).tolist() == [80, 58]
    assert 0.1 < lungs.masks.mean() < 0.4
    mri = load_mri_slices(data_home)
    assert len(mri.images) == 704
    assert len(set(mri.subject)) == 10
    paired = mri.subset == "mni_paired"
    slices = {tuple(mri.slice[paired & (mri.target == i)]) for i in range(4)}
    assert len(slices) == 1
