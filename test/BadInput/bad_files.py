# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Broken as a file: contents, tensors, external data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from registry import INVALID, UNSUPPORTED, USAGE, bad, floats, good_model, model_of

# Files.


@bad(INVALID)
def empty_file():
    return b""


@bad(INVALID)
def text_file():
    return b"This is not a model.\n" * 100


@bad(INVALID)
def random_bytes():
    return np.random.default_rng(0).bytes(4096)


@bad(INVALID)
def truncated():
    data = good_model().SerializeToString()
    return data[: len(data) * 2 // 3]


@bad(INVALID)
def length_past_the_end():
    # Field 7, the graph, says that it has 2 GiB - 1 bytes.
    return b"\x08\x09\x3a\xff\xff\xff\xff\x07" + b"\x00" * 64


@bad(USAGE, "model.onnx")
def missing_file(folder: Path):
    return None


@bad(USAGE, "model.onnx")
def folder_in_its_place(folder: Path):
    (folder / "model.onnx").mkdir(exist_ok=True)


@bad(INVALID, "graph")
def no_graph():
    model = good_model()
    model.ClearField("graph")
    return model


@bad(INVALID, "opset")
def no_opset():
    model = good_model()
    del model.opset_import[:]
    return model


@bad(UNSUPPORTED, "999")
def ir_version_of_the_future():
    model = good_model()
    model.ir_version = 999
    return model


@bad(INVALID, "output")
def no_outputs():
    model = good_model()
    del model.graph.output[:]
    return model


# Tensors.


def with_weight(**fields) -> onnx.ModelProto:
    """The good model, with some fields of its weight w[2, 3] replaced."""
    model = good_model()
    weight = model.graph.initializer[0]
    for name, value in fields.items():
        weight.ClearField(name)
        if isinstance(value, list):
            getattr(weight, name).extend(value)
        elif value is not None:
            setattr(weight, name, value)
    return model


@bad(INVALID, "'w'", "24", "20")
def raw_data_too_short():
    return with_weight(raw_data=b"\0" * 20)


@bad(INVALID, "'w'", "24", "28")
def raw_data_too_long():
    return with_weight(raw_data=b"\0" * 28)


@bad(INVALID, "'w'")
def no_data():
    return with_weight(raw_data=None)


@bad(INVALID, "'w'", "6 elements", "5")
def too_few_floats():
    return with_weight(raw_data=None, float_data=[1.0] * 5)


@bad(INVALID, "'w'")
def two_payloads():
    return with_weight(float_data=[1.0] * 6)


@bad(INVALID, "'w'", "-3")
def negative_dim():
    return with_weight(dims=[2, -3])


@bad(INVALID, "'w'")
def overflowing_dims():
    return with_weight(dims=[2**33, 2**33])


@bad(INVALID, "'w'")
def overflowing_bytes():
    return with_weight(dims=[2**62])


@bad(INVALID, "'w'", "99")
def unknown_type():
    return with_weight(data_type=99)


@bad(INVALID, "'w'")
def type_undefined():
    return with_weight(data_type=0)


@bad(INVALID, "'x'", "-2")
def negative_input_dim():
    return model_of([helper.make_node("Relu", ["x"], ["y"])], inputs=[floats("x", -2)])


@bad(INVALID, "add_1", "3", "4")
def shapes_that_do_not_broadcast():
    return model_of(
        [helper.make_node("Add", ["x", "z"], ["y"], name="add_1")],
        inputs=[floats("x", 2, 3), floats("z", 2, 4)],
    )


@bad(INVALID, "mul_1", "3", "4")
def inner_dims_that_differ():
    return model_of(
        [helper.make_node("MatMul", ["x", "z"], ["y"], name="mul_1")],
        inputs=[floats("x", 2, 3), floats("z", 4, 3)],
    )


@bad(INVALID, "add_1")
def types_that_differ():
    ints = helper.make_tensor_value_info("z", TensorProto.INT64, [2, 3])
    return model_of(
        [helper.make_node("Add", ["x", "z"], ["y"], name="add_1")],
        inputs=[floats("x", 2, 3), ints],
    )


@bad(UNSUPPORTED, "'x'", "65", "64")
def rank_above_the_headers():
    wide = floats("x", *[1] * 65)
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[wide],
        outputs=[floats("y", *[1] * 65)],
    )


# External data. Each file is there but for the fault.


def with_external(folder: Path, location: str, data: bytes | None, **entries) -> None:
    """The good model with w in `location`, which gets `data` when not None."""
    model = good_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=str(value))
    if data is not None:
        path = folder / location
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


@bad(INVALID, "'w'", "weights.bin")
def external_file_missing(folder: Path):
    with_external(folder, "weights.bin", None)


@bad(INVALID, "'w'", "weights.bin")
def external_file_too_short(folder: Path):
    with_external(folder, "weights.bin", b"\0" * 20, offset=0, length=24)


@bad(INVALID, "'w'", "24", "20")
def external_length_wrong(folder: Path):
    with_external(folder, "weights.bin", b"\0" * 64, offset=0, length=20)


@bad(INVALID, "'w'")
def external_offset_past_the_end(folder: Path):
    with_external(folder, "weights.bin", b"\0" * 24, offset=4096, length=24)


@bad(INVALID, "'w'")
def external_offset_negative(folder: Path):
    with_external(folder, "weights.bin", b"\0" * 64, offset=-8, length=24)


@bad(INVALID, "'w'")
def external_offset_no_number(folder: Path):
    with_external(folder, "weights.bin", b"\0" * 64, offset="ten", length=24)


@bad(INVALID, "'w'", "secret.bin")
def external_file_outside(folder: Path):
    with_external(folder, "../secret.bin", b"\0" * 24)


@bad(INVALID, "'w'")
def external_file_absolute(folder: Path):
    secret = folder / "absolute.bin"
    with_external(folder, str(secret.resolve()), b"\0" * 24)


@bad(INVALID, "'w'", "link.bin")
def external_file_a_link(folder: Path):
    (folder / "target.bin").write_bytes(b"\0" * 24)
    (folder / "link.bin").unlink(missing_ok=True)
    (folder / "link.bin").symlink_to("target.bin")
    with_external(folder, "link.bin", None)


@bad(INVALID, "'w'")
def external_folder_a_link(folder: Path):
    (folder / "real").mkdir(exist_ok=True)
    (folder / "real" / "weights.bin").write_bytes(b"\0" * 24)
    (folder / "linked").unlink(missing_ok=True)
    (folder / "linked").symlink_to("real")
    with_external(folder, "linked/weights.bin", None)


@bad(INVALID, "'w'")
def external_file_a_folder(folder: Path):
    (folder / "weights.bin").mkdir(exist_ok=True)
    with_external(folder, "weights.bin", None)


@bad(INVALID, "'w'")
def external_location_missing(folder: Path):
    with_external(folder, "", None)
