"""`python -m render FIRST COUNT FOLDER`: render frames FIRST to FIRST + COUNT − 1 where missing."""

import argparse
import logging
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from . import batch, shards

TOGETHER = 32  # frames that a process renders

log = logging.getLogger("render")


def main() -> None:
    """Render what the command line names, in processes of their own."""
    parser = argparse.ArgumentParser(prog="python -m render", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--place", help="only this kind of place, to look at")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.folder.mkdir(parents=True, exist_ok=True)
    # A run that was stopped may have left a shard's frames whole but apart.
    for number in _numbers(range(options.first, options.first + options.count)):
        shards.pack(options.folder, number)
    missing = shards.missing(options.folder, options.first, options.count)
    batches = [missing[start : start + TOGETHER] for start in range(0, len(missing), TOGETHER)]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, fresh, max_tasks_per_child=1) as pool:
        jobs = [
            pool.submit(batch.render, indices, options.folder, options.place) for indices in batches
        ]
        for indices, job in zip(batches, jobs, strict=True):
            log.info("frames %d to %d: %.2f s each", indices[0], indices[-1], job.result())
            for number in _numbers(indices):
                if shards.pack(options.folder, number):
                    log.info("shard %d is whole", number)


def _numbers(indices: Iterable[int]) -> list[int]:
    """The shards of some frames."""
    return sorted({index // shards.SHARD for index in indices})


if __name__ == "__main__":
    main()
