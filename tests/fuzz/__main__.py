# ruff: noqa: T201 - a command, which prints
"""`make fuzz`: many inputs of every kind, on all cores.

python -m sd2_depth2img.tests.fuzz [--inputs N] [--kinds weights,…] [--only KIND:NUMBER --keep DIR]
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .kinds import KINDS, SHARES
from .runner import Report, groups, run

EXAMPLES = 5  # of each group of failures


def main() -> int:
    """Returns 1 when an input failed."""
    options = _parser().parse_args()
    if options.only:
        return _remake(options.only, options.keep)
    kinds = options.kinds.split(",") if options.kinds else list(KINDS)
    total, reports = Report(), []
    for kind in kinds:
        count = round(options.inputs * SHARES[kind] / sum(SHARES[k] for k in kinds))
        report = _spread(kind, range(options.first, options.first + count), options.processes)
        print(f"{kind}: {report}", flush=True)
        total.add(report)
        reports.append(report)
    print(f"\nall: {total}")
    for group, failures in groups(total.failures).items():
        print(f"\n== {len(failures)} × {failures[0].kind}: {group}")
        for failure in failures[:EXAMPLES]:
            print(f"  {failure}")
    return bool(total.failures)


def _spread(kind: str, numbers: range, processes: int) -> Report:
    """Every process takes each so-manyth input."""
    report = Report()
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor(processes) as pool:
        shares = [(numbers[i::processes], Path(home, f"{kind}{i}")) for i in range(processes)]
        for part in pool.map(lambda share: run(kind, KINDS[kind], *share), shares):
            report.add(part)
    return report


def _remake(only: str, keep: Path | None) -> int:
    kind, _, number = only.partition(":")
    with tempfile.TemporaryDirectory() as home:
        report = run(kind, KINDS[kind], [int(number)], Path(home, "work"), keep)
    print(report)
    for failure in report.failures:
        print(failure)
    return bool(report.failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz")
    add = parser.add_argument
    add("--inputs", type=int, default=50_000, metavar="N")
    add("--first", type=int, default=0, metavar="N", help="number of the first input of each kind")
    add("--kinds", metavar="KIND,…", help=f"some of {', '.join(KINDS)}")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    add("--only", metavar="KIND:NUMBER", help="one input again")
    add(
        "--keep", type=Path, metavar="DIR", help="with --only: a new folder for a copy of its files"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
