// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Typed builders over nn with type and shape inference, shared by all
// importers.
#ifndef DLC_IMPORT_BUILD_GRAPHBUILDER_H
#define DLC_IMPORT_BUILD_GRAPHBUILDER_H

#include "Dialect/NN/FnInfo.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/NN/Sizes.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"

#include <functional>

namespace dlc::build {

using nn::Sizes;

/// What kind of trouble a model is in; the values are the tools' exit codes.
enum class ErrorClass : int {
  None = 0,
  Usage = 1,
  Unsupported = 2,
  Resource = 3,
  Internal = 5,
  Invalid = 6,
  Cancelled = 7
};

/// Sizes of a sliding window's attributes; one entry per spatial dim.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  Sizes low, high;
  llvm::SmallVector<int64_t> outputPadding;
  bool ceil = false;
};

/// Appends nn ops to a block.
///
/// Tensors are ranked `mlir::Value`s. The builder knows the sizes of every
/// tensor it made, as attributes or index values, and makes each size once, so
/// that two sizes that are computed alike are the same value. It also knows the
/// elements of small integer tensors that are such sizes.
///
/// A builder that meets wrong input reports it once, through the callback, and
/// returns a null Value (or failure); given a null Value, it returns null
/// silently. So calls nest, and the caller looks at the last result only.
class GraphBuilder : public mlir::OpBuilder {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;
  using OpFoldResult = mlir::OpFoldResult;
  using Report = std::function<void(ErrorClass, const llvm::Twine &)>;
  template <typename T> using ArrayRef = llvm::ArrayRef<T>;
  using Ints = ArrayRef<int64_t>;

  /// Params go to the start of `module`, shared constants to the start of
  /// `entry`; ops to its end.
  GraphBuilder(mlir::ModuleOp module, mlir::Block *entry, Report report);

  /// Location of the ops made next.
  mlir::Location loc;
  /// What the messages of checks of a run begin with: the node.
  std::string origin;
  /// Treat sizes that are not known to be equal as equal instead of 1 or equal.
  bool assumeStrictDims = false;

  //===-- errors
  //-----------------------------------------------------------===//
  std::nullptr_t invalid(const llvm::Twine &message);
  std::nullptr_t unsupported(const llvm::Twine &message);

  //===-- facts
  //------------------------------------------------------------===//
  static mlir::RankedTensorType typeOf(Value tensor) {
    return llvm::cast<mlir::RankedTensorType>(tensor.getType());
  }
  static int64_t rankOf(Value tensor) { return typeOf(tensor).getRank(); }
  static Type elementOf(Value tensor) {
    return typeOf(tensor).getElementType();
  }
  const Sizes &sizes(Value tensor);
  OpFoldResult size(Value tensor, int64_t dim) { return sizes(tensor)[dim]; }
  void setSizes(Value tensor, Sizes sizes);
  /// The elements of an integer tensor of rank 2 at most, row-major, where each
  /// is known as an attribute or index value, else null.
  const Sizes *knownInts(Value tensor);
  void setKnownInts(Value tensor, Sizes elements);
  /// As knownInts; else each element is read at run time. Fails where the
  /// number of elements is not static.
  mlir::FailureOr<Sizes> readInts(Value tensor, llvm::StringRef what);
  /// As readInts, but each must be known now.
  mlir::FailureOr<llvm::SmallVector<int64_t>> readStatic(Value tensor,
                                                         llvm::StringRef what);
  /// The elements of a constant of at most 64 elements, or null.
  mlir::DenseElementsAttr constantOf(Value tensor);

