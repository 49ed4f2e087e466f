# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Broken as a graph: operators, names, attributes, functions; and options."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from registry import (
    INVALID,
    RESOURCE,
    UNSUPPORTED,
    USAGE,
    bad,
    floats,
    good_model,
    model_of,
)

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


# A node of a domain that the model does not import makes it invalid (ONNX IR).
@bad(INVALID, "com.example", "thing_1")
def domain_without_opset():
    node = helper.make_node("Thing", ["x"], ["y"], name="thing_1", domain="com.example")
    return model_of([node])


# All of it in one go, whatever else is wrong.
@bad(UNSUPPORTED, "999", "Frobnicate", "first_bad", "com.example", "second_bad")
def opset_operator_and_domain_unknown():
    return model_of(
        [
            helper.make_node("Frobnicate", ["x"], ["a"], name="first_bad"),
            helper.make_node(
                "Thing", ["a"], ["y"], name="second_bad", domain="com.example"
            ),
        ],
        opsets={"": 999, "com.example": 1},
    )


@bad(INVALID, "Frobnicate", "first_bad", "com.one", "thing_1", "com.two", "thing_2")
def operators_and_two_domains_without_opset():
    return model_of(
        [
            helper.make_node("Frobnicate", ["x"], ["a"], name="first_bad"),
            helper.make_node("Thing", ["a"], ["b"], name="thing_1", domain="com.one"),
            helper.make_node("Thing", ["b"], ["y"], name="thing_2", domain="com.two"),
        ]
    )


@bad(INVALID, "Frobnicate", "first_bad", "nowhere", "reader")
def undefined_name_and_unknown_operator():
    return model_of(
        [
            helper.make_node("Add", ["x", "nowhere"], ["a"], name="reader"),
            helper.make_node("Frobnicate", ["a"], ["y"], name="first_bad"),
        ]
    )


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


# Attributes and arity.


@bad(INVALID, "softmax_1", "axis", "int", "float")
def attribute_of_the_wrong_kind():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1", axis=1.5)
    return model_of([node])


@bad(INVALID, "softmax_1", "axis", "undefined")
def attribute_of_no_kind():
    node = helper.make_node("Softmax", ["x"], ["y"], name="softmax_1", axis=1)
    node.attribute[0].type = AttributeProto.UNDEFINED
    return model_of([node])


@bad(INVALID, "cast_1", "4294967297")
def cast_to_a_type_that_wraps():
    node = helper.make_node("Cast", ["x"], ["y"], name="cast_1", to=2**32 + 1)
    return model_of([node])


@bad(INVALID, "transpose_1", "-1")
def negative_permutation():
    node = helper.make_node("Transpose", ["x"], ["y"], name="transpose_1", perm=[-1, 0])
    return model_of([node], outputs=[floats("y", 3, 2)])


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


@bad(INVALID, "add_1", "expected 2 inputs, got 1")
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


def with_numbers(node, numbers, outputs=None) -> onnx.ModelProto:
    """One node on x and a constant list of numbers, "n"."""
    array = np.array(numbers, np.int64)
    return model_of(
        [node], outputs=outputs, weights=[numpy_helper.from_array(array, "n")]
    )


@bad(INVALID, "reshape_1", "2^48")
def reshape_that_overflows():
    node = helper.make_node("Reshape", ["x", "n"], ["y"], name="reshape_1")
    return with_numbers(node, [2**32, 2**32])


@bad(INVALID, "gather_1", "from -2 to 1", "7")
def gather_outside():
    node = helper.make_node("Gather", ["x", "n"], ["y"], name="gather_1")
    return with_numbers(node, [0, 7])


@bad(INVALID, "split_1", "at least 0", "-1")
def negative_part():
    node = helper.make_node("Split", ["x", "n"], ["y", "z"], name="split_1")
    return with_numbers(node, [-1, 3])


@bad(INVALID, "tile_1", "at least 0", "-2")
def negative_repeats():
    node = helper.make_node("Tile", ["x", "n"], ["y"], name="tile_1")
    return with_numbers(node, [1, -2])


@bad(INVALID, "top_1", "at least 0", "-1")
def negative_k():
    node = helper.make_node("TopK", ["x", "n"], ["y", "i"], name="top_1")
    return with_numbers(node, [-1])


@bad(INVALID, "space_1", "multiple of 2", "3")
def columns_that_do_not_divide():
    node = helper.make_node("SpaceToDepth", ["x"], ["y"], name="space_1", blocksize=2)
    return model_of([node], inputs=[floats("x", 1, 1, 4, 3)])


@bad(INVALID, "resize_1", "1e+12")
def scale_too_large():
    scales = numpy_helper.from_array(np.array([1, 1e12], np.float32), "s")
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], name="resize_1")
    return model_of([node], weights=[scales])


@bad(UNSUPPORTED, "resize_1", "scales")
def scales_of_unknown_number():
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], name="resize_1")
    return model_of([node], inputs=[floats("x", 2, 3), floats("s", "n")])


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


@bad(INVALID, "call_1", "nowhere")
def function_with_an_undefined_name():
    return with_function([helper.make_node("Relu", ["nowhere"], ["b"])], "F")


@bad(RESOURCE, "F0", "262144")
def functions_that_double():
    """40 functions, each calling the one before it twice: 2^40 nodes."""
    body = [helper.make_node("Relu", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model = with_function(body, "F0")
    del model.functions[:]
    for level in range(41):
        model.functions.append(
            helper.make_function("local", f"F{40 - level}", ["a"], ["b"], body, opsets)
        )
        below = f"F{40 - level}"
        body = [
            helper.make_node(below, ["a"], ["c"], domain="local"),
            helper.make_node(below, ["c"], ["b"], domain="local"),
        ]
    return model


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


@bad(USAGE, "'x'", arguments=("--dim=x[0]=4",))
def dim_of_another_size():
    return good_model()


@bad(USAGE, "batch", arguments=("--dim=batch=4", "--dim=batch=8"))
def dim_given_twice():
    return model_of(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[floats("x", "batch", 3)],
        outputs=[floats("y", "batch", 3)],
    )


@bad(USAGE, "batch", arguments=("--dim=batch=4", "--dim=x[0]=8"))
def dims_that_contradict():
    return dim_given_twice()


@bad(USAGE, "gpu2000", arguments=("--target=gpu2000",))
def target_that_is_none():
    return good_model()


@bad(USAGE, "frobnicate", arguments=("--frobnicate",))
def flag_that_is_none():
    return good_model()


@bad(USAGE, "pdp11", arguments=("--cpu=pdp11",))
def cpu_that_is_none():
    return good_model()


# More than a machine holds.


@bad(RESOURCE, "bytes of memory")
def constant_of_4_tebibytes():
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    sizes = numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "shape")
    result = floats("y", 1 << 20, 1 << 20)
    return model_of([node], weights=[sizes], inputs=[], outputs=[result])
