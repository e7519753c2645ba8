"""Processes, a clock and an object store that are simulated, so that a random seed decides who runs when.

Each simulated process has threads of Python, of which one runs at a time. At every request to the store and
every wait, a thread gives the baton back, and the schedule passes it to any thread that is ready. Requests
may be answered late or with an error, with or without taking effect, at once or later; processes may be
suspended, cut off from the store, or killed.
"""

import errno
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

REAL_WAIT_S = 60.0  # for one schedule


class Killed(BaseException):
    """Ends the threads of a killed process; nothing that they do any more has an effect."""


class Process:
    """A process: its state as seen by the schedule."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.killed = False
        self.suspended_until = 0.0
        self.cut_off_until = 0.0
        self.lease: Any = None
        self.main: Thread | None = None


class Thread:
    """A thread that runs only while it has the baton; it stands in for `threading.Thread` in the lease."""

    def __init__(
        self, target: Callable[..., None], args: tuple[Any, ...] = (), daemon: bool = True, **known: Any
    ) -> None:
        self.world = World.current
        self.process: Process = known.get("process") or self.world.running().process
        self.wake_s = 0.0
        self.interrupted = False
        self.done = False
        self._baton = threading.Lock()  # held by others as long as this thread waits
        self._baton.acquire()
        self._target, self._args = target, args

    def start(self) -> None:
        self.wake_s = self.world.now_s
        self.world.threads.append(self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.world.by_thread[self._thread] = self
        self._thread.start()

    def join(self) -> None:
        while not self.done:
            self.world.running().wait(0.5)

    def resume(self) -> None:
        """Give this thread the baton."""
        self._baton.release()

    def wait(self, seconds: float) -> None:
        """Pass the baton on for so long."""
        self.wake_s = self.world.now_s + seconds
        following = self.world.choose()
        if following is not self and following is not None:
            following.resume()
            self._baton.acquire()
        if self.process.killed or self.world.errors:
            raise Killed
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    def _run(self) -> None:
        self._baton.acquire()
        try:
            self._target(*self._args)
        except Killed:
            pass
        except BaseException as error:
            self.world.errors.append(error)
        self.done = True
        following = self.world.choose()
        if following is None:
            self.world.ended.release()
        else:
            following.resume()


class Event:
    """Stands in for `threading.Event`."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def wait(self, seconds: float) -> bool:
        world = World.current
        until = world.now_s + seconds
        while not self._set and world.now_s < until:
            world.running().wait(min(1.0, until - world.now_s))
        return self._set


