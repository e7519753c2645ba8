"""The attempts at each trial of a run and the sessions' times, in `<run>/attempts.json`, over all sessions.

A trial's record exists only once it is committed. This file holds what must outlast a session before that:
how often a trial was begun without result, by a driver that was killed or because the infrastructure failed.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import replacing

SEEN_EVERY_S = 60.0
"""Interval at which a running session is noted, so that the time of a killed one is known to the minute."""


@dataclass
class Attempt:
    """The attempts at one trial that has no record yet."""

    count: int = 0  # begun without result since its last progress, the running one included
    error: str | None = None  # of the last attempt; None if its driver was killed
    since: float | None = None  # start of the running attempt, in seconds since the epoch
    accelerators: float = 0.0  # held by the running attempt


@dataclass
class _Content:
    trials: dict[str, Attempt] = field(default_factory=dict)
    sessions: list[tuple[float, float]] = field(default_factory=list)  # begin and last sign of life
    accelerator_s: float = 0.0  # seconds times accelerators of attempts without result


class Attempts:
    """The attempts of this session and earlier ones. Methods that write raise `StoreError` if they can't."""

    def __init__(
        self,
        path: Path | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the file, if it exists, and begin a session.

        Args:
            path: None: nothing is kept.
            changed: called after the file was written.
            clock: returns seconds since the epoch.
        """
        self._path, self._changed, self._clock = path, changed, clock
        self._content = _read(path) if path else _Content()
        self.earlier_sessions = tuple(self._content.sessions)
        seen = max((until for _, until in self.earlier_sessions), default=0.0)
        self._stop_all(seen)
        self._begun = self._seen = clock()

    def count(self, trial_id: str) -> int:
        """Return how often a trial was begun without result, the running attempt included."""
        return self._content.trials.get(trial_id, Attempt()).count

    def error(self, trial_id: str) -> str | None:
        """Return the error of the last attempt; None if its driver was killed or it is the first."""
        return self._content.trials.get(trial_id, Attempt()).error

    @property
    def accelerator_s(self) -> float:
        """Return the seconds of all attempts without result, times the accelerators that each held."""
        return self._content.accelerator_s

    def begin(self, trial_id: str, accelerators: float) -> None:
        """Count a new attempt, before it can kill this process."""
        attempt = self._content.trials.setdefault(trial_id, Attempt())
        attempt.count += 1
        attempt.error, attempt.since, attempt.accelerators = None, self._clock(), accelerators
        self._write()

    def progressed(self, trial_id: str) -> None:
        """Forget earlier attempts at a trial from whose new checkpoint the next attempt continues."""
        attempt = self._content.trials.get(trial_id)
        if attempt and attempt.count > 1:
            attempt.count = 1
            self._write()

    def fail(self, trial_id: str, error: str) -> None:
        """Note that an attempt failed through the infrastructure."""
        attempt = self._content.trials.setdefault(trial_id, Attempt(count=1))
        self._stop(attempt, self._clock())
        attempt.error = error
        self._write()

    def end(self, trial_id: str) -> None:
        """Forget the attempts at a trial that was committed."""
        if self._content.trials.pop(trial_id, None):
            self._write()

    def note_alive(self) -> None:
        """Note that this session runs, if the last note is old; a file that can't be written is logged."""
        if self._clock() - self._seen >= SEEN_EVERY_S:
            try:
                self._write(announce=False)
            except StoreError as error:
                logging.getLogger(__name__).warning("%s", error)
                self._seen = self._clock()

    def close(self) -> None:
        """End the session in order: the attempts that it interrupts do not count."""
        for attempt in self._content.trials.values():
            if attempt.since is not None:
                attempt.count -= 1
        self._stop_all(self._clock())
        self._content.trials = {name: tried for name, tried in self._content.trials.items() if tried.count}
        self._write()

    def _stop_all(self, at: float) -> None:
        for attempt in self._content.trials.values():
            self._stop(attempt, at)

    def _stop(self, attempt: Attempt, at: float) -> None:
        if attempt.since is not None:
            self._content.accelerator_s += max(0.0, at - attempt.since) * attempt.accelerators
            attempt.since = None

    def _write(self, announce: bool = True) -> None:
        self._seen = self._clock()
        self._content.sessions = [*self.earlier_sessions, (self._begun, self._seen)]
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as file:
                file.write(json.dumps(asdict(self._content)).encode())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StoreError(
                f"{self._path}: cannot be written: {reason}; fix the cause, then continue with --resume"
            ) from error
        if announce:
            self._changed()


def _read(path: Path) -> _Content:
    """Return the file's content; empty if it is missing or damaged, as only counts are lost with it."""
    try:
        fields = json.loads(path.read_bytes())
        return _Content(
            {name: Attempt(**attempt) for name, attempt in fields["trials"].items()},
            [(float(begin), float(seen)) for begin, seen in fields["sessions"]],
            float(fields["accelerator_s"]),
        )
    except FileNotFoundError:
        return _Content()
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        logging.getLogger(__name__).warning("%s: not used: %s", path, error)
        return _Content()
