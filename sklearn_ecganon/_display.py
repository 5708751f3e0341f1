"""Show a run of ``ecganon anonymize`` on the terminal.

No path, no file name and nothing out of a header is shown, so that the output may be kept.
"""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as ProgressBar

from sklearn_ecganon.archive import Outcome, Plan, Progress


class Display:
    """Shows the plan, the progress and the result of a run.

    Use it in a ``with`` block, as the `on_progress` of `RecordAnonymizer.anonymize_folder`.

    Parameters
    ----------
    parameters : dict of str to object
        Method and parameters to be shown with the plan; those that are None are left out.
    format : str, optional
        Format of all releases; by default each recording keeps its own where possible.
    resume : bool, default=False
        Whether to show how many recordings were done by an earlier run.
    console : rich.console.Console, optional
        Standard output by default.

    Attributes
    ----------
    outcomes : list of Outcome
        What became of the recordings of this run so far.
    """

    def __init__(
        self,
        parameters: dict[str, Any],
        *,
        format: str | None = None,
        resume: bool = False,
        console: Console | None = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._parameters = parameters
        self._format = format
        self._resume = resume
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._start = time.perf_counter()
        self._bar: ProgressBar | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show what is new.

        Parameters
        ----------
        progress : Progress
            The state of the run.
        """
        if progress.n_measured is not None:
            self._show_measured(progress, progress.n_measured)
            return
        if progress.to_do is None:
            self._show_plan(progress.plan)
            for note in progress.notes:
                self._print(note)
            return
        n_files = len(progress.to_do)
        if self._bar is None:
            self._bar = self._begin(progress, n_files)
        if progress.outcome is not None:
            self._show_outcome(progress.outcome, self._bar)
        n_done = min(len(self.outcomes), n_files)
        self._bar.update(self._task, completed=progress.n_bytes, n=n_done)

    def show_result(self) -> None:
        """Show how many recordings were done and refused, and how long it took."""
        reasons = Counter(o.reason for o in self.outcomes if o.outcome == "refused")
        n_refused = reasons.total()
        hours = sum(outcome.hours for outcome in self.outcomes)
        seconds = time.perf_counter() - self._start
        line = f"done         {len(self.outcomes) - n_refused}: "
        amount = f"{hours:.1f} hours" if hours >= 0.1 else f"{60 * hours:.1f} minutes"
        line += f"{amount} of ECG in {seconds:.1f} s"
        if n_refused:
            details = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items()))
            line += f"; {n_refused} refused ({details})"
        self._print(line)
        notes = Counter(note for outcome in self.outcomes for note in outcome.warnings)
        if notes:
            self._print("noted        " + ", ".join(f"{note} {n}" for note, n in notes.items()))

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False)

    def _show_plan(self, plan: Plan) -> None:
        formats = ", ".join(
            f"{n} {name}" + (f" to {target}" if target != name else "")
            for name, target, n in plan.conversions(self._format)
        )
        formats = f" ({formats})" if formats else ""
        self._print(f"recordings   {len(plan.jobs)}{formats}, {plan.size / 1e6:.1f} MB")
        if plan.refused:
            self._print(f"unreadable   {len(plan.refused)}")
        if plan.n_other:
            self._print(f"not copied   {plan.n_other} other file(s), which are no recordings")
        method, *others = [
            f"{name} {value}" for name, value in self._parameters.items() if value is not None
        ]
        self._print(f"{method.replace(' ', ' ' * 7, 1)}, {', '.join(others)}")
        if self._parameters.get("identity") == "per-subject":
            self._print(
                f"identity     one for each of {plan.n_subjects} people: whoever recognizes "
                "one recording of a person has recognized all of them"
            )

    def _begin(self, progress: Progress, n_files: int) -> ProgressBar:
        if self._resume:
            n_before = len(progress.plan.jobs) - n_files
            self._print(f"resumed      {n_before} were done by an earlier run")
        return self._start_bar("", n_files, sum(job.size for job in progress.to_do or ()))

    def _show_measured(self, progress: Progress, n_measured: int) -> None:
        """Show the first of two passes, whose bar makes room for that of the second."""
        n_files = len(progress.plan.jobs)
        if self._bar is None:
            self._bar = self._start_bar("profiles: ", n_files, progress.plan.size)
        self._bar.update(self._task, completed=progress.n_bytes, n=n_measured)
        if n_measured == n_files:
            self._bar.stop()
            self._bar = None
            self._print(f"profiles     of {n_files} recording(s) measured")

    def _start_bar(self, title: str, n_files: int, n_bytes: int) -> ProgressBar:
        bar = ProgressBar(
            TextColumn(title + "{task.fields[n]} of " + str(n_files)),
            BarColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = bar.add_task("", total=n_bytes, n=0)
        bar.start()
        return bar

    def _show_outcome(self, outcome: Outcome, bar: ProgressBar) -> None:
        self.outcomes.append(outcome)
        if outcome.outcome == "refused":
            bar.console.print(f"refused      {outcome.record}: {outcome.reason}", markup=False)


class FitDisplay:
    """Shows how many recordings `fit_archive` has read.

    Use it in a ``with`` block, as the `on_progress` of `fit_archive`. On a terminal it draws a
    bar; elsewhere it prints one line.

    Parameters
    ----------
    console : rich.console.Console, optional
        Standard output by default.
    """

    def __init__(self, *, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._bar = ProgressBar(
            TextColumn("{task.description} {task.completed} of {task.total}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> FitDisplay:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, n_done: int, n_files: int) -> None:
        """Show how many recordings have been read.

        Parameters
        ----------
        n_done, n_files : int
            Number of recordings that were read, and of all.
        """
        self._bar.update(self._task, completed=n_done, total=n_files)
        if n_done == n_files:
            self._bar.stop()
            self._console.print(f"read         {n_files} recordings; training", markup=False)
