#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sets up, builds, and shows dlc at work: it compiles the sentence-embedding model
# MiniLM and searches a page of sentences with it, then compiles ResNet-50; each
# is checked against ONNX Runtime, and timed beside it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$ROOT/utils/setup.sh"
"$ROOT/utils/build.sh"
say "MiniLM-L6: sentence embeddings"
"$PYTHON" "$ROOT/examples/embed_sentences.py"
say "ResNet-50 with random weights"
"$PYTHON" "$ROOT/examples/classify_image.py"
