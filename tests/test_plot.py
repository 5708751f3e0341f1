"""Do the figures show the numbers they were given?"""

from __future__ import annotations

import builtins
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt

from sklearn_ecganon import (
    ECGRecord,
    QRSSegmenter,
    ReidentificationScorer,
    make_ecg_records,
)
from sklearn_ecganon.attacks import Evaluation, LadderRow, identity_map
from sklearn_ecganon.plot import (
    BeatOverlayDisplay,
    IdentityMapDisplay,
    PrivacyUtilityDisplay,
    ReidentificationDisplay,
)

LEVELS = ("original", "ignorant", "lazy-informed", "semi-informed")
CV_RESULTS = {
    "params": [{"identity__strength": s, "identity__lr": 0.1} for s in (0, 0.25, 0.5, 1)],
    "mean_test_privacy": np.array([0.1, 0.3, 0.2, 0.9]),
    "mean_test_utility": np.array([1.0, 0.9, 0.8, 0.6]),
}


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def result():
    """Two attackers; conv wins with 20 beats, lda with 1."""
    rows = [
        LadderRow(
            attacker=attacker,
            knowledge=knowledge,
            evidence=evidence,
            rank1=(rank1 := base + place / 10),
            low=rank1 - 0.03,
            high=rank1 + 0.05,
            rank1_probes=0.0,  # must not be drawn
            eer=0.0,
            n_probes=9,
            n_short=4 if evidence == 20 else 0,
        )
        for attacker, bases in (("lda", {20: 0.3, 1: 0.2}), ("conv", {20: 0.5, 1: 0.1}))
        for evidence, base in bases.items()
        for place, knowledge in enumerate(LEVELS)
    ]
    return Evaluation(tuple(rows), 8, 8, "time", weak=False)


@pytest.fixture(scope="module")
def bunch():
    return make_ecg_records(n_subjects=3, duration=10.0, n_leads=2, random_state=0)


@pytest.fixture(scope="module")
def beats(bunch):
    return QRSSegmenter().fit_transform(bunch.data)


def drawn_ladder(display, knowledge):
    """Return rank-1 and the ends of the intervals, as drawn."""
    line, _, (bars,) = display.lines_[knowledge]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    return np.column_stack([line.get_xdata().astype(float).round(), line.get_ydata(), ends])


def test_ladder_draws_the_best_attacker_at_every_point(result):
    display = ReidentificationDisplay.from_result(result)
    assert list(display.lines_) == list(LEVELS)
    for place, knowledge in enumerate(LEVELS):
        expected = [
            [column, best, best - 3, best + 5]
            for column, best in enumerate([20 + 10 * place, 50 + 10 * place])
        ]
        np.testing.assert_allclose(drawn_ladder(display, knowledge), expected)
    ticks = [tick.get_text() for tick in display.ax_.get_xticklabels()]
    assert ticks == ["1", "20*"]
    assert "4 of 9 probes had fewer than 20" in display.ax_.get_xlabel()
    assert display.figure_ is display.ax_.figure


def test_ladder_of_one_attacker(result):
    display = ReidentificationDisplay.from_result(result, attacker="conv")
    np.testing.assert_allclose(drawn_ladder(display, "ignorant")[:, 1], [20, 60])
    assert "attacker: conv" in display.ax_.get_title(loc="left")
    with pytest.raises(ValueError, match=r"attacker='cnn'; the result has \['lda', 'conv'\]"):
        ReidentificationDisplay.from_result(result, attacker="cnn")


def test_ladder_says_chance_split_and_subjects(result):
    ax = ReidentificationDisplay.from_result(result).ax_
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["originals", *LEVELS[1:], "chance, 12.5 %"]
    [chance] = [line for line in ax.lines if line.get_label() == "chance, 12.5 %"]
    np.testing.assert_allclose(chance.get_ydata(), 12.5)
    title = ax.get_title(loc="left")
    assert "split by time" in title
    assert "8 subjects;" in title
    assert "best of lda, conv" in title
    assert not ax.texts


