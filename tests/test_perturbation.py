"""Flow and noise fields of beats: their bounds, protection and training."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.dataset import Dataset

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import FlowFieldAnonymizer, NoiseFieldAnonymizer
from sklearn_ecganon.core import Draws
from sklearn_ecganon.networks import FieldUNet, FlowField, NoiseField, warp
from sklearn_ecganon.regions import QRSRegion
from sklearn_ecganon.training import ResidentPartners, seeded, soften
from tests.perturbing import Kill, Middle, smallest_jacobian, wild

pytestmark = pytest.mark.trains

METHODS = [FlowFieldAnonymizer, NoiseFieldAnonymizer]
SMALL = {"n_filters": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def two_leads():
    bunch = make_ecg_records(
        n_subjects=3, n_sessions=2, n_leads=2, duration=15.0, random_state=0
    )
    beats = QRSSegmenter(sampling_rate=100.0).fit_transform(bunch.data)
    return beats, bunch.subject


@pytest.fixture(scope="module")
def people():
    """Return signals of 48 people: the bump of a class plus the curve of a person."""
    rng = np.random.default_rng(0)
    t, y = np.arange(64), np.repeat(np.arange(48), 6)
    bump = np.exp(-(((t - 32) / 6) ** 2)) * rng.choice([-1, 1], (len(y), 1))
    knots = np.linspace(0, 63, 9)
    curves = np.array([np.interp(t, knots, rng.normal(size=9)) for _ in range(48)])
    noise = 0.02 * rng.normal(size=(len(y), 64))
    return bump + 0.2 * curves[y] + noise, y, np.sign(bump[:, 32])


# networks


@pytest.mark.parametrize("size", [(2,), (3,), (175,), (2, 2), (1, 9), (31, 64)])
def test_nets_take_inputs_of_any_size(size):
    x, z = torch.randn(3, 2, *size).double(), torch.randn(3, 16).double()
    flow = FlowField(size, 2, 0.1, n_filters=4, smoothing=2.0).double()
    noise = NoiseField(size, 2, 0.1, n_filters=4, smoothing=0.0).double()
    assert flow.field(x, z).shape == (3, len(size), *size)
    assert noise.field(x, z).shape == x.shape
    assert noise.field(x, z).abs().max() <= 0.1
    assert flow(x, z, torch.ones_like(x[:, :1])).shape == x.shape
    torch.testing.assert_close(flow(x, z, torch.zeros_like(x[:, :1])), x)


def test_rows_of_a_unet_do_not_depend_on_each_other():
    with seeded(0):
        unet = FieldUNet(2, 1, 2, 4).double()
        x = torch.randn(5, 1, 13, 9).double()
    torch.testing.assert_close(unet(x[2:3]), unet(x)[2:3])


def test_a_warp_samples_the_displaced_positions():
    x = torch.arange(12.0).reshape(1, 1, 3, 4).repeat(1, 2, 1, 1)
    one_down, one_along = (torch.zeros(1, 2, 3, 4) for _ in range(2))
    one_down[:, 0], one_along[:, 1] = 2 / 2, 2 / 3
    torch.testing.assert_close(warp(x, one_down)[:, :, :-1], x[:, :, 1:])
    torch.testing.assert_close(warp(x, one_along)[..., :-1], x[..., 1:])
    torch.testing.assert_close(warp(x, one_along)[..., -1], x[..., -1])
    signal = x[:, :, 0]
    torch.testing.assert_close(warp(signal, one_along[:, 1:, 0])[..., :-1], signal[..., 1:])


# deformation


@pytest.mark.parametrize("mu", [0.01, 0.1, 0.9])
def test_the_largest_field_does_not_fold(mu):
    signals = np.random.default_rng(0).random((4, 300))
    field = wild(FlowFieldAnonymizer(mu=mu, **SMALL).fit(signals)).field(signals)
    assert np.abs(field).max() <= mu * 299 / 2 * (1 + 1e-6)
    assert smallest_jacobian(field) > 0


# the record is the unit


def test_beats_of_a_record_share_one_field(two_leads):
    beats, y = two_leads
    for method in METHODS:
        model = method(**SMALL).fit(beats, y)
        field = model.field(beats)
        for record in range(len(beats)):
            of_record = field[beats.record == record]
            expected = of_record[:1].repeat(len(of_record), axis=0)
            np.testing.assert_array_equal(of_record, expected)
        firsts = field[beats.bounds()[:-1]]
        assert (np.abs(firsts[1:] - firsts[0]).max(axis=(1, 2)) > 1e-6).all()
    # Every beat gets the same addition, so that an average does not remove it.
    added = (model.transform(beats).beats - beats.beats)[beats.record == 0]
    np.testing.assert_allclose(added.mean(axis=0), added[0], atol=1e-12)
    assert np.abs(added[0]).max() > 1e-4


def test_r_peaks_do_not_move(two_leads):
    beats, y = two_leads
    model = wild(FlowFieldAnonymizer(mu=0.3, **SMALL).fit(beats, y))
    middle = beats.n_times // 2
    field = model.field(beats)
    assert np.abs(field).max() > 3
    np.testing.assert_array_equal(field[..., middle], 0)
    new = model.transform(beats).beats
    np.testing.assert_allclose(new[..., middle], beats.beats[..., middle], atol=1e-12)


def test_leads_are_warped_alike(two_leads):
    beats, y = two_leads
    same = beats.with_beats(np.repeat(beats.beats[:, :1], 2, axis=1))
    new = FlowFieldAnonymizer(**SMALL).fit(same, y).transform(same).beats
    np.testing.assert_array_equal(new[:, 0], new[:, 1])


def test_stretches_of_a_long_record_share_the_field_of_the_first(two_leads):
    beats, y = two_leads
    model = FlowFieldAnonymizer(**SMALL).fit(beats, y)
    pseudonym = model.pseudonym(beats[0])
    fields = []
    for stretch in beats[:2]:
        draws = Draws(pseudonym.salt, stretch, (pseudonym.first,), pseudonym.settled)
        (chunk,) = model._fields(stretch, draws, model._protection(stretch))
        fields.append(chunk[1] * model._units())
    np.testing.assert_array_equal(fields[0][0], fields[1][0])
    np.testing.assert_allclose(fields[0], model.field(beats[0]), atol=1e-12)


def test_a_record_without_beats_does_not_change_the_others(two_leads):
    beats, y = two_leads
    model = NoiseFieldAnonymizer(**SMALL).fit(beats, y)
    empty = replace(
        beats[:2],
        lengths=beats.lengths[:3],
        lead_names=beats.lead_names[:3],
        names=beats.names[:3],
    )
    new = model.transform(empty)
    np.testing.assert_array_equal(new.beats, model.transform(beats[:2]).beats)


# protection


def test_protected_samples_of_beats_do_not_change(two_leads):
    beats, y = two_leads
    n_times = beats.n_times
    around_r = np.abs(np.arange(n_times) - n_times // 2) <= 5
    one_lead = np.stack([around_r, np.zeros_like(around_r)])
    for protect in (around_r, one_lead, Middle(), QRSRegion()):
        model = wild(FlowFieldAnonymizer(protect=protect, **SMALL).fit(beats, y))
        new = model.transform(beats).beats
        mask = protect.predict(beats) if hasattr(protect, "predict") else protect
        mask = np.broadcast_to(mask, beats.beats.shape)
        np.testing.assert_array_equal(new[mask], beats.beats[mask])
        assert np.abs(new - beats.beats).max() > 0.01
    rows = beats.beats[:, 0]
    model = NoiseFieldAnonymizer(protect=around_r, **SMALL).fit(rows)
    np.testing.assert_array_equal(model.transform(rows)[:, around_r], rows[:, around_r])


def test_protection_fades_slowly_outside_of_the_mask():
    mask = np.zeros((1, 1, 30))
    mask[..., 10:14] = 1
    mask[..., 25] = 0.5
    soft = soften(mask, 4.0)[0, 0]
    assert (soft >= mask[0, 0]).all()
    assert np.abs(np.diff(soft)).max() == pytest.approx(0.25)
    np.testing.assert_allclose(soft[5:11], [0, 0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(soft[22:27], [0, 0, 0.25, 0.5, 0.25])


# training


def partners(subject, record, n_rounds=30):
    X = {
        "rows": torch.arange(len(subject)).reshape(-1, 1, 1),
        "code": torch.zeros(len(subject)),
        "freedom": torch.ones(len(subject), 1, 1),
        "subject": torch.tensor(subject),
        "record": torch.tensor(record),
    }
    with seeded(0):
        batches = [b for _ in range(n_rounds) for b in ResidentPartners(Dataset(X), 4)]
    first, second = torch.cat([pairs for pairs, *_ in batches], dim=1)[:, :, 0, 0]
    return first.numpy(), second.numpy(), torch.cat([b[-1] for b in batches]).numpy()


def test_partners_are_other_records_of_the_subject_if_possible():
    subject = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    record = np.array([0, 0, 1, 2, 3, 3, 3, 4])
    row, partner, paired = partners(subject, record)
    np.testing.assert_array_equal(np.bincount(row), 30)
    np.testing.assert_array_equal(subject[row], subject[partner])
    several = subject[row] == 0
    assert (record[row] != record[partner])[several].all()
    assert set(zip(row[several], partner[several], strict=True)) == {
        (a, b) for a in range(4) for b in range(4) if record[a] != record[b]
    }
    same_record = subject[row] == 1
    assert (row != partner)[same_record].all()
    assert set(partner[same_record]) == {4, 5, 6}
    np.testing.assert_array_equal(paired, subject[row] != 2)


def test_subjects_with_one_row_are_paired_with_themselves():
    row, partner, paired = partners([0, 1, 2], [0, 1, 2])
    np.testing.assert_array_equal(row, partner)
    assert paired.all()


def test_views_are_means_of_beats_of_one_record_and_class(two_leads):
    beats, _ = two_leads
    rng = np.random.default_rng(0)
    labeled = replace(beats, labels=rng.choice(["N", "V"], len(beats.beats)))
    model = FlowFieldAnonymizer(**SMALL).fit(labeled)
    codes = (labeled.labels == "V").astype(int)
    subject = np.arange(len(beats))[::-1]  # in another order than the records
    views = model._views(labeled, codes, subject)
    expected = set()
    for record in range(len(beats)):
        for code in (0, 1):
            group = model._scaled(beats.beats[(beats.record == record) & (codes == code)])
            for start in range(0, len(group), 8):
                mean = group[start : start + 8].mean(axis=0)[0, :3].round(4)
                expected.add((subject[record], code, *mean.tolist()))
    means = {
        (subject, code, *row[0, :3].astype(float).round(4).tolist())
        for subject, code, row in zip(
            views["subject"], views["code"], views["rows"], strict=True
        )
    }
    assert len(means) == len(expected) == len(views["rows"])
    assert {mean[:2] for mean in means} == {mean[:2] for mean in expected}
    assert (np.diff(views["subject"]) >= 0).all()
    assert (np.diff(views["record"]) >= 0).all()
    difference = np.array(sorted(means)) - np.array(sorted(expected))
    assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_pretraining_learns_to_change_nothing(people, method):
    X, y, _ = people
    settings = {**SMALL, "max_epochs": 6, "lr": 0.01, "pretraining": 1.0}
    error = method(**settings).fit(X, y).history_["identity_error"]
    assert len(error) == 6
    assert error[-1] < 0.2 * error[0]


@pytest.mark.parametrize(("method", "n_epochs"), [(METHODS[0], 1), (METHODS[1], 3)])
def test_a_killed_training_resumes_bit_for_bit(people, tmp_path, method, n_epochs):
    X, y, _ = people
    # Two of five epochs are pretraining, so the training stops in either step.
    settings = {**SMALL, "max_epochs": 5, "pretraining": 0.4}
    whole = method(**settings).fit(X, y, labels=y % 2)
    resumable = method(**settings, checkpoint=tmp_path / "field.pt")
    with pytest.raises(SystemExit, match="killed"):
        clone(resumable).set_callbacks(Kill(n_epochs)).fit(X, y, labels=y % 2)
    resumed = clone(resumable).fit(X, y, labels=y % 2)
    assert resumed.n_iter_ == 5
    for name, values in whole.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(resumed.history_[name], values)
    for name, values in whole.net_.module_.state_dict().items():
        assert torch.equal(resumed.net_.module_.state_dict()[name], values)
    with pytest.raises(ValueError, match="with other parameters; remove the file"):
        clone(resumable).set_params(lr=0.1).fit(X, y, labels=y % 2)
    with pytest.raises(ValueError, match="with other data"):
        clone(resumable).fit(X, y, labels=y % 3)
    with pytest.raises(ValueError, match="with other data"):
        clone(resumable).set_params(protect=np.arange(64) < 9).fit(X, y, labels=y % 2)


def identified(probes, gallery, y):
    """Return the fraction of probes whose most correlated other row has the same person."""
    probes, gallery = (
        (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
        for rows in (probes, gallery)
    )
    similarity = probes @ gallery.T
    np.fill_diagonal(similarity, -np.inf)
    return (y[similarity.argmax(axis=1)] == y).mean()


def test_a_release_is_not_linked_to_originals_and_keeps_its_class(people):
    X, y, bump = people
    known = y < 32
    noise = NoiseFieldAnonymizer(
        noise_degree=0.3, lr=3e-3, n_filters=8, max_epochs=20, random_state=0
    ).fit(X[known], y[known], labels=bump[known])
    new = noise.transform(X)
    assert np.abs(new - X).max() <= 0.3 * noise.range_ + 1e-12
    X, new, y, bump = X[~known], new[~known], y[~known], bump[~known]
    assert identified(X, X, y) > 0.9
    # Five seeds gave 0.18 with a standard deviation of 0.06.
    assert identified(new, X, y) < 0.5
    # The bumps of the classes differ by 2, and the noise is at most 0.3 of the range of 2.6.
    # Five seeds gave 0.99 with a standard deviation of 0.01.
    assert (np.sign(new[:, 32]) == bump).mean() > 0.8


# refusals


BEATS = np.random.default_rng(0).random((6, 20))
TWICE = [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, [0] * 6, "y has a single subject, 0"),
        ({}, np.arange(6), "no genuine pair possible: y has 6 subjects with one row each"),
        ({}, [0, 1], r"y has shape \(2,\); give the subject of each of the 6 records"),
        ({"protect": np.ones((3, 3))}, TWICE, r"mask of shape \(3, 3\); give \(20,\)"),
        ({"protect": np.ones(20)}, TWICE, "covers everything of X"),
        ({"protect": lambda X: X >= 0}, TWICE, "covers everything of row 0 of X"),
        ({"protect": np.full(20, 2)}, TWICE, r"from 2 to 2; give booleans, or weights"),
        ({"protect": lambda X: "all"}, TWICE, "protect is str"),
    ],
)
def test_errors_explain_what_to_give(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        FlowFieldAnonymizer(**parameters).fit(BEATS, y)


def test_one_row_and_constant_beats_are_refused():
    with pytest.raises(ValueError, match="n_samples=1: a verifier learns from pairs"):
        FlowFieldAnonymizer().fit(BEATS[:1])
    with pytest.raises(ValueError, match="nothing to learn"):
        FlowFieldAnonymizer().fit(np.ones((6, 20)), TWICE)


def test_a_protected_lead_is_refused(two_leads):
    # Leads share a field, so the originals would be released unchanged.
    mask = np.zeros(two_leads[0].beats.shape[1:], dtype=bool)
    mask[0] = True
    with pytest.raises(ValueError, match="covers everything of X"):
        FlowFieldAnonymizer(protect=mask, **SMALL).fit(two_leads[0])


@pytest.mark.parametrize("degree", [{"mu": 0.01}, {"noise_degree": 0.01}])
def test_the_degree_is_that_of_the_training(people, degree):
    X, y, _ = people
    method = FlowFieldAnonymizer if "mu" in degree else NoiseFieldAnonymizer
    trained = dict.fromkeys(degree, 0.2)
    model = method(**trained, **SMALL).fit(X, y)
    before = model.field(X)
    model.set_params(**degree)
    np.testing.assert_array_equal(model.field(X), before)
    # A loaded copy has the same field.
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).field(X), before)
