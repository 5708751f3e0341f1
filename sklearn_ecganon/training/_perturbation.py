"""A generator of perturbations, trained against a verifier and beside a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor
from torch.nn import functional as F

from sklearn_ecganon.networks._field import N_DRAWN, Judges, NoiseField
from sklearn_ecganon.training._adversarial import AdversarialNet, Watch

# What an epoch writes into the log, next to its duration.
FIGURES = (
    "identity_error",
    "verification_loss",
    "verifier_loss",
    "classifier_loss",
    "class_accuracy",
)


class ResidentPartners:
    """An ``iterator_train`` for skorch: rows, each with another one of its subject.

    The partner is of another record of the subject, else another row of the same record,
    else the row itself. The last kind is marked, unless there is no other.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Its ``X`` is a dict of tensors on the device of the net: ``rows`` (n, n_channels,
        *size), ``code`` (n,) of the class, ``freedom`` (n, 1, *size), and ``subject`` and
        ``record`` (n,), both increasing from 0.
    batch_size : int
        Rows of a batch.
    """

    def __init__(self, dataset: Dataset, batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        subject, record = dataset.X["subject"], dataset.X["record"]
        of_subject, of_record = (torch.bincount(x) for x in (subject, record))
        self.first = (of_subject.cumsum(0) - of_subject)[subject]
        size = of_subject[subject]
        alone = of_record[record] == size
        self.here = torch.arange(len(subject), device=subject.device)
        # The rows of a subject that are left out: those of the record, or the row itself.
        self.left_out = torch.where(alone, self.here, (of_record.cumsum(0) - of_record)[record])
        self.n_left_out = torch.where(alone, 1, of_record[record])
        self.n_partners = size - self.n_left_out
        self.some = bool((self.n_partners > 0).any())

    def __len__(self) -> int:
        return -(-len(self.here) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        X, device = self.dataset.X, self.here.device
        order = torch.randperm(len(self.here), device=device)
        share = torch.rand(len(order), device=device)
        for row, part in zip(*(x.split(self.batch_size) for x in (order, share)), strict=True):
            n_partners = self.n_partners[row]
            drawn = self.first[row] + (part * n_partners).long()
            drawn += self.n_left_out[row] * (drawn >= self.left_out[row])
            partner = torch.where(n_partners > 0, drawn, row)
            paired = (n_partners > 0) if self.some else torch.ones_like(row, dtype=torch.bool)
            pairs = torch.stack([X["rows"][row], X["rows"][partner]])
            yield pairs, X["subject"][row], X["code"][row], X["freedom"][row], paired


class PerturbationNet(AdversarialNet):
    """A `NoiseField` or `FlowField` against a verifier, beside a classifier.

    A step moves the judges, then the generator: to the identity while it is trained
    beforehand, and from then on to where the classifier is right and the verifier is not.

    Parameters
    ----------
    pretrain_epochs : int
        Epochs in which the generator learns to change nothing.
    classifier_weight, verification_weight : float
        Of both terms of the generator's loss.
    """

    def __init__(
        self,
        module: type[NoiseField],
        *args: Any,
        discriminator: type[Judges] = Judges,
        pretrain_epochs: int = 0,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.pretrain_epochs = pretrain_epochs
        self.classifier_weight = classifier_weight
        self.verification_weight = verification_weight
        super().__init__(module, *args, discriminator=discriminator, **kwargs)

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Start an empty list of figures."""
        super().on_epoch_begin(net, *args, **kwargs)
        self.figures_: list[dict[str, Tensor]] = []

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Move the judges, then the generator."""
        (row, partner), subject, code, freedom, paired = batch
        self.module_.train()
        drawn = torch.randn(len(row), N_DRAWN, device=row.device)
        fake = self.module_(row, drawn, freedom)
        figures = self._move_judges(row, partner, fake.detach(), subject, code)
        figures |= self._move_generator(row, partner, fake, code, paired)
        self.n_steps_ += 1
        # They stay on the device until the epoch ends.
        self.figures_.append({name: value.detach() for name, value in figures.items()})
        return {"loss": figures["verification_loss"].detach(), "y_pred": fake.detach()}

    def _move_judges(
        self, row: Tensor, partner: Tensor, fake: Tensor, subject: Tensor, code: Tensor
    ) -> dict[str, Tensor]:
        judges = self.discriminator_.train()
        self.discriminator_optimizer_.zero_grad()
        # Each original against each release.
        loss = self.criterion_(judges.verifier(torch.stack([partner, fake])), subject)
        figures = {"verifier_loss": loss}
        if judges.classifier is not None:
            found = judges.classifier(torch.cat([row, fake]))
            loss = loss + F.cross_entropy(found, code.repeat(2))
        loss.backward()
        self.discriminator_optimizer_.step()
        return figures

    def _move_generator(
        self, row: Tensor, partner: Tensor, fake: Tensor, code: Tensor, paired: Tensor
    ) -> dict[str, Tensor]:
        # In evaluation mode the judges look at each row by itself, as they do afterwards.
        judges = self.discriminator_.eval().requires_grad_(False)
        self.optimizer_.zero_grad()
        identity = F.mse_loss(fake, row)
        # -log(1 - probability of being of one subject)
        genuine = judges.verifier(torch.stack([partner, fake])).diagonal()
        verification = (F.softplus(genuine) * paired).sum() / paired.sum().clamp_min(1)
        figures = {"identity_error": identity, "verification_loss": verification}
        loss = self.verification_weight * verification
        if judges.classifier is not None:
            found = judges.classifier(fake)
            figures["classifier_loss"] = F.cross_entropy(found, code)
            figures["class_accuracy"] = (found.argmax(dim=1) == code).float().mean()
            loss = loss + self.classifier_weight * figures["classifier_loss"]
        (identity if self.n_epochs_ < self.pretrain_epochs else loss).backward()
        self.optimizer_.step()
        judges.requires_grad_(True)
        return figures


class PerturbationWatch(Watch):
    """Logs the training of a `PerturbationNet`, and writes a checkpoint after each epoch."""

    def on_epoch_begin(self, net: PerturbationNet, **kwargs: Any) -> None:
        """Tell the net, which may have been resumed, how far it is."""
        net.n_epochs_ = len(self.log)

    def figures(self, net: PerturbationNet) -> dict[str, float]:
        """Return the means of the epoch; NaN for those of a classifier that is not there.

        Raises
        ------
        ValueError
            If they are not finite any more.
        """
        row = {
            name: torch.stack([step[name] for step in net.figures_]).mean().item()
            if name in net.figures_[0]
            else np.nan
            for name in FIGURES
        }
        if not np.isfinite([row["identity_error"], row["verification_loss"]]).all():
            raise ValueError("the training diverged: losses are not finite; give a smaller lr.")
        return row
