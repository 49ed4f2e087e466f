# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How lit runs the tests: build/bin first in the path, FileCheck strict.

Loaded by lit.site.cfg.py in the build folder: `lit build/test` runs everything.
"""

import os
import sys

import lit.formats

build = config.dlc_build_root

config.name = "dlc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unittests", "python", "Conformance", "Models", "BadInput"]
config.test_source_root = os.path.join(config.dlc_source_root, "test")
config.test_exec_root = os.path.join(build, "test")
config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(build, "bin"),
        config.llvm_bin,
        config.environment.get("PATH", os.defpath),
    ]
)
# A capture that leaks from one function into the next hides a missing match.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
config.substitutions.append(("%build", build))
config.substitutions.append(("%python", sys.executable))
config.maxIndividualTestTime = 60