def test_ladder_hides_no_caveat(result):
    doubtful = replace(result, split="random", weak=True, n_probe_subjects=5)
    ax = ReidentificationDisplay.from_result(doubtful).ax_
    title = ax.get_title(loc="left")
    assert "beats split at random (only to compare with published figures)" in title
    assert "8 subjects, 5 of them probed" in title
    assert "WEAK ATTACK" in ax.texts[0].get_text()


def test_ladder_passes_options_and_axes_on(result):
    _, ax = plt.subplots()
    display = ReidentificationDisplay(result).plot(ax=ax, markersize=11)
    assert display.ax_ is ax
    assert {line[0].get_markersize() for line in display.lines_.values()} == {11}


def test_ladder_from_estimator(beats, bunch):
    scorer = ReidentificationScorer("lda", evidence=(1, 3), knowledge=("ignorant",))
    display = ReidentificationDisplay.from_estimator(
        "passthrough", beats, bunch.subject, sessions=bunch.session, scorer=scorer
    )
    expected = scorer.evaluate("passthrough", beats, bunch.subject, sessions=bunch.session)
    assert display.result == expected
    rank1 = [row.rank1 for row in expected.rows if row.knowledge == "ignorant"]
    np.testing.assert_allclose(drawn_ladder(display, "ignorant")[:, 1] / 100, rank1)


def test_candidates_stand_where_they_scored():
    display = PrivacyUtilityDisplay.from_cv_results(CV_RESULTS, best_index=3)
    expected = np.column_stack([[1.0, 0.9, 0.8, 0.6], [0.9, 0.7, 0.8, 0.1]])
    np.testing.assert_allclose(display.points_.get_offsets(), expected)
    np.testing.assert_array_equal(display.on_front, [True, True, False, True])
    front = np.column_stack([display.front_.get_xdata(), display.front_.get_ydata()])
    np.testing.assert_allclose(front, expected[[3, 1, 0]])
    # From a candidate leftwards its own risk holds, never that of a less useful one.
    assert display.front_.get_drawstyle() == "steps-pre"
    [refitted] = [c for c in display.ax_.collections if c.get_label() == "refitted"]
    np.testing.assert_allclose(refitted.get_offsets(), expected[[3]])
    assert {text.get_text(): text.xy for text in display.ax_.texts} == dict(
        zip(["0", "0.25", "0.5", "1"], map(tuple, expected.round(3)), strict=True)
    )
    assert display.ax_.get_legend().get_title().get_text() == "beside each: strength"


def test_nothing_is_marked_unless_it_was_picked():
    ax = PrivacyUtilityDisplay.from_cv_results(CV_RESULTS).ax_
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Pareto front"]


def test_candidates_in_one_place_share_a_label():
    cv_results = {
        "params": [{"a": 0, "b": "x"}, {"a": 0, "b": "y"}, {"a": 1, "b": "y"}],
        "mean_test_privacy": [0.5, 0.5, 0.8],
        "mean_test_utility": [1.0, 1.0, 0.8],
    }
    ax = PrivacyUtilityDisplay.from_cv_results(cv_results).ax_
    assert [text.get_text() for text in ax.texts] == ["0, x = 0, y", "1, y"]


def test_candidates_side_by_side_share_a_label():
    display = PrivacyUtilityDisplay(
        [1.0, 0.995, 0.995, 0.5], [0.5, 0.51, 0.6, 0.51], labels=["a", "b", "c", "d"]
    )
    assert [text.get_text() for text in display.plot().ax_.texts] == ["a ≈ b", "c", "d"]


def test_failed_candidates_are_not_on_the_front():
    failed = {**CV_RESULTS, "mean_test_privacy": [0.1, np.nan, 0.2, 0.9]}
    display = PrivacyUtilityDisplay.from_cv_results(failed)
    np.testing.assert_array_equal(display.on_front, [True, False, True, True])
    assert [text.get_text() for text in display.ax_.texts] == ["0", "0.5", "1"]
    with pytest.raises(ValueError, match="no candidate has both"):
        PrivacyUtilityDisplay.from_cv_results({**CV_RESULTS, "mean_test_utility": [np.nan] * 4})


