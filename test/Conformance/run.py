# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs onnx's own backend tests through dlc.onnx_backend.

Each test ends in one of
  pass      compiled, ran, right
  refused   the compiler said which operator, attribute, type or shape it lacks
  wrong     ran, but a value, shape or type of an output differs
  error     any other error of dlc
  crash     the process died, or was ended after the time limit
A wrong result, an error or a crash fails the run. status.tsv says of each test
whether it passes or why it is refused, and may only improve: what passed must pass.

  run.py                    all tests against status.tsv
  run.py PATTERN...         only those whose key contains one of the patterns
  run.py --update           and write what came out into status.tsv
  run.py --device=PTXSIM    the code for GPUs, on the simulator (CUDA: on a GPU),
                            against status-cuda.tsv
  run.py --dynamic          with every dim of every input known only to the run,
                            against status-dynamic.tsv
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import multiprocessing.connection
import os
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import dlc
from cases import Case, load_cases, with_dynamic_dims

STATUS_FILE = Path(__file__).with_name("status.tsv")
DEVICE = "CPU"
DYNAMIC = False
HEAD = """\
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# onnx's backend tests in dlc; written by `run.py --update`, may only improve.
"""
TIME_LIMIT = 120.0
# Without static sizes fewer ops become one, so that 16-bit values are rounded
# oftener: a result may be the neighbour of what onnx holds, by rtol 1e-3.
F16_ULP = 2.0**-9
FAILURES = ("wrong", "error", "crash")


@dataclass
class Outcome:
    status: str
    reason: str = ""
    seconds: float = 0.0


def one_line(text: str) -> str:
    """A message on one line, short enough for a table."""
    return " ".join(text.split())[:200]


def run_case(case: Case) -> Outcome:
    """Runs one test in this process."""
    from onnx.backend.test.runner import Runner

    model = case.model()
    compiled = with_dynamic_dims(model) if DYNAMIC else model
    try:
        rep = dlc.onnx_backend.prepare(compiled, DEVICE, num_threads=1)
        rep.model.set_threads(1)
        for inputs, expected in case.data_sets(model):
            outputs = list(rep.run(inputs))
            rtol = max(case.source.rtol, F16_ULP if DYNAMIC else 0.0)
            Runner.assert_similar_outputs(expected, outputs, rtol, case.source.atol)
    except dlc.UnsupportedOpError as error:
        return Outcome("refused", one_line(_reason(error)))
    except AssertionError as error:
        return Outcome("wrong", one_line(str(error)))
    except Exception as error:
        return Outcome("error", f"{type(error).__name__}: {one_line(str(error))}")
    return Outcome("pass")


def _reason(error) -> str:
    for diagnostic in error.diagnostics:
        if diagnostic.severity == "error":
            return diagnostic.message
    return str(error)


def _work(cases: list[Case], connection) -> None:
    """A worker: runs the tests whose numbers come in, until None does."""
    # What a crashing compiler prints is of no use among a thousand results.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while (index := connection.recv()) is not None:
        start = time.monotonic()
        outcome = run_case(cases[index])
        outcome.seconds = time.monotonic() - start
        connection.send(outcome)


