"""Fixtures of all tests: small synthetic recordings, and real ones where they are on disk."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records

# One thread is fastest for networks this small; `make test-portability` sets two as well.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that use the anonymizer trained below as those that train themselves."""
    for item in items:
        if "vae" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.trains)


@pytest.fixture(scope="session")
def bunch():
    """Six subjects, two sessions of 30 s, one lead."""
    return make_ecg_records(n_subjects=6, n_sessions=2, duration=30.0, random_state=0)


@pytest.fixture(scope="session")
def beats(bunch):
    return QRSSegmenter().fit_transform(bunch.data)


@pytest.fixture(scope="session")
def first(bunch):
    """Positions of the first sessions."""
    return bunch.session == np.sort(np.unique(bunch.session))[0]


@pytest.fixture(scope="session")
def vae(beats):
    """A briefly trained anonymizer at full strength; tests must not change it."""
    return NonQRSVAEAnonymizer(max_epochs=3, random_state=0).fit(beats)


@pytest.fixture
def full_float32(monkeypatch):
    """Keep a GPU from rounding the factors of its products to the 10 bits of TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.fixture(scope="session")
def data_home():
    """Folder of the real databases."""
    home = os.environ.get("SKLEARN_ECGANON_DATA")
    if not home or not (Path(home) / "mitdb").is_dir():
        pytest.skip("SKLEARN_ECGANON_DATA names no folder with mitdb/")
    return home
