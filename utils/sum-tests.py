# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sums the results of all test suites, for utils/test.sh.

Each suite left NAME.status, its exit status, and most left JUnit XML: NAME.xml,
or any number of files in NAME/. A suite without XML counts as one test, and one
that ended badly although no test in its XML failed, as a failed test more.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(files: list[Path]) -> tuple[int, int, int]:
    """How many test cases of JUnit files passed, failed, and were skipped."""
    passed = failed = skipped = 0
    for file in files:
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            outcomes = {child.tag for child in case}
            if outcomes & {"failure", "error"}:
                failed += 1
            elif "skipped" in outcomes or case.get("status") == "notrun":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def main() -> int:
    totals = [0, 0, 0]
    print(f"\n{'suite':14}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for status in sorted(Path(sys.argv[1]).glob("*.status")):
        broke = status.read_text().strip() != "0"
        files = sorted(status.parent.glob(f"{status.stem}.xml"))
        files += sorted((status.parent / status.stem).glob("*.xml"))
        passed, failed, skipped = count(files)
        if broke and not failed:
            failed += 1
        elif not files and not broke:
            passed += 1
        print(f"{status.stem:14}{passed:8}{failed:8}{skipped:9}")
        totals = [a + b for a, b in zip(totals, (passed, failed, skipped), strict=True)]
    passed, failed, skipped = totals
    print(f"{'all':14}{passed:8}{failed:8}{skipped:9}\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
