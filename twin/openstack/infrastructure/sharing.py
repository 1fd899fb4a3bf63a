"""A processor-sharing server: everyone at work gets the same share of a capacity, at once (Kleinrock 1967).

Cores that the kernel's scheduler shares out, a disk whose queue takes turns, a link between streams.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any

from simpy.events import Event

from twin.clock import Clock

Steps = Generator[Any, Any, Any]


class Job:
    """Work in progress. `done` succeeds with the job when it is finished; never, where it is cancelled."""

    __slots__ = ("done", "ends")

    def __init__(self, done: Event, ends: float) -> None:
        self.done = done
        self.ends = ends
        """Service attained by everybody at which it is finished; NaN after its end."""


class ProcessorSharing:
    """A capacity (cores, bytes/s) shared evenly by the jobs at work and by a constant `background` of others.

    One job alone gets `per_job` at most. All jobs progress at the same rate, so the service attained by each since the
    beginning is one number: a job is finished when that number has grown by its work. This is exact, with one event an
    arrival and one a departure, whoever else is there.
    """

    def __init__(self, clock: Clock, capacity: float, per_job: float = math.inf) -> None:
        self.clock = clock
        self.capacity = capacity
        self.per_job = per_job
        self.delivered = 0.0
        """Work done for jobs so far, up to the last change."""
        self._background = 0.0
        self._speed = 1.0
        self._attained = 0.0
        self._changed = clock._now
        self._jobs: list[tuple[float, int, Job]] = []
        self._at_work = 0
        self._numbered = 0
        self._plan = 0

    # --- what others set -----------------------------------------------------------------------------------------

    def set_load(self, background: float, speed: float = 1.0) -> None:
        """How many others want a share all the time, and how fast everything is compared with a healthy machine."""
        if background != self._background or speed != self._speed:
            self._advance()
            self._background, self._speed = background, speed
            self._expect()

    # --- work ----------------------------------------------------------------------------------------------------

    def job(self, work: float) -> Job:
        """Begin work of that size (core seconds, bytes). Work of nothing is finished at once."""
        self._advance()
        self._numbered += 1
        self._at_work += 1
        job = Job(Event(self.clock), self._attained + max(0.0, work))
        heappush(self._jobs, (job.ends, self._numbered, job))
        self._expect()
        return job

    def cancel(self, job: Job) -> None:
        """Take a job away before its end."""
        if not math.isnan(job.ends):
            self._advance()
            job.ends = math.nan
            self._at_work -= 1
            self._expect()

    def run(self, work: float) -> Steps:
        """Do work as a part of a process; whoever is interrupted leaves."""
        job = self.job(work)
        try:
            yield job.done
        finally:
            self.cancel(job)

    # --- what it shows -------------------------------------------------------------------------------------------

    @property
    def at_work(self) -> int:
        """Jobs at work."""
        return self._at_work

    @property
    def rate(self) -> float:
        """What each job gets now, per second."""
        return self._speed * min(self.per_job, self.capacity / max(1e-12, self._at_work + self._background))

    @property
    def utilisation(self) -> float:
        """Share of the capacity in use, background included."""
        return min(1.0, (self._at_work + self._background) * min(self.per_job, self.capacity) / self.capacity)

    def settle(self) -> None:
        """Account for what was delivered up to now."""
        self._advance()

    # --- inside --------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        now = self.clock._now
        if now > self._changed:
            if self._at_work:
                gained = self.rate * (now - self._changed)
                self._attained += gained
                self.delivered += gained * self._at_work
            self._changed = now

    def _expect(self) -> None:
        """Plan the next departure; what was planned before is void."""
        self._plan += 1
        jobs = self._jobs
        while jobs and math.isnan(jobs[0][2].ends):
            heappop(jobs)
        if not jobs:
            self._attained = 0.0  # nobody is there to remember: no precision is lost over a long life
            return
        if self.rate <= 0.0:
            return
        plan = self._plan
        wait = max(0.0, jobs[0][0] - self._attained) / self.rate
        self.clock.at(self.clock._now + wait, lambda _: self._depart() if plan == self._plan else None)

    def _depart(self) -> None:
        self._advance()
        jobs = self._jobs
        self._attained = max(self._attained, jobs[0][0])
        while jobs and (math.isnan(jobs[0][2].ends) or jobs[0][0] <= self._attained * (1.0 + 1e-12)):
            job = heappop(jobs)[2]
            if not math.isnan(job.ends):
                job.ends = math.nan
                self._at_work -= 1
                job.done.succeed(job)
        self._expect()