class Worker:
    """A forked process, which shares the loaded tests."""

    def __init__(self, cases: list[Case]):
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(cases, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.index: int | None = None
        self.deadline = 0.0

    def give(self, index: int) -> None:
        self.index = index
        self.deadline = time.monotonic() + TIME_LIMIT
        self.connection.send(index)

    def take(self) -> Outcome:
        """The outcome of the test at work; a dead process is a crash."""
        try:
            if not self.connection.poll(0):
                self.process.kill()
                self.process.join()
                return Outcome("crash", f"no end after {TIME_LIMIT:.0f} s")
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Outcome("crash", f"exit code {self.process.exitcode}")

    def stop(self) -> None:
        if self.process.is_alive():
            self.connection.send(None)
        self.process.join()


def run_all(cases: list[Case], num_workers: int) -> list[Outcome]:
    """Runs all tests, each in one of a few processes."""
    outcomes: list[Outcome | None] = [None] * len(cases)
    waiting = collections.deque(range(len(cases)))
    workers = [Worker(cases) for _ in range(min(num_workers, len(cases)))]
    for worker in workers:
        worker.give(waiting.popleft())
    done = 0
    while busy := [worker for worker in workers if worker.index is not None]:
        limit = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
        ready = multiprocessing.connection.wait([w.connection for w in busy], limit)
        for worker in busy:
            if worker.connection not in ready and time.monotonic() < worker.deadline:
                continue
            outcome = outcomes[worker.index] = worker.take()
            worker.index = None
            done += 1
            _show_progress(done, len(cases))
            if outcome.status == "crash" and waiting:
                workers[workers.index(worker)] = worker = Worker(cases)
            if waiting:
                worker.give(waiting.popleft())
    for worker in workers:
        worker.stop()
    return outcomes


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r  {done} of {total}", end=end, file=sys.stderr, flush=True)


def read_status() -> dict[str, Outcome]:
    """What status.tsv holds, by key."""
    if not STATUS_FILE.exists():
        return {}
    rows = {}
    for line in STATUS_FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            key, status, reason = line.split("\t")
            rows[key] = Outcome(status, reason)
    return rows


def write_status(rows: dict[str, Outcome]) -> None:
    lines = [
        f"{key}\t{row.status}\t{row.reason}\n" for key, row in sorted(rows.items())
    ]
    STATUS_FILE.write_text(HEAD + "".join(lines))


def judge(outcome: Outcome, recorded: Outcome | None) -> str | None:
    """Why an outcome fails the run; None when it does not."""
    before = recorded.status if recorded is not None else "new"
    if outcome.status in FAILURES:
        return f"{before} before, now {outcome.status}: {outcome.reason}"
    if before == "pass" != outcome.status:
        return f"passed before, now {outcome.status}: {outcome.reason}"
    return None


def write_junit(path: Path, results: list[tuple[Case, Outcome, str | None]]) -> None:
    suite = ElementTree.Element("testsuite", name=path.stem)
    for case, outcome, failure in results:
        element = ElementTree.SubElement(
            suite,
            "testcase",
            classname=case.kind,
            name=case.source.name,
            time=f"{outcome.seconds:.3f}",
        )
        if failure is not None:
            ElementTree.SubElement(element, "failure", message=failure)
        elif outcome.status != "pass":
            message = f"{outcome.status}: {outcome.reason}"
            ElementTree.SubElement(element, "skipped", message=message)
    ElementTree.ElementTree(suite).write(path)


def summarize(results: list[tuple[Case, Outcome, str | None]]) -> None:
    """Prints a table of kinds and statuses, the failures, and the time."""
    statuses = ("pass", "refused", *FAILURES)
    print(f"{'kind':20}" + "".join(f"{status:>9}" for status in statuses))
    counts = collections.Counter((c.kind, o.status) for c, o, _ in results)
    for kind in dict.fromkeys(case.kind for case, _, _ in results):
        row = "".join(f"{counts[kind, status]:9}" for status in statuses)
        print(f"{kind:20}{row}")
    times = sorted(outcome.seconds for _, outcome, _ in results)
    print(f"median {times[len(times) // 2] * 1e3:.0f} ms a test")
    for case, _, failure in results:
        if failure is not None:
            print(f"FAILED {case.key}: {failure}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--junitxml", type=Path)
    parser.add_argument("--device", default="CPU", help="CPU, CUDA or PTXSIM")
    parser.add_argument("--dynamic", action="store_true")
    options = parser.parse_args()
    global DEVICE, DYNAMIC, STATUS_FILE
    DEVICE = options.device
    DYNAMIC = options.dynamic
    kinds = ["dynamic"] * DYNAMIC + ["cuda"] * (DEVICE != "CPU")
    STATUS_FILE = STATUS_FILE.with_name("-".join(["status", *kinds]) + ".tsv")
    cases = [
        case
        for case in load_cases()
        if not options.patterns or any(p in case.key for p in options.patterns)
    ]
    if not cases:
        parser.error(f"no test's key contains one of {options.patterns}")
    recorded = read_status()
    outcomes = run_all(cases, options.workers)
    # A process runs many tests, and one that corrupts memory may bring down a later
    # one: what fails is run again in a process of its own.
    for i, case in enumerate(cases):
        if judge(outcomes[i], recorded.get(case.key)) is not None:
            outcomes[i] = run_all([case], 1)[0]
    results = [
        (case, outcome, judge(outcome, recorded.get(case.key)))
        for case, outcome in zip(cases, outcomes, strict=True)
    ]
    summarize(results)
    if options.junitxml:
        write_junit(options.junitxml, results)
    if options.update:
        # Without patterns, tests that onnx no longer has go too.
        rows = recorded if options.patterns else {}
        for case, outcome, failure in results:
            if failure is None:
                rows[case.key] = outcome
            elif case.key in recorded:
                rows[case.key] = recorded[case.key]
        write_status(rows)
    else:
        better = [
            case.key
            for case, outcome, _ in results
            if outcome.status == "pass"
            and recorded.get(case.key, Outcome("")).status != "pass"
        ]
        if better:
            print(f"{len(better)} tests pass that did not before: run with --update")
    return 1 if any(failure for _, _, failure in results) else 0


if __name__ == "__main__":
    sys.exit(main())
