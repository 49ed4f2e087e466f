# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products whose operands one thread copies by tensor maps (sm_90 and later): values
without races and reads of what nobody wrote, and which products there are."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_gpu_clusters import run, variants

from common import relative_error

pytestmark = pytest.mark.usefixtures("compiler", "simulator")


@dataclass
class Product:
    """An Einsum of two inputs; sizes of dims, and those that the model leaves open."""

    equation: str
    sizes: dict[str, int]
    precision: str = "bf16"
    open_dims: str = ""

    def shapes(self) -> list[list[int]]:
        return [
            [self.sizes[dim] for dim in term]
            for term in re.findall(r"[a-z]+", self.equation)
        ]

    def model(self) -> onnx.ModelProto:
        terms = re.findall(r"[a-z]+", self.equation)
        values = [
            helper.make_tensor_value_info(
                name,
                TensorProto.FLOAT,
                [dim if dim in self.open_dims else self.sizes[dim] for dim in term],
            )
            for name, term in zip("xwy", terms, strict=True)
        ]
        node = helper.make_node("Einsum", ["x", "w"], ["y"], equation=self.equation)
        graph = helper.make_graph([node], "product", values[:2], values[2:])
        opset = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9)

    def feeds(self) -> dict[str, np.ndarray]:
        """Numbers that all precisions hold, and whose sums f32 holds."""
        rng = np.random.default_rng(0)
        return {
            name: rng.integers(-16, 17, shape).astype(np.float32) / 8
            for name, shape in zip("xw", self.shapes(), strict=False)
        }


def sizes(**values: int) -> dict[str, int]:
    return values


# All four transpositions; ends of all dims inside of tiles; sums that are short, cut
# into parts, and cut into some that are empty; maps of up to five dims; operands that
# the batch does not move; rows of a single one.
PRODUCTS = {
    "nn": Product("mk,kn->mn", sizes(m=200, k=520, n=136)),
    "nt": Product("mk,nk->mn", sizes(m=77, k=200, n=131), "fp16"),
    "tn": Product("km,kn->mn", sizes(m=264, k=99, n=72)),
    "tt": Product("km,nk->mn", sizes(m=72, k=104, n=45), "fp16"),
    "tf32": Product("mk,nk->mn", sizes(m=45, k=76, n=91), "tf32"),
    "large": Product("mk,kn->mn", sizes(m=1024, k=64, n=1536)),
    "short": Product("mk,kn->mn", sizes(m=64, k=8, n=64)),
    "parts": Product("mk,kn->mn", sizes(m=24, k=4104, n=40)),
    "batch": Product("bmk,bkn->bmn", sizes(b=3, m=100, k=64, n=72)),
    "shared": Product("bmk,kn->bmn", sizes(b=5, m=33, k=72, n=64)),
    "heads": Product("bqhd,bkhd->bhqk", sizes(b=2, h=3, q=40, k=56, d=32)),
    "wide batch": Product("abmk,bcnk->abcmn", sizes(a=2, b=2, c=3, m=20, k=64, n=24)),
    "one row": Product("bmk,bkn->bmn", sizes(b=4, m=1, k=128, n=256)),
    "open": Product("bmk,kn->bmn", sizes(b=3, m=50, k=64, n=80), open_dims="bm"),
    "open sum": Product("bkm,bkn->bmn", sizes(b=2, k=37, m=48, n=80), open_dims="bk"),
    "empty sum": Product("km,kn->mn", sizes(k=0, m=48, n=80), open_dims="k"),
}


def compile_product(
    tool, folder: Path, product: Product | Heads, *options: str
) -> Path:
    path = folder / "product.onnx"
    onnx.save(product.model(), path)
    command = [tool("dlc-compile"), path, "-o", folder / "product.dlc"]
    command += ["--target=cuda", "--gpu-arch=sm_90", f"--dump-ir={folder}/ir"]
    command += [f"--precision={product.precision}", *options]
    subprocess.run(command, check=True)
    return folder / "product.dlc"


def is_bulk(folder: Path) -> bool:
    (text,) = folder.glob("ir/04-schedule*sm_90.mlir")
    return "bulk = true" in text.read_text()


def check(tool, binary: Path, product: Product, **settings: str) -> None:
    feeds = product.feeds()
    exact = {name: value.astype(np.float64) for name, value in feeds.items()}
    reference = np.einsum(product.equation, exact["x"], exact["w"])
    (result,) = run(tool, binary, feeds, ["y"], **settings)
    np.testing.assert_array_equal(result, reference)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(tool, tmp_path, name):
    product = PRODUCTS[name]
    binary = compile_product(tool, tmp_path, product)
    assert is_bulk(tmp_path)
    for mode in ["eager", "late", "seed:5"]:
        checks = {"RACE": "1", "UNINITIALISED": "1", "MODE": mode}
        check(tool, binary, product, DEVICE="sm_90a", **checks)
    check(tool, binary, product, DEVICE="sm_120a")


