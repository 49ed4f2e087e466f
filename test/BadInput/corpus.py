# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Broken ONNX files, with the exit code and the words that each must bring.

A case writes one model (and what lies beside it) into a folder of its own. The
words are what a user needs to find the fault, such as a node's or a file's name
and the numbers that disagree, not whole messages.

  corpus.py FOLDER      writes all cases, FOLDER/NAME/model.onnx
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

USAGE, UNSUPPORTED, INVALID = 1, 2, 6


@dataclass(frozen=True)
class BadCase:
    name: str
    write: Callable[[Path], None]
    exit_code: int
    words: tuple[str, ...] = ()
    arguments: tuple[str, ...] = field(default=())


_CASES: list[BadCase] = []


def bad(exit_code: int, *words: str, arguments: tuple[str, ...] = ()):
    """Registers a case: a function that gives a model, bytes, or writes files."""

    def register(make: Callable):
        def write(folder: Path) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            made = make(folder) if make.__code__.co_argcount else make()
            if isinstance(made, onnx.ModelProto):
                made = made.SerializeToString()
            if made is not None:
                (folder / "model.onnx").write_bytes(made)

        name = make.__name__.strip("_")
        _CASES.append(BadCase(name, write, exit_code, words, arguments))
        return make

    return register


def cases() -> list[BadCase]:
    return list(_CASES)


def floats(name: str, *dims) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def model_of(nodes, *, inputs=None, outputs=None, weights=(), opsets=None, ir=9):
    """A model x[2, 3] -> y[2, 3], unless said otherwise."""
    graph = helper.make_graph(
        nodes,
        "bad",
        [floats("x", 2, 3)] if inputs is None else inputs,
        [floats("y", 2, 3)] if outputs is None else outputs,
        list(weights),
    )
    opsets = {"": 17} if opsets is None else opsets
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()],
        ir_version=ir,
    )


def good_model() -> onnx.ModelProto:
    """A model without a fault, which the cases break."""
    weight = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    return model_of(
        [
            helper.make_node("Add", ["x", "w"], ["sum"], name="add_w"),
            helper.make_node("Relu", ["sum"], ["y"], name="relu_1"),
        ],
        weights=[weight],
    )


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


@bad(INVALID, "model.onnx")
def missing_file(folder: Path):
    return None


@bad(INVALID)
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


# Operators.


@bad(UNSUPPORTED, "Frobnicate", "first_bad", "Twiddle")
def unknown_operators():
    return model_of(
        [
            helper.make_node("Frobnicate", ["x"], ["a"], name="first_bad"),
            helper.make_node("Relu", ["a"], ["b"], name="fine"),
            helper.make_node("Twiddle", ["b"], ["y"], name="second_bad"),
        ]
    )


@bad(UNSUPPORTED, "com.example", "Thing", "thing_1")
def unknown_domain():
    node = helper.make_node("Thing", ["x"], ["y"], name="thing_1", domain="com.example")
    return model_of([node], opsets={"": 17, "com.example": 1})


@bad(INVALID, "com.example")
def domain_without_opset():
    node = helper.make_node("Thing", ["x"], ["y"], name="thing_1", domain="com.example")
    return model_of([node])


@bad(UNSUPPORTED, "999")
def opset_of_the_future():
    return model_of([helper.make_node("Relu", ["x"], ["y"])], opsets={"": 999})


@bad(UNSUPPORTED, "3")
def opset_too_old():
    return model_of([helper.make_node("Relu", ["x"], ["y"])], opsets={"": 3}, ir=3)


@bad(INVALID, "opset")
def opset_zero():
    return model_of([helper.make_node("Relu", ["x"], ["y"])], opsets={"": 0})


# Names.


@bad(INVALID, "first", "second")
def cycle():
    return model_of(
        [
            helper.make_node("Add", ["x", "b"], ["a"], name="first"),
            helper.make_node("Relu", ["a"], ["b"], name="second"),
            helper.make_node("Relu", ["b"], ["y"], name="third"),
        ]
    )


@bad(INVALID, "nowhere", "reader")
def undefined_name():
    return model_of([helper.make_node("Add", ["x", "nowhere"], ["y"], name="reader")])


@bad(INVALID, "'z'")
def undefined_output():
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])],
        outputs=[floats("y", 2, 3), floats("z", 2, 3)],
    )


@bad(INVALID, "twice")
def duplicate_result():
    return model_of(
        [
            helper.make_node("Relu", ["x"], ["twice"], name="one"),
            helper.make_node("Neg", ["x"], ["twice"], name="two"),
            helper.make_node("Add", ["x", "twice"], ["y"]),
        ]
    )


@bad(INVALID, "'x'")
def duplicate_input():
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[floats("x", 2, 3), floats("x", 2, 3)],
    )


@bad(INVALID, "'w'")
def duplicate_weight():
    model = good_model()
    model.graph.initializer.append(model.graph.initializer[0])
    return model