def test_other_searches_are_refused():
    with pytest.raises(ValueError, match=r"no mean_test_privacy.*PrivacyUtilityScorer"):
        PrivacyUtilityDisplay.from_cv_results({"params": [{}], "mean_test_utility": [1.0]})


def test_overlay_draws_the_beats_of_the_record(beats):
    released = beats.with_beats(beats.beats / 2)
    display = BeatOverlayDisplay.from_beats(beats, released, record=4, lead=1, n_beats=3)
    own = beats.beats[beats.record == 4, 1]
    for lines, scale in ((display.before_lines_, 1), (display.after_lines_, 0.5)):
        assert len(lines) == 3
        for line in lines:
            drawn = line.get_ydata()
            assert (np.abs(own * scale - drawn).max(axis=1) == 0).sum() == 1
            assert line.get_xdata()[beats.n_times // 2] == 0
            np.testing.assert_allclose(np.diff(line.get_xdata()), 4.0)
    assert all(
        over.get_zorder() >= under.get_zorder()
        for under, over in zip(display.before_lines_, display.after_lines_, strict=True)
    )
    ax = display.ax_
    assert ax.lines.index(display.before_lines_[-1]) < ax.lines.index(display.after_lines_[0])
    assert ax.get_ylabel() == f"lead {beats.lead_names[4][1]} (mV)"
    assert ax.get_title(loc="left") == f"record {beats.names[4]}"


@pytest.mark.parametrize("shape", [(7, 100), (7, 2, 100)])
def test_overlay_of_arrays(shape):
    before = np.random.default_rng(0).normal(size=shape)
    display = BeatOverlayDisplay.from_beats(before, -before, n_beats=99, sampling_rate=500)
    first_lead = before.reshape(7, -1, 100)[:, 0]
    np.testing.assert_array_equal(display.before, first_lead)
    np.testing.assert_array_equal(display.after, -first_lead)
    np.testing.assert_allclose(display.time, np.arange(-50, 50) * 2.0)
    assert display.ax_.get_ylabel() == "lead 1 (mV)"


def test_overlay_takes_one_beat_from_the_middle():
    before = np.arange(5.0)[:, np.newaxis] * np.ones(20)
    display = BeatOverlayDisplay.from_beats(before, before, n_beats=1, sampling_rate=100)
    np.testing.assert_array_equal(display.before_lines_[0].get_ydata(), 2.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "give sampling_rate="),
        ({"sampling_rate": 100, "after": np.zeros((3, 9))}, r"\(4, 10\) and after \(3, 9\)"),
        ({"sampling_rate": 100, "lead": 1}, "lead=1 does not exist; the leads are lead 1"),
        ({"sampling_rate": 100, "lead": "II"}, "lead='II' does not exist"),
        ({"sampling_rate": 100, "n_beats": 0}, "n_beats=0"),
    ],
)
def test_overlay_refuses(options, match):
    arguments = {"before": np.zeros((4, 10)), "after": np.zeros((4, 10)), **options}
    with pytest.raises(ValueError, match=match):
        BeatOverlayDisplay.from_beats(**arguments)


def test_overlay_is_ruled_like_ecg_paper(beats):
    ax = BeatOverlayDisplay.from_beats(beats, beats).ax_
    for axis, small in ((ax.xaxis, 40.0), (ax.yaxis, 0.1)):
        np.testing.assert_allclose(np.diff(axis.get_minorticklocs()).max(), 2 * small)
        np.testing.assert_allclose(np.diff(axis.get_minorticklocs()).min(), small)
        np.testing.assert_allclose(np.diff(axis.get_majorticklocs()), 5 * small)
    ax.figure.draw_without_rendering()
    corner, one_s, one_mv = ax.transData.transform([(0, 0), (1000, 0), (0, 1)])
    np.testing.assert_allclose((one_s - corner)[0] / (one_mv - corner)[1], 25 / 10)


