"""A generator of perturbations, trained against a verifier and with a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor
from torch.nn import functional as F

from sklearn_ecganon.networks import N_DRAWN, AuxiliaryNets, NoiseField
from sklearn_ecganon.training._adversarial import AdversarialNet, Watch

# Figures of an epoch in the log, next to its duration.
FIGURES = (
    "identity_error",
    "verification_loss",
    "verifier_loss",
    "classifier_loss",
    "class_accuracy",
)


class ResidentPartners:
    """An ``iterator_train`` for skorch: rows, each with another one of its subject.

    The partner is a row of another record of the subject. Without one it is another row of
    the same record, and without that the row itself. Rows that are their own partner are
    marked, unless all rows are.

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
        n_of_subject, n_of_record = (torch.bincount(x) for x in (subject, record))
        self.first = (n_of_subject.cumsum(0) - n_of_subject)[subject]
        size = n_of_subject[subject]
        alone = n_of_record[record] == size
        self.rows = torch.arange(len(subject), device=subject.device)
        # The rows of a subject that are left out: those of the record, or the row itself.
        self.left_out = torch.where(
            alone, self.rows, (n_of_record.cumsum(0) - n_of_record)[record]
        )
        self.n_left_out = torch.where(alone, 1, n_of_record[record])
        self.n_partners = size - self.n_left_out
        self.has_partners = bool((self.n_partners > 0).any())

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        X, device = self.dataset.X, self.rows.device
        order = torch.randperm(len(self.rows), device=device)
        fractions = torch.rand(len(order), device=device)
        batches = (x.split(self.batch_size) for x in (order, fractions))
        for row, fraction in zip(*batches, strict=True):
            n_partners = self.n_partners[row]
            other = self.first[row] + (fraction * n_partners).long()
            other += self.n_left_out[row] * (other >= self.left_out[row])
            partner = torch.where(n_partners > 0, other, row)
            paired = (
                (n_partners > 0)
                if self.has_partners
                else torch.ones_like(row, dtype=torch.bool)
            )
            pairs = torch.stack([X["rows"][row], X["rows"][partner]])
            yield pairs, X["subject"][row], X["code"][row], X["freedom"][row], paired


class PerturbationNet(AdversarialNet):
    """A `NoiseField` or `FlowField` against a verifier, with a classifier.

    Each step updates the auxiliary nets (verifier and classifier), then the generator. In
    the first `pretrain_epochs` the generator learns to change nothing. Then it learns to
    keep the classifier right and to make the verifier wrong.

    Parameters
    ----------
    pretrain_epochs : int
        Epochs in which the generator learns to change nothing.
    classifier_weight, verification_weight : float
        Weights of both terms of the generator's loss.
    """

    def __init__(
        self,
        module: type[NoiseField],
        *args: Any,
        discriminator: type[AuxiliaryNets] = AuxiliaryNets,
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
        """Update the auxiliary nets, then the generator."""
        (row, partner), subject, code, freedom, paired = batch
        self.module_.train()
        draws = torch.randn(len(row), N_DRAWN, device=row.device)
        fake = self.module_(row, draws, freedom)
        figures = self._update_auxiliary_nets(row, partner, fake.detach(), subject, code)
        figures |= self._update_generator(row, partner, fake, code, paired)
        self.n_steps_ += 1
        # The figures stay on the device until the epoch ends.
        self.figures_.append({name: value.detach() for name, value in figures.items()})
        return {"loss": figures["verification_loss"].detach(), "y_pred": fake.detach()}

    def _update_auxiliary_nets(
        self, row: Tensor, partner: Tensor, fake: Tensor, subject: Tensor, code: Tensor
    ) -> dict[str, Tensor]:
        nets = self.discriminator_.train()
        self.discriminator_optimizer_.zero_grad()
        # All pairs of an original and a release.
        loss = self.criterion_(nets.verifier(torch.stack([partner, fake])), subject)
        figures = {"verifier_loss": loss}
        if nets.classifier is not None:
            logits = nets.classifier(torch.cat([row, fake]))
            loss = loss + F.cross_entropy(logits, code.repeat(2))
        loss.backward()
        self.discriminator_optimizer_.step()
        return figures

    def _update_generator(
        self, row: Tensor, partner: Tensor, fake: Tensor, code: Tensor, paired: Tensor
    ) -> dict[str, Tensor]:
        # In evaluation mode a row does not depend on its batch, as after the training.
        nets = self.discriminator_.eval().requires_grad_(False)
        self.optimizer_.zero_grad()
        identity = F.mse_loss(fake, row)
        # -log(1 - probability of being of one subject)
        genuine = nets.verifier(torch.stack([partner, fake])).diagonal()
        verification = (F.softplus(genuine) * paired).sum() / paired.sum().clamp_min(1)
        figures = {"identity_error": identity, "verification_loss": verification}
        loss = self.verification_weight * verification
        if nets.classifier is not None:
            logits = nets.classifier(fake)
            figures["classifier_loss"] = F.cross_entropy(logits, code)
            figures["class_accuracy"] = (logits.argmax(dim=1) == code).float().mean()
            loss = loss + self.classifier_weight * figures["classifier_loss"]
        (identity if self.n_epochs_ < self.pretrain_epochs else loss).backward()
        self.optimizer_.step()
        nets.requires_grad_(True)
        return figures


class PerturbationWatch(Watch):
    """Logs the training of a `PerturbationNet`, and writes a checkpoint after each epoch."""

    def on_epoch_begin(self, net: PerturbationNet, **kwargs: Any) -> None:
        """Set the number of epochs of the net, which a checkpoint may have changed."""
        net.n_epochs_ = len(self.log)

    def figures(self, net: PerturbationNet) -> dict[str, float]:
        """Return the means of the epoch; NaN for a classifier that does not exist.

        Raises
        ------
        ValueError
            If a loss is not finite.
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
