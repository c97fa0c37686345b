"""What the walls cost: from starting a child process to its answer, with and without them.

    python -m benchmarks.children [PAIRS]

Interleaved, medians in milliseconds. "Without" is what OVPIPE_UNCONFINED=1 gives foreign code.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pipeline.host import sandbox


def main(pairs: int) -> None:
    """Print a line for each."""
    os.environ[sandbox.UNCONFINED] = "1"
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for turn in range(2 * pairs + 2):
            walled = turn % 2 == 0
            started = time.perf_counter()
            with sandbox.Child(scratch=scratch, log=scratch / "log", foreign=not walled) as child:
                child.call("operator:add", 1, 2, returns=int)
                held = child.walls
            if turn >= 2:
                times[walled].append((time.perf_counter() - started) * 1e3)
            else:
                print(f"{'walls' if walled else 'without'}: {', '.join(held)}")
    for walled, taken in times.items():
        print(f"{'walls' if walled else 'without'}: {statistics.median(taken):.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
