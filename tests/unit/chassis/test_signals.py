"""A process that is asked to end hears of it, whichever of its threads the kernel tells."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_a_signal_that_reaches_another_thread_is_heard() -> None:
    program = textwrap.dedent(
        """
        import signal, threading
        from queue import SimpleQueue
        from libs.engine.run.attend import wait
        asked = SimpleQueue()
        signal.signal(signal.SIGTERM, lambda number, _: asked.put(number))
        def take_it():
            waits.wait()
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            threading.Event().wait()
        waits = threading.Event()
        threading.Thread(target=take_it, daemon=True).start()
        threading.Timer(0.2, waits.set).start()
        wait(asked)
        """
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