@bad(INVALID, "'y'")
def duplicate_output():
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])],
        outputs=[floats("y", 2, 3), floats("y", 2, 3)],
    )


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


@bad(INVALID, "'w'", "5")
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


@bad(INVALID, "'y'")
def declared_output_shape_that_differs():
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])], outputs=[floats("y", 2, 4)]
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


# Attributes and arity.


@bad(INVALID, "softmax_1", "axis")
def attribute_of_the_wrong_kind():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1", axis=1.5)
    return model_of([node])


@bad(INVALID, "softmax_1", "axis", "7")
def attribute_out_of_range():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1", axis=7)
    return model_of([node])


@bad(INVALID, "relu_1", "slope")
def attribute_unknown():
    return model_of([helper.make_node("Relu", ["x"], ["y"], name="relu_1", slope=0.1)])


@bad(INVALID, "softmax_1", "axis")
def attribute_twice():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1", axis=1)
    node.attribute.append(helper.make_attribute("axis", 0))
    return model_of([node])


@bad(INVALID, "concat_1", "axis")
def attribute_missing():
    return model_of(
        [helper.make_node("Concat", ["x", "x"], ["y"], name="concat_1")],
        outputs=[floats("y", 4, 3)],
    )


@bad(INVALID, "softmax_1", "axis")
def attribute_that_refers_to_no_function():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1")
    node.attribute.append(
        AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="outer")
    )
    return model_of([node])


@bad(INVALID, "add_1")
def too_few_operands():
    return model_of([helper.make_node("Add", ["x"], ["y"], name="add_1")])


@bad(INVALID, "relu_1")
def too_many_operands():
    return model_of([helper.make_node("Relu", ["x", "x"], ["y"], name="relu_1")])


@bad(INVALID, "relu_1")
def too_many_results():
    return model_of([helper.make_node("Relu", ["x"], ["y", "z"], name="relu_1")])


@bad(INVALID, "add_1")
def required_operand_left_out():
    return model_of([helper.make_node("Add", ["", "x"], ["y"], name="add_1")])


@bad(INVALID, "conv_1", "5", "3")
def convolution_channels_that_differ():
    weight = numpy_helper.from_array(np.ones((4, 5, 3, 3), np.float32), "w")
    return model_of(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv_1")],
        inputs=[floats("x", 1, 3, 8, 8)],
        outputs=[floats("y", 1, 4, 6, 6)],
        weights=[weight],
    )


@bad(INVALID, "conv_1")
def convolution_stride_zero():
    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    return model_of(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv_1", strides=[0, 1])],
        inputs=[floats("x", 1, 3, 8, 8)],
        outputs=[floats("y", 1, 4, 6, 6)],
        weights=[weight],
    )


@bad(INVALID, "reshape_1")
def reshape_to_another_size():
    shape = numpy_helper.from_array(np.array([4, 4], np.int64), "shape")
    return model_of(
        [helper.make_node("Reshape", ["x", "shape"], ["y"], name="reshape_1")],
        outputs=[floats("y", 4, 4)],
        weights=[shape],
    )


# Functions and nesting.


def with_function(body, calls: str) -> onnx.ModelProto:
    function = helper.make_function(
        "local", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)]
    )
    node = helper.make_node(calls, ["x"], ["y"], name="call_1", domain="local")
    model = model_of([node], opsets={"": 17, "local": 1})
    model.functions.append(function)
    return model


@bad(INVALID, "F")
def function_that_calls_itself():
    body = [helper.make_node("F", ["a"], ["b"], domain="local")]
    model = with_function(body, "F")
    model.functions[0].opset_import.append(helper.make_opsetid("local", 1))
    return model


@bad(INVALID, "F", "nowhere")
def function_with_an_undefined_name():
    return with_function([helper.make_node("Relu", ["nowhere"], ["b"])], "F")


@bad(INVALID)
def nested_too_deep():
    """1,000 levels of If, more than any parser should follow."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    def message(number: int, payload: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(payload)) + payload

    graph = message(2, b"innermost")
    for _ in range(1000):
        attribute = (
            message(1, b"then_branch") + message(6, graph) + varint(20 << 3) + b"\x05"
        )
        node = message(4, b"If") + message(5, attribute)
        graph = message(1, node) + message(2, b"g")
    opset = varint(2 << 3) + varint(17)
    return varint(1 << 3) + varint(9) + message(8, opset) + message(7, graph)


# Options that do not fit the model.


@bad(USAGE, "frames", arguments=("--dim=frames=8",))
def dim_that_the_model_lacks():
    return good_model()


@bad(USAGE, "gpu2000", arguments=("--target=gpu2000",))
def target_that_is_none():
    return good_model()


@bad(USAGE, "frobnicate", arguments=("--frobnicate",))
def flag_that_is_none():
    return good_model()


@bad(USAGE, "pdp11", arguments=("--cpu=pdp11",))
def cpu_that_is_none():
    return good_model()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for case in cases():
        case.write(options.folder / case.name)
    print(f"{len(cases())} cases")


if __name__ == "__main__":
    main()