def test_strip_of_records_at_two_rates(bunch):
    record = bunch.data[0]
    half = ECGRecord(record.signal[::2, [1]], 125.0, record.lead_names[1:], name="half")
    display = BeatOverlayDisplay.from_records(record, half, start=2.0, duration=4.0)
    [before], [after] = display.before_lines_, display.after_lines_
    # The release has one lead only: the original shows the one of the same name.
    np.testing.assert_array_equal(before.get_ydata(), record.signal[500:1500, 1])
    np.testing.assert_array_equal(after.get_ydata(), half.signal[250:750, 0])
    np.testing.assert_allclose(before.get_xdata(), 2 + np.arange(1000) / 250)
    np.testing.assert_allclose(after.get_xdata(), 2 + np.arange(500) / 125)
    assert display.ax_.get_xlabel() == "time (s)"


def test_strip_refuses_what_is_not_there(bunch):
    record = bunch.data[0]
    with pytest.raises(ValueError, match=r"8 to 13 s is not in its 10 s"):
        BeatOverlayDisplay.from_records(record, record, start=8)
    with pytest.raises(ValueError, match="lead='V9' does not exist"):
        BeatOverlayDisplay.from_records(record, record, lead="V9")


def test_gaps_and_odd_scales_are_drawn():
    signal = np.full(60_000, 100.0)
    signal[1000:2000] = np.nan
    record = ECGRecord(signal, 100.0)
    display = BeatOverlayDisplay.from_records(record, record, duration=600)
    assert np.isnan(display.after_lines_[0].get_ydata()).sum() == 1000
    assert len(display.ax_.get_xticks()) < 100
    display.figure_.draw_without_rendering()


def test_unknown_unit():
    with pytest.raises(ValueError, match="unit='h'"):
        BeatOverlayDisplay([0.0], [0.0], time=[0.0], unit="h")


def test_without_matplotlib_the_error_says_what_to_install(result, monkeypatch):
    real_import = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    displays = (
        ReidentificationDisplay(result),
        PrivacyUtilityDisplay([1.0], [0.0]),
        BeatOverlayDisplay([0.0], [0.0], time=[0.0]),
    )
    for display in displays:
        with pytest.raises(
            ImportError, match=r'pip install "sklearn-ecganon\[plot\]"'
        ) as error:
            display.plot()
        assert type(display).__name__ in str(error.value)


def test_identity_map_draws_each_slice(beats, bunch):
    found = identity_map(beats, bunch.subject, sessions=bunch.session)
    display = IdentityMapDisplay.from_map(found)
    slices = [row for row in found.rows if row.part == "slice"]
    assert len(slices) == 20
    np.testing.assert_allclose(
        [bar.get_height() for bar in display.bars_], [100 * row.rank1 for row in slices]
    )
    centers = [bar.get_x() + bar.get_width() / 2 for bar in display.bars_]
    np.testing.assert_allclose(centers, np.arange(-380, 400, 40))
    texts = [text for axes in display.figure_.axes for text in axes.texts]
    words = " ".join(text.get_text() for text in texts)
    for row in found.rows:
        if row.part in ("before QRS", "QRS", "after QRS"):
            assert f"{row.part} {100 * row.rank1:.0f} %" in words
    assert "rhythm" in display.ax_.get_title(loc="left")


def test_strips_in_the_same_scale_are_the_same_paper(bunch):
    low, high = -2.0, 2.5
    boxes = []
    for gain in (0.5, 3.0):
        record = replace(bunch.data[0], signal=gain * bunch.data[0].signal)
        ax = record.plot(duration=8.0, limits=(low, high))
        assert ax.get_ylim() == (low, high)
        boxes.append(ax.get_box_aspect())
        plt.close(ax.figure)
    # 10 mm for each mV, 25 mm for each second.
    assert boxes == [pytest.approx((high - low) * 10 / (8.0 * 25))] * 2


def test_the_title_of_a_large_panel_is_short(result):
    rows = [
        row._replace(attacker=f"attacker-{number}")
        for number in range(5)
        for row in result.rows[:4]
    ]
    many = Evaluation(tuple(rows), 8, 8, "time", weak=False)
    title = ReidentificationDisplay.from_result(many).ax_.get_title(loc="left")
    assert "best of 5 attackers at each point" in title