# Rows that begin at any multiple of 2 or 8 bytes; f32 rows along another dim than the
# summed one, which no matrix load transposes.
OTHERS = {
    "odd k": Product("mk,nk->mn", sizes(m=64, k=101, n=64)),
    "odd n": Product("mk,kn->mn", sizes(m=64, k=96, n=100)),
    "open n": Product("mk,kn->mn", sizes(m=64, k=96, n=96), open_dims="n"),
    "tf32": Product("mk,kn->mn", sizes(m=64, k=96, n=96), "tf32"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_products(tool, tmp_path, name):
    product = OTHERS[name]
    binary = compile_product(tool, tmp_path, product)
    assert not list(tmp_path.glob("ir/*sm_90*")) or not is_bulk(tmp_path)
    check(tool, binary, product, DEVICE="sm_90a", RACE="1")


def test_variants(tool, tmp_path):
    """Code with bulk copies is a variant of its own, which earlier GPUs do without."""
    product = PRODUCTS["nn"]
    binary = compile_product(tool, tmp_path, product)
    assert variants(tool, binary) == ["cuda", "cuda-sm_90"]
    check(tool, binary, product, DEVICE="sm_80")


def test_one_architecture(tool, tmp_path):
    product = PRODUCTS["nn"]
    schedule = (
        "#tile.gemm_schedule<tile_m = 64, tile_n = 64, tile_k = 32, stages = 3, "
        "warps_m = 2, warps_n = 2, bulk = true>"
    )
    compile_product(tool, tmp_path, product)
    text = (tmp_path / "ir" / "03-dispatch-cuda.mlir").read_text()
    text = re.sub(
        r"(result_sizes\([^)]*\)) :(?=(?:(?!nn\.yield).)*nn\.contract )",
        rf"\1 schedule({schedule}) :",
        text,
        flags=re.DOTALL,
    )
    given = tmp_path / "given.mlir"
    given.write_text(text)
    command = [tool("dlc-compile"), given, "-o", tmp_path / "given.dlc"]
    command += ["--from=schedule", "--target=cuda", "--precision=bf16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "expected no 'bulk' copies before sm_90" in done.stderr
    check(tool, tmp_path / "given.dlc", product, DEVICE="sm_90a")


@dataclass
class Heads:
    """Attention of ONNX: sizes, heads of queries and of keys, columns of a head."""

    rows: int
    keys: int
    heads: tuple[int, int] = (4, 4)
    columns: tuple[int, int] = (64, 64)
    is_causal: int = 0
    precision: str = "bf16"
    open_keys: bool = False

    def model(self) -> onnx.ModelProto:
        keys = "keys" if self.open_keys else self.keys
        width, depth = self.columns
        shapes = {
            "q": [2, self.heads[0], self.rows, width],
            "k": [2, self.heads[1], keys, width],
            "v": [2, self.heads[1], keys, depth],
            "y": [2, self.heads[0], self.rows, depth],
        }
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        node = helper.make_node(
            "Attention", ["q", "k", "v"], ["y"], is_causal=self.is_causal
        )
        graph = helper.make_graph([node], "attention", values[:3], values[3:])
        opset = [helper.make_opsetid("", 23)]
        return helper.make_model(graph, opset_imports=opset, ir_version=10)

    def feeds(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        width, depth = self.columns
        shapes = {
            "q": (2, self.heads[0], self.rows, width),
            "k": (2, self.heads[1], self.keys, width),
            "v": (2, self.heads[1], self.keys, depth),
        }
        return {
            name: rng.integers(-16, 17, shape).astype(np.float32) / 8
            for name, shape in shapes.items()
        }


# One box a row, and panels; rows padded to one; heads that share keys; keys that end
# inside of a block, and fewer than one; queries that stay in shared memory.
ATTENTION = {
    "heads": Heads(40, 200),
    "narrow": Heads(33, 77, columns=(32, 32), precision="fp16"),
    "padded": Heads(33, 130, columns=(56, 56)),
    "panels": Heads(70, 100, columns=(128, 128), precision="fp16"),
    "two widths": Heads(20, 90, columns=(128, 64)),
    "widest": Heads(20, 70, columns=(256, 256)),
    "shared keys": Heads(65, 150, heads=(6, 2), is_causal=1),
    "few keys": Heads(5, 3),
    "open": Heads(40, 130, is_causal=1, open_keys=True),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(tool, tmp_path, name):
    heads = ATTENTION[name]
    binary = compile_product(tool, tmp_path, heads)
    assert is_bulk(tmp_path)
    feeds = heads.feeds()
    repeats = heads.heads[0] // heads.heads[1]
    q, k, v = (feeds[x].astype(np.float64) for x in "qkv")
    k, v = (np.repeat(x, repeats, axis=1) for x in (k, v))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(heads.columns[0])
    if heads.is_causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    reference = weights @ v / weights.sum(axis=-1, keepdims=True)
    for mode in ["eager", "late", "seed:5"]:
        checks = {"RACE": "1", "UNINITIALISED": "1", "MODE": mode}
        (result,) = run(tool, binary, feeds, ["y"], DEVICE="sm_90a", **checks)
        assert relative_error(result, reference) <= 1e-2
