"""The shared training machinery."""

import numpy as np
import pytest
import torch
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.dataset import Dataset

from sklearn_ecganon import NonQRSVAEAnonymizer
from sklearn_ecganon.anonymizers import FlowFieldAnonymizer
from sklearn_ecganon.training._batches import ResidentBatches
from sklearn_ecganon.training._nets import resolve_device, seeded, single_thread

pytestmark = pytest.mark.trains


def test_batches_visit_every_row_once_in_a_new_order():
    X, y = torch.arange(10.0)[:, None], torch.arange(10)
    batches = ResidentBatches(Dataset(X, y), batch_size=4)
    assert len(batches) == 3
    epochs = []
    with seeded(0):
        for _ in range(2):
            drawn = list(batches)
            assert [len(part) for part, _ in drawn] == [4, 4, 2]
            for part, target in drawn:
                assert torch.equal(part[:, 0].long(), target)
            epochs.append(torch.cat([target for _, target in drawn]))
    assert not torch.equal(*epochs)
    for order in epochs:
        assert torch.equal(order.sort().values, y)


def test_seeded_repeats_and_restores():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    draws = []
    for _ in range(2):
        with seeded(3):
            draws.append(torch.rand(2))
            assert torch.get_num_threads() == 1
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_threads_are_restored_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with single_thread():
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert torch.get_num_threads() == before


def test_resolve_device():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


class StopAfter:
    """A scikit-learn callback that ends the training after some epochs."""

    def __init__(self, n_epochs):
        self.left = n_epochs

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.left -= 1
        return self.left == 0


def test_callbacks_may_end_the_training_early():
    X = np.random.default_rng(0).normal(size=(20, 40))
    model = NonQRSVAEAnonymizer(max_epochs=9).set_callbacks(StopAfter(3)).fit(X)
    assert model.n_iter_ == 3
    assert np.isfinite(model.transform(X)).all()


class Interrupt(StopAfter):
    """The user presses Ctrl-C."""

    def on_fit_task_end(self, estimator, context):
        if super().on_fit_task_end(estimator, context):
            raise KeyboardInterrupt


@pytest.mark.parametrize("method", [NonQRSVAEAnonymizer, FlowFieldAnonymizer])
def test_no_half_trained_model_after_an_interrupt(method):
    X = np.random.default_rng(0).normal(size=(20, 40))
    model = method(max_epochs=9).set_callbacks(Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(model, "n_iter_")


def test_progress_bar_counts_epochs(capsys):
    X = np.random.default_rng(0).normal(size=(20, 40))
    NonQRSVAEAnonymizer(max_epochs=2).set_callbacks(ProgressBar()).fit(X)
    assert "100%" in capsys.readouterr().out
