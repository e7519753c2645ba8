import os
import signal
import threading

import pytest

from lookahead_ray.sweep.interrupt import Interrupt


class Swallows:
    """Python drops what is raised while this is destroyed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_is_raised_later() -> None:
    interrupt = Interrupt()
    with interrupt.handled():
        interrupt.check()
        Swallows()
    with pytest.raises(KeyboardInterrupt):
        interrupt.check()


def test_an_interrupt_is_raised_at_once() -> None:
    interrupt, before = Interrupt(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupt.handled():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_get_no_signals() -> None:
    ran = []

    def run() -> None:
        with Interrupt().handled():
            ran.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ran == [True]