class World:
    """The clock, the threads and the content of the store."""

    current: "World"

    def __init__(self, seed: int) -> None:
        World.current = self
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.objects: dict[str, bytes] = {}
        self.threads: list[Thread] = []
        self.by_thread: dict[threading.Thread, Thread] = {}
        self.late: list[tuple[float, Callable[[], None]]] = []  # requests under way
        self.ended = threading.Lock()
        self.ended.acquire()
        self.errors: list[BaseException] = []
        self.faults = {
            name: self.rng.choice((0.0, 0.01, 0.05)) for name in ("fail", "suspend", "cut", "kill")
        }
        self.calm = False
        self.looking = False
        self.counts: Counter[str] = Counter()
        self.observe: Callable[[], None] = lambda: None

    def running(self) -> Thread:
        """Return the simulated thread that calls this."""
        return self.by_thread[threading.current_thread()]

    def inside(self) -> bool:
        """Return whether a simulated thread calls this, and neither the test nor `outside`."""
        return threading.current_thread() in self.by_thread and not self.looking

    def finish_late(self) -> None:
        """Let all requests under way take effect."""
        for _, effect in sorted(self.late, key=lambda item: item[0]):
            effect()
        self.late.clear()

    def run(self) -> None:
        """Run until all threads have ended; raises what one of them did not catch."""
        first = self.choose()
        assert first is not None
        first.resume()
        assert self.ended.acquire(timeout=REAL_WAIT_S), "a thread has hung"
        if self.errors:
            raise self.errors[0]

    def choose(self) -> Thread | None:
        """Return the thread that runs next, at a later time if none is ready; None if all have ended."""
        self.threads = [thread for thread in self.threads if not thread.done]
        if not self.threads:
            return None
        if self.rng.random() < 0.02 and not self.errors:
            try:
                self.observe()
            except AssertionError as error:
                self.errors.append(error)
        self.now_s = max(self.now_s, min(map(self._wake_s, self.threads)))
        for item in [item for item in self.late if item[0] <= self.now_s]:
            self.late.remove(item)
            item[1]()
        return self.rng.choice([thread for thread in self.threads if self._wake_s(thread) <= self.now_s])

    def request(self, effect: Callable[[], Any], changes: bool) -> Any:
        """Make a request of the running thread to the store, with what can go wrong."""
        if not self.inside():  # the test itself, which looks at the store
            return effect()
        thread, rng, faults = self.running(), self.rng, self.faults
        process = thread.process
        if changes and process.lease is not None and process.lease.lost:
            self.errors.append(AssertionError(f"process {process.number} writes after it has lost the run"))
        if not self.calm:
            if rng.random() < faults["suspend"]:
                process.suspended_until = self.now_s + rng.uniform(1, 80)
                self.counts["suspended"] += 1
            if rng.random() < faults["cut"]:
                process.cut_off_until = self.now_s + rng.uniform(1, 80)
                self.counts["cut off"] += 1
            if rng.random() < faults["kill"] / 4:
                process.killed = True
                self.counts["killed"] += 1
        thread.wait(rng.choice((0.0, 0.05, 0.05, 0.5)))  # on the way to the store
        fails = self.now_s < process.cut_off_until or rng.random() < faults["fail"]
        if fails and not self.calm:
            outcome = rng.choice(("request lost", "answer lost", "late")) if changes else "request lost"
            self.counts[outcome] += 1
            if outcome == "answer lost":
                _ignoring(effect)
            if outcome == "late":
                self.late.append((self.now_s + rng.uniform(0, 60), lambda: _ignoring(effect)))
            thread.wait(rng.choice((0.0, 1.0, 10.0)))
            raise OSError(errno.EIO, "simulated")
        try:
            found = effect()
        except OSError:
            thread.wait(0.0)
            raise
        thread.wait(rng.choice((0.0, 0.0, 0.05)))  # on the way back
        return found

    def _wake_s(self, thread: Thread) -> float:
        if thread.process.killed or self.errors:
            return self.now_s
        return max(thread.wake_s, thread.process.suspended_until)


def _ignoring(effect: Callable[[], Any]) -> None:
    with suppress(OSError):
        effect()


class SimulatedStore(AbstractFileSystem):
    """The object store of the current world, at sim://."""

    protocol = "sim"
    ignores_conditions = False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        objects = World.current.objects

        def put() -> None:
            if mode == "create" and path in objects and not SimulatedStore.ignores_conditions:
                raise FileExistsError(path)
            objects[path] = bytes(value)

        World.current.request(put, changes=True)

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> bytes:
        def get() -> bytes:
            if path not in World.current.objects:
                raise FileNotFoundError(path)
            return World.current.objects[path]

        found: bytes = World.current.request(get, changes=False)
        return found

    def find(self, path: str, *arguments: Any, **options: Any) -> dict[str, dict[str, Any]]:
        def list_objects() -> dict[str, dict[str, Any]]:
            found = World.current.objects.items()
            return {name: {"size": len(value)} for name, value in found if name.startswith(f"{path}/")}

        listed: dict[str, dict[str, Any]] = World.current.request(list_objects, changes=False)
        return listed

    def rm_file(self, path: str) -> None:
        World.current.request(lambda: World.current.objects.pop(path, None), changes=True)


@contextmanager
def outside() -> Iterator[None]:
    """Look at the store from a simulated thread, without requests and faults."""
    World.current.looking, before = True, World.current.looking
    try:
        yield
    finally:
        World.current.looking = before


def sleep(seconds: float) -> None:
    """Stand in for `time.sleep`; outside a simulated thread it returns at once."""
    if World.current.inside():
        World.current.running().wait(seconds)


def monotonic() -> float:
    """Stand in for `time.monotonic`."""
    return World.current.now_s


def kill(process_id: int, number: int) -> None:
    """Stand in for `os.kill` of the own process by SIGINT."""
    main = World.current.running().process.main
    assert main is not None
    main.interrupted = True
    World.current.counts["lost"] += 1


def process_id() -> int:
    """Stand in for `os.getpid`."""
    return World.current.running().process.number


THREADING = SimpleNamespace(Thread=Thread, Event=Event)
OS = SimpleNamespace(kill=kill, getpid=process_id)
fsspec.register_implementation("sim", SimulatedStore, clobber=True)
