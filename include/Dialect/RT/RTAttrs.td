// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What launches say of the tensors that kernels copy by bulk tensor copies.
#ifndef DLC_DIALECT_RT_RTATTRS_TD
#define DLC_DIALECT_RT_RTATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "Dialect/RT/RTBase.td"

def RT_TensorMapAttr : AttrDef<RT_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "a tensor that a GPU's kernel copies boxes of: a CUtensorMap before its launch";
  let description = [{
    ```mlir
    #rt.tensor_map<buffer = 0, element_bytes = 2, swizzle_bytes = 64, sizes = [512, ?], strides = [1024], box = [32, 16]>
    ```
    The fields are those of `dlc_tensor_map` in runtime/include/dlc/exec.h. Dim 0 is the innermost, whose
    elements are neighbours. `sizes` and `box` count elements, `strides` bytes; `strides` begins with dim 1.
    `?` stands for a value that the launch has among its operands.

    c1: `element_bytes` is 1, 2 or 4, `swizzle_bytes` 0, 32, 64 or 128, `buffer` not negative. c2: the rank
    is 2 to 5; `strides` has an entry fewer. c3: no size is negative; strides are positive multiples of 16.
    c4: a box has 1 to 256 elements in each dim. c5: in dim 0 its bytes are a multiple of 16, and, if there
    is a swizzle, at most `swizzle_bytes`.
  }];
  let parameters = (ins "int64_t":$buffer, "int64_t":$element_bytes, "int64_t":$swizzle_bytes,
                        ArrayRefParameter<"int64_t">:$sizes, ArrayRefParameter<"int64_t">:$strides,
                        ArrayRefParameter<"int64_t">:$box);
  let assemblyFormat = [{
    `<` `buffer` `=` $buffer `,` `element_bytes` `=` $element_bytes `,` `swizzle_bytes` `=` $swizzle_bytes
    `,` `sizes` `=` custom<Extents>($sizes) `,` `strides` `=` custom<Extents>($strides)
    `,` `box` `=` custom<Extents>($box) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getSizes().size(); }
    /// How many values of the launch it takes: sizes first, then strides.
    unsigned getNumDynamic() const;
  }];
}

def RT_TensorMapArrayAttr : TypedArrayAttrBase<RT_TensorMapAttr, "array of tensor maps">;

#endif // DLC_DIALECT_RT_RTATTRS_TD
