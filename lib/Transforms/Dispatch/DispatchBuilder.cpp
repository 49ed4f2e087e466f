// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns a set of ops into one nn.dispatch.
#include "DispatchBuilder.h"

#include "FusionRules.h"

#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dlc {

namespace {

/// Collects what the ops of a dispatch use from outside.
class Captures {
public:
  Captures(ArrayRef<Operation *> ops, OpBuilder &b)
      : members(ops.begin(), ops.end()) {
    for (Operation *op : ops) {
      for (Value operand : op->getOperands()) {
        add(operand);
      }
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          if (!op->isAncestor(operand.getParentBlock()->getParentOp()) &&
              inner != op) {
            add(operand);
          }
        }
      });
    }
    // Sizes of the captured tensors, which the kernel needs to address them.
    for (Value tensor : tensors) {
      auto type = cast<RankedTensorType>(tensor.getType());
      SmallVector<Value> sizes;
      for (int64_t dim = 0; dim < type.getRank() && !type.hasStaticShape();
           ++dim) {
        OpFoldResult size = nn::sizeOf(b, tensor.getLoc(), tensor, dim);
        Value value = getValueOrCreateConstantIndexOp(b, tensor.getLoc(), size);
        add(value);
        sizes.push_back(value);
      }
      bindings.push_back(sizes);
    }
  }

  llvm::SetVector<Value> tensors, indices;
  /// Other scalars, whose bits are passed as indices.
  llvm::SetVector<Value> scalars;
  /// Constants, cloned rather than passed.
  llvm::SetVector<Operation *> constants;
  /// Per captured tensor the sizes of all dims; empty where they are static.
  SmallVector<SmallVector<Value>> bindings;

private:
  void add(Value value) {
    Operation *producer = value.getDefiningOp();
    if (producer && members.contains(producer)) {
      return;
    }
    if (isCloned(value)) {
      constants.insert(producer);
    } else if (isa<RankedTensorType>(value.getType())) {
      tensors.insert(value);
    } else if (value.getType().isIndex()) {
      indices.insert(value);
    } else {
      scalars.insert(value);
    }
  }

  /// Scalars, and tensors of one number where the kernel wants elements. A root
  /// may want a buffer, as the vector kernels do.
  bool isCloned(Value value) const {
    Attribute attr;
    if (!matchPattern(value, m_Constant(&attr))) {
      return false;
    }
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type) {
      return true;
    }
    bool isRead = llvm::all_of(value.getUsers(), [&](Operation *user) {
      return !members.contains(user) || isIndexFunction(user);
    });
    return isa<SplatElementsAttr>(attr) &&
           (isRead || type.getNumElements() == 1);
  }

  llvm::SmallPtrSet<Operation *, 16> members;
};

} // namespace

/// Sizes of the results' dynamic dims, as values before the ops.
static SmallVector<Value> resultSizes(OpBuilder &b, ArrayRef<Value> results) {
  SmallVector<Value> sizes;
  for (Value result : results) {
    auto type = cast<RankedTensorType>(result.getType());
    if (type.hasStaticShape()) {
      continue;
    }
    ReifiedRankedShapedTypeDims dims;
    LogicalResult done = reifyResultShapes(b, result.getDefiningOp(), dims);
    assert(succeeded(done) && "every fused op reifies its shape");
    (void)done;
    for (auto [dim, size] :
         llvm::enumerate(dims[cast<OpResult>(result).getResultNumber()])) {
      if (type.isDynamicDim(dim)) {
        sizes.push_back(
            getValueOrCreateConstantIndexOp(b, result.getLoc(), size));
      }
    }
  }
  return sizes;
}

static Type bitsType(Type scalar) {
  return IntegerType::get(scalar.getContext(), scalar.getIntOrFloatBitWidth());
}

/// A scalar's bits as an index.
static Value toIndex(OpBuilder &b, Value scalar) {
  Location loc = scalar.getLoc();
  if (isa<FloatType>(scalar.getType())) {
    scalar =
        arith::BitcastOp::create(b, loc, bitsType(scalar.getType()), scalar);
  }
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), scalar);
}

/// The scalar of `type` whose bits are in `index`.
static Value fromIndex(OpBuilder &b, Location loc, Type type, Value index) {
  Value bits = arith::IndexCastOp::create(b, loc, bitsType(type), index);
  return isa<FloatType>(type)
             ? arith::BitcastOp::create(b, loc, type, bits).getResult()
             : bits;
}

/// The ops' locations as one.
static Location fuseLocations(ArrayRef<Operation *> ops, Operation *root) {
  SmallVector<Location> locations{root->getLoc()};
  for (Operation *op : ops) {
    if (op != root) {
      locations.push_back(op->getLoc());
    }
  }
  return FusedLoc::get(root->getContext(), locations);
}

nn::DispatchOp buildDispatch(ArrayRef<Operation *> ops, Operation *root,
                             ArrayRef<Value> results) {
  // An op earlier than the last one may have users between the two; the
  // dispatch stands at the last.
  OpBuilder b(ops.back());
  SmallVector<Value> sizes = resultSizes(b, results);
  Captures captures(ops, b);
  SmallVector<Type> types = llvm::map_to_vector(
      results, [](Value result) { return result.getType(); });
  SmallVector<Value> indices(captures.indices.getArrayRef());
  for (Value scalar : captures.scalars) {
    indices.push_back(toIndex(b, scalar));
  }
  auto dispatch = nn::DispatchOp::create(b, fuseLocations(ops, root), types,
                                         captures.tensors.getArrayRef(),
                                         indices, sizes, Attribute());

  Block &body = dispatch.getBody().emplaceBlock();
  IRMapping mapping;
  for (Value value :
       llvm::concat<const Value>(captures.tensors, captures.indices)) {
    mapping.map(value, body.addArgument(value.getType(), value.getLoc()));
  }
  b.setInsertionPointToStart(&body);
  for (Value scalar : captures.scalars) {
    Location loc = scalar.getLoc();
    Value index = body.addArgument(b.getIndexType(), loc);
    mapping.map(scalar, fromIndex(b, loc, scalar.getType(), index));
  }
  for (Operation *constant : captures.constants) {
    b.clone(*constant, mapping);
  }
  for (auto [tensor, bound] :
       llvm::zip_equal(captures.tensors, captures.bindings)) {
    if (!bound.empty()) {
      SmallVector<Value> mapped = llvm::map_to_vector(
          bound, [&](Value size) { return mapping.lookup(size); });
      nn::BindShapeOp::create(b, tensor.getLoc(), mapping.lookup(tensor),
                              mapped);
    }
  }
  for (Operation *op : ops) {
    Operation *clone = b.clone(*op, mapping);
    if (op == root) {
      clone->setAttr(nn::kRootAttrName, b.getUnitAttr());
    }
  }
  SmallVector<Value> yielded = llvm::map_to_vector(
      results, [&](Value result) { return mapping.lookup(result); });
  nn::YieldOp::create(b, dispatch.getLoc(), yielded);
  for (auto [i, output] : llvm::enumerate(dispatch.getOutputs())) {
    Value(results[i]).replaceAllUsesWith(output);
  }
  return dispatch;
}

} // namespace dlc
