// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The closed lists of the nn dialect: elementwise functions, reductions, modes.
#ifndef DLC_DIALECT_NN_NNENUMS_TD
#define DLC_DIALECT_NN_NNENUMS_TD

include "mlir/IR/EnumAttr.td"

class NN_Enum<string name, string summary, list<string> names>
    : I32EnumAttr<name, summary, !foreach(i, !range(!size(names)), I32EnumAttrCase<names[i], i>)> {
  let cppNamespace = "::dlc::nn";
  let genSpecializedAttr = 0;
}

class NN_EnumAttr<NN_Enum info, string mnemonic> : EnumAttr<NN_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

// Names are ONNX's or ATen's in snake case. Integer and float forms share a name; `div` truncates on
// integers, `shr` is arithmetic on signed types. select(c, a, b), clamp(x, lo, hi).
def NN_Fn : NN_Enum<"Fn", "elementwise function", [
  // two operands
  "add", "sub", "mul", "div", "floor_div", "mod_floor", "mod_trunc", "maximum", "minimum", "pow",
  "atan2", "bit_and", "bit_or", "bit_xor", "shl", "shr", "eq", "ne", "lt", "le", "gt", "ge",
  // three operands
  "select", "clamp",
  // one operand
  "neg", "abs", "sign", "bit_not", "reciprocal", "sqrt", "rsqrt", "exp", "expm1", "log", "log1p",
  "log2", "floor", "ceil", "round_even", "trunc", "sin", "cos", "tan", "asin", "acos", "atan",
  "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "is_nan", "is_inf", "bitcast",
  // activations
  "relu", "sigmoid", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "hard_sigmoid", "hard_swish",
  "softplus"]>;
def NN_FnAttr : NN_EnumAttr<NN_Fn, "fn">;

def NN_ReduceKind : NN_Enum<"ReduceKind", "reduction",
    ["sum", "mean", "prod", "max", "min", "all", "any", "argmax", "argmin"]>;
def NN_ReduceKindAttr : NN_EnumAttr<NN_ReduceKind, "reduce_kind">;

def NN_ScanKind : NN_Enum<"ScanKind", "running reduction", ["sum", "prod", "max", "min"]>;
def NN_ScanKindAttr : NN_EnumAttr<NN_ScanKind, "scan_kind">;

def NN_ScatterKind : NN_Enum<"ScatterKind", "how an update meets the destination",
    ["assign", "add", "mul", "min", "max"]>;
def NN_ScatterKindAttr : NN_EnumAttr<NN_ScatterKind, "scatter_kind">;

def NN_PadMode : NN_Enum<"PadMode", "what stands outside a tensor",
    ["constant", "edge", "reflect", "wrap"]>;
def NN_PadModeAttr : NN_EnumAttr<NN_PadMode, "pad_mode">;

def NN_BoundsMode : NN_Enum<"BoundsMode", "what an index outside the range does",
    ["error", "clamp", "zero"]>;
def NN_BoundsModeAttr : NN_EnumAttr<NN_BoundsMode, "bounds">;

def NN_PoolKind : NN_Enum<"PoolKind", "what a pooling window computes", ["max", "avg", "sum", "lp"]>;
def NN_PoolKindAttr : NN_EnumAttr<NN_PoolKind, "pool_kind">;

def NN_NormStat : NN_Enum<"NormStat", "statistics of a normalisation", ["mean_var", "rms"]>;
def NN_NormStatAttr : NN_EnumAttr<NN_NormStat, "norm_stat">;

// What a row of attention or softmax gives when every score is masked (empty) or NaN.
def NN_EmptyRow : NN_Enum<"EmptyRow", "result of a fully masked row", ["nan", "zero", "average"]>;
def NN_EmptyRowAttr : NN_EnumAttr<NN_EmptyRow, "empty_row">;
def NN_NanRow : NN_Enum<"NanRow", "result of a row that is NaN", ["keep", "zero"]>;
def NN_NanRowAttr : NN_EnumAttr<NN_NanRow, "nan_row">;

def NN_ResizeMode : NN_Enum<"ResizeMode", "interpolation", ["nearest", "linear", "cubic"]>;
def NN_ResizeModeAttr : NN_EnumAttr<NN_ResizeMode, "resize_mode">;
def NN_CoordinateMode : NN_Enum<"CoordinateMode", "output coordinate to input coordinate",
    ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
     "tf_crop_and_resize"]>;
def NN_CoordinateModeAttr : NN_EnumAttr<NN_CoordinateMode, "coordinate_mode">;
def NN_NearestMode : NN_Enum<"NearestMode", "rounding of a nearest coordinate",
    ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]>;
def NN_NearestModeAttr : NN_EnumAttr<NN_NearestMode, "nearest_mode">;

def NN_RnnCell : NN_Enum<"RnnCell", "recurrent cell", ["rnn", "lstm", "gru"]>;
def NN_RnnCellAttr : NN_EnumAttr<NN_RnnCell, "rnn_cell">;
def NN_RnnDirection : NN_Enum<"RnnDirection", "direction of a recurrence",
    ["forward", "reverse", "bidirectional"]>;
def NN_RnnDirectionAttr : NN_EnumAttr<NN_RnnDirection, "rnn_direction">;

#endif // DLC_DIALECT_NN_NNENUMS_TD