  //===-- sizes
  //------------------------------------------------------------===//
  OpFoldResult index(int64_t value) { return getIndexAttr(value); }
  OpFoldResult add(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult sub(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult mul(OpFoldResult lhs, OpFoldResult rhs);
  /// Division rounding down; the divisor is positive.
  OpFoldResult floorDiv(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult ceilDiv(OpFoldResult lhs, OpFoldResult rhs);
  /// Division towards zero and its remainder; the divisor is not 0.
  OpFoldResult truncDiv(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult remainder(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult min(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult max(OpFoldResult lhs, OpFoldResult rhs);
  OpFoldResult product(ArrayRef<OpFoldResult> sizes);
  /// 1 or 0 as an i1 value or attribute.
  OpFoldResult compare(mlir::arith::CmpIPredicate predicate, OpFoldResult lhs,
                       OpFoldResult rhs);
  OpFoldResult select(OpFoldResult condition, OpFoldResult ifTrue,
                      OpFoldResult ifFalse);
  Value toValue(OpFoldResult size);
  /// Makes what `make` makes once: an equal op made before is taken instead.
  OpFoldResult unique(llvm::function_ref<OpFoldResult()> make);
  /// Lower bound of a size or shape number, from the ranges of sym_dims.
  std::optional<int64_t> lowerBound(OpFoldResult size, unsigned depth = 8);
  bool isNonNegative(OpFoldResult size) {
    return lowerBound(size).value_or(-1) >= 0;
  }
  /// Places a run-time check, unless the condition is known to hold; fails
  /// where it is known not to.
  mlir::LogicalResult check(OpFoldResult condition, const llvm::Twine &message,
                            ArrayRef<OpFoldResult> values = {});
  mlir::LogicalResult checkEqual(OpFoldResult lhs, OpFoldResult rhs,
                                 const llvm::Twine &what);
  /// Refuses a number that is read from data at run time and so large that
  /// arithmetic on it may overflow.
  mlir::LogicalResult checkMagnitude(OpFoldResult number,
                                     const llvm::Twine &what);

  //===-- constants
  //--------------------------------------------------------===//
  /// A constant; above 64 elements, a param.
  Value constant(mlir::DenseElementsAttr elements,
                 llvm::StringRef name = "constant");
  /// A scalar (rank 0) of a float or integer type.
  Value scalar(Type element, double value);
  /// A param's value; equal data and types share one param.
  Value param(llvm::StringRef name, mlir::RankedTensorType type,
              mlir::Attribute data);
  /// A tensor of rank 0 or 1 of integers, known ever after.
  Value fromInts(const Sizes &elements, Type element, bool isScalar);
  /// All elements equal `value` (rank 0).
  Value full(const Sizes &sizes, Value value);

  //===-- elementwise
  //------------------------------------------------------===//
  /// `fn` on operands of any ranks, with ONNX's broadcasting.
  Value elementwise(nn::Fn fn, ArrayRef<Value> operands,
                    ArrayRef<std::pair<llvm::StringRef, double>> params = {},
                    Type result = {});
  Value unary(nn::Fn fn, Value x) { return elementwise(fn, {x}); }
  Value binary(nn::Fn fn, Value lhs, Value rhs) {
    return elementwise(fn, {lhs, rhs});
  }
  /// `fn` with a constant right-hand side of the operand's type.
  Value binary(nn::Fn fn, Value lhs, double rhs);
  Value cast(Value x, Type element, std::optional<bool> saturate = {});
  /// Floats of fewer than 32 bits as f32, anything else as it is: squares of
  /// 16-bit floats overflow and vanish where their sums and roots do not.
  Value widen(Value x);
  /// Sizes of the operands' broadcast.
  mlir::FailureOr<Sizes> broadcastSizes(ArrayRef<Value> operands);
  /// Element i of dim `dim` is i.
  Value iota(const Sizes &sizes, int64_t dim, Type element);

  //===-- reductions
  //-------------------------------------------------------===//
  Value reduce(nn::ReduceKind kind, Value x, Ints axes, bool keepDims,
               bool selectLast = false);
  Value softmax(Value x, Ints axes, bool log = false);
  Value scan(nn::ScanKind kind, Value x, int64_t axis, bool exclusive,
             bool reverse);
  /// The first k elements along `axis` in order, and where they stood (i64).
  std::pair<Value, Value> sort(Value x, OpFoldResult k, int64_t axis,
                               bool descending);

  //===-- contractions
  //-----------------------------------------------------===//
  /// Sum of products; each operand and result dim names its loop. Sizes of one
  /// loop must agree or be 1.
  Value contract(Value lhs, ArrayRef<unsigned> lhsLoops, Value rhs,
                 ArrayRef<unsigned> rhsLoops, ArrayRef<unsigned> resultLoops,
                 Type result = {}, Value lhsZero = {}, Value rhsZero = {});
  /// numpy's matmul.
  Value matmul(Value lhs, Value rhs, Type result = {}, Value lhsZero = {},
               Value rhsZero = {});

  //===-- views
  //------------------------------------------------------------===//
  /// The same elements; the caller knows that the counts agree.
  Value reshape(Value x, const Sizes &sizes);
  /// ONNX Reshape: 0 copies (unless allowZero), one -1 is inferred.
  Value reshapeTo(Value x, const Sizes &spec, bool allowZero);
  /// Merges dims [begin, end) into one.
  Value collapse(Value x, int64_t begin, int64_t end);
  /// New dims of size 1 at these places of the result, sorted.
  Value unsqueeze(Value x, Ints dims);
  Value squeeze(Value x, Ints dims);
  /// Leading dims of size 1 up to `rank`.
  Value padRank(Value x, int64_t rank);
  Value transpose(Value x, Ints permutation);
  /// Repeats along dims of size 1; `sizes` has at least the rank of x.
  Value broadcastTo(Value x, const Sizes &sizes);
  /// One-way broadcasting, checked: sizes of x are those of `sizes` or 1.
  Value broadcastInto(Value x, const Sizes &sizes);
  /// ONNX Expand: two-way broadcasting with a shape.
  Value expand(Value x, const Sizes &shape);
  Value slice(Value x, const Sizes &offsets, const Sizes &sizes,
              const Sizes &strides);
  /// Elements [offset, offset + count) of one dim.
  Value sliceDim(Value x, int64_t dim, OpFoldResult offset, OpFoldResult count);
  /// ONNX Slice of some dims: negative numbers count from the end, all are
  /// clamped.
  Value sliceClamped(Value x, Ints dims, ArrayRef<OpFoldResult> starts,
                     ArrayRef<OpFoldResult> ends, ArrayRef<OpFoldResult> steps);
  /// Negative borders cut. `value` may be null: 0.
  Value pad(Value x, const Sizes &low, const Sizes &high, nn::PadMode mode,
            Value value);
  Value concat(ArrayRef<Value> inputs, int64_t axis);

  //===-- gather and scatter
  //-----------------------------------------------===//
  /// Slices of dim `axis` at `indices` of any rank (ONNX Gather).
  Value take(Value x, Value indices, int64_t axis);
  Value gatherElements(Value x, Value indices, int64_t axis);
  Value gatherND(Value x, Value indices, int64_t batchDims);
  Value scatterElements(Value x, Value indices, Value updates, int64_t axis,
                        nn::ScatterKind kind);
  Value scatterND(Value x, Value indices, Value updates, nn::ScatterKind kind);

  //===-- windows
  //----------------------------------------------------------===//
  struct ConvOptions {
    int64_t groups = 1;
    bool transposed = false;
    Value inputZero, filterZero;
    Type result;
  };
  Value conv(Value input, Value filter, Value bias, const Window &window,
             const ConvOptions &options);
  struct PoolOptions {
    bool countIncludePad = false, columnMajor = false, wantIndices = false;
    int64_t p = 2;
  };
  /// The pooled tensor, and the indices if asked for.
  std::pair<Value, Value> pool(nn::PoolKind kind, Value input,
                               const Window &window, PoolOptions options);

  //===-- norms
  //------------------------------------------------------------===//
  Value batchNorm(Value x, Value scale, Value bias, Value mean, Value variance,
                  double epsilon);
  struct NormOptions {
    nn::NormStat stat = nn::NormStat::mean_var;
    llvm::SmallVector<int64_t> axes, affineDims;
    int64_t groups = 0;
    double epsilon = 1e-5;
    Type statType;
    bool wantStats = false;
  };
  /// The result; with wantStats also mean and inverse deviation.
  llvm::SmallVector<Value, 3> norm(Value x, Value scale, Value bias,
                                   const NormOptions &options);

  /// An op with one result of these sizes; null where a size is negative or the
  /// tensor too large.
  template <typename Op, typename... Args>
  Value make(Type element, const Sizes &sizes, Args &&...args) {
    mlir::RankedTensorType type = resultType(element, sizes);
    if (!type) {
      return {};
    }
    Value result =
        Op::create(*this, loc, type, std::forward<Args>(args)...)->getResult(0);
    setSizes(result, sizes);
    return result;
  }
  /// Null, and an error, where a size is negative or the tensor too large; a
  /// check for the run where sizes are read from data.
  mlir::RankedTensorType resultType(Type element, const Sizes &sizes);

private:
  static bool isOneForSure(OpFoldResult size);
  mlir::LogicalResult checkIndices(Value indices, OpFoldResult extent);
  bool isReadAtRun(OpFoldResult size);
  mlir::LogicalResult checkReadSizes(ArrayRef<OpFoldResult> sizes,
                                     int64_t staticElements);
  static bool isPartOf(OpFoldResult part, OpFoldResult whole);
  /// Checks that a dim of `size` is that of the `result`, or 1.
  mlir::LogicalResult checkBroadcast(OpFoldResult size, OpFoldResult result,
                                     int64_t dim);
  mlir::FailureOr<OpFoldResult>
  broadcastDim(ArrayRef<OpFoldResult> operands, int64_t dim,
               llvm::SmallVectorImpl<unsigned> &flagged);
  /// One operand of a contraction and the loop of each of its dims.
  struct LoopOperand {
    Value tensor;
    llvm::SmallVector<unsigned> loops;
  };
  mlir::FailureOr<OpFoldResult> joinLoop(LoopOperand &lhs, LoopOperand &rhs,
                                         unsigned loop, bool isSummed);
  /// Replaces run-time 0 and -1 among `open` entries of a reshape's shape.
  void resolveRuntime(Value x, const Sizes &spec, ArrayRef<size_t> open,
                      bool allowZero, std::optional<size_t> unknown,
                      Sizes &result);
  mlir::FailureOr<OpFoldResult> inferDim(Value x, ArrayRef<OpFoldResult> spec,
                                         size_t unknown);
  Value sharedConstant(mlir::DenseElementsAttr elements);

  mlir::ModuleOp module;
  mlir::Block *entry;
  Report report;
  mlir::Operation *lastShared = nullptr, *lastParam = nullptr;
  llvm::DenseMap<Value, std::unique_ptr<Sizes>> sizesOfTensor, intsOfTensor;
  llvm::DenseMap<llvm::hash_code, llvm::SmallVector<mlir::Operation *, 1>> made;
  llvm::DenseMap<std::pair<mlir::Attribute, Type>, Value> constants;
  llvm::DenseSet<Value> checked;
  /// Whether a size depends on an element of a tensor.
  llvm::DenseMap<Value, bool> readAtRun;
  /// A param whose bytes lie in a file; they are hashed when another of its
  /// type turns up.
  struct FileParam {
    nn::DataAttr data;
    std::optional<uint64_t> digest;
    Value value;
  };
  mlir::FailureOr<llvm::ArrayRef<char>> bytesOf(nn::DataAttr data);
  /// The param made before with equal bytes, or null; else a new entry.
  mlir::FailureOr<Value> findParam(Type type, nn::DataAttr data);
  llvm::DenseMap<Type, std::vector<FileParam>> params;
  llvm::StringMap<unsigned> symbols;
};

} // namespace dlc::build

#endif // DLC_IMPORT_BUILD_GRAPHBUILDER_H
