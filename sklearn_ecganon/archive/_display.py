"""What a run shows on the terminal: no path, no name, nothing out of a header."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._plan import Plan

if TYPE_CHECKING:
    from sklearn_ecganon.archive._anonymizer import Run


class Display:
    """Tells what will be done, how far it is, and what was done.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Print a line."""
        self.console.print(sentence, markup=False)

    def plan(self, plan: Plan, format: str | None = None) -> None:
        """Show what was found.

        Parameters
        ----------
        plan : Plan
            Of the archive.
        format : str, optional
            Format of all releases.
        """
        kinds = ", ".join(
            f"{n} {name}" + (f" to {target}" if target != name else "")
            for name, target, n in plan.conversions(format)
        )
        kinds = f" ({kinds})" if kinds else ""
        self.say(f"recordings   {len(plan.jobs)}{kinds}, {plan.size / 1e6:.1f} MB")
        if plan.refused:
            self.say(f"unopened     {len(plan.refused)} that cannot be read")
        if plan.n_other:
            self.say(f"left behind  {plan.n_other} other file(s), which are no recordings")

    def method(self, words: dict[str, Any]) -> None:
        """Show what is going to be done with it.

        Parameters
        ----------
        words : dict of str to object
            Method and parameters; what is None is left out.
        """
        name, *said = [f"{key} {value}" for key, value in words.items() if value is not None]
        self.say(f"{name.replace(' ', ' ' * 7, 1)}, {', '.join(said)}")

    def follow(self, run: Run, n_jobs: int | None) -> list[Outcome]:
        """Show how far a run is, and each refusal as it comes.

        Parameters
        ----------
        run : Run
            Is carried out here.
        n_jobs : int or None
            Recordings at the same time.

        Returns
        -------
        outcomes : list of Outcome
            Of this run.
        """
        outcomes: list[Outcome] = []
        n_all = len(run.todo)
        progress = Progress(
            TextColumn("{task.fields[n]} of " + str(n_all)),
            BarColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        with progress:
            task = progress.add_task("", total=sum(job.size for job in run.todo), n=0)
            told = run.outcomes(n_jobs, lambda size: progress.update(task, completed=size))
            for outcome in told:
                outcomes.append(outcome)
                if outcome.outcome == "refused":
                    line = f"refused      {outcome.record}: {outcome.reason}"
                    progress.console.print(line, markup=False)
                progress.update(task, n=min(len(outcomes), n_all))
        return outcomes

    def result(self, outcomes: list[Outcome], seconds: float) -> None:
        """Show what was done.

        Parameters
        ----------
        outcomes : list of Outcome
            Of this run.
        seconds : float
            It took.
        """
        refused = Counter(o.reason for o in outcomes if o.outcome == "refused")
        n_done = len(outcomes) - refused.total()
        why = ", ".join(f"{reason} {n}" for reason, n in sorted(refused.items()))
        hours = sum(outcome.hours for outcome in outcomes)
        self.say(
            f"done         {n_done}: {hours:.1f} hours of ECG in {seconds:.1f} s"
            + (f"; {refused.total()} refused ({why})" if refused else "")
        )
        noted = Counter(note for outcome in outcomes for note in outcome.warnings)
        if noted:
            self.say("noted        " + ", ".join(f"{note} {n}" for note, n in noted.items()))
