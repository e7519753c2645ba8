import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from lookahead_ray.sweep.interrupt import Interrupt, keeping_sigterm, sigterm_as_interrupt


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


def test_sigterm_interrupts_as_ctrl_c_does() -> None:
    interrupt, before = Interrupt(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupt.handled():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        interrupt.check()
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_library_does_not_take_the_handler_of_sigterm() -> None:
    with sigterm_as_interrupt():
        ours = signal.getsignal(signal.SIGTERM)
        with keeping_sigterm():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is ours


def test_a_command_that_gets_sigterm_ends_in_one_line() -> None:
    code = (
        "import time\n"
        "from lookahead_ray.entrypoints.errors import exit_on_error\n"
        "with exit_on_error():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    body = textwrap.indent(code, "    ")
    tried = f"import typer\ntry:\n{body}\nexcept typer.Exit as end:\n    exit(end.exit_code)"
    words = [sys.executable, "-c", tried]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")
