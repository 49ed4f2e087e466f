// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes with few channels of any number of positions. A block has some
// positions and all of their channels. They are runs of memory on both sides,
// which lanes read and write element by element from a sector's first on. In
// shared memory each channel is a plane of positions. Lanes of a run have
// positions of several channels: planes begin so many banks apart that these do
// not meet. Where channels lie inside of positions on both sides, their order
// differs, and with it that distance: elements change planes in between.
#include "SectorRun.h"
#include "Transpose.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 256;
constexpr int64_t kMostChannels = 225, kLeastPositions = 16;
/// Shared memory of a block, where that has room for a warp's positions.
constexpr int64_t kBlockBytes = 16 << 10;
constexpr int64_t kMostPositions = 1024;
constexpr int64_t kBanks = 32, kBankBytes = 4;

/// Where elements are in shared memory: those of a channel are a plane. With
/// 2^k m channels inside of positions (m odd), lanes of a run have elements i,
/// i + 1, ... at position i / 2^k m and channel i % 2^k m. They meet in no bank
/// where bits of positions are rotated by k, and planes begin 1 / m banks apart
/// (modulo the number of banks, a power of two): times m, lane i then has bank
/// i, or i plus what all lanes of a warp have in common.
struct Planes {
  Planes() = default;
  Planes(int64_t inside, int64_t positions, int64_t banks);

  OpFoldResult address(kernel::IndexMath &math, OpFoldResult channel,
                       OpFoldResult position) const;

  /// Elements from one plane to the next; banks, and how far bits of positions
  /// are rotated, as a factor.
  int64_t stride = 0, banks = 1, factor = 1;
  /// Channel dims in the order of planes, and their sizes.
  SmallVector<unsigned> dims;
  nn::Sizes sizes;
};

Planes::Planes(int64_t inside, int64_t positions, int64_t banks)
    : banks(banks), factor(std::min(inside & -inside, banks)) {
  int64_t odd = inside / (inside & -inside), skew = 1;
  while (skew * odd % banks != 1) {
    skew += 2;
  }
  stride = llvm::alignTo(std::max<int64_t>(0, positions - skew), banks) + skew;
}

OpFoldResult Planes::address(kernel::IndexMath &math, OpFoldResult channel,
                             OpFoldResult position) const {
  OpFoldResult inPlane = position;
  if (factor > 1 && factor < banks) {
    OpFoldResult all = math.constant(banks);
    OpFoldResult group = math.constant(banks / factor);
    OpFoldResult low = math.rem(position, all);
    inPlane = math.add(
        math.sub(position, low),
        math.add(math.mul(math.rem(low, group), factor), math.div(low, group)));
  }
  return math.add(math.mul(channel, stride), inPlane);
}

/// How one side of the transpose is read or written.
struct Side {
  /// Dims that count runs, and those inside of positions.
  SmallVector<unsigned> aside, inside;
  int64_t numRuns = 1, numInside = 1;
};

/// How the elements are shared out to blocks.
struct PlanePlan {
  PlanePlan(nn::TransposeOp op, TransposeLines found);
  explicit PlanePlan(DispatchContext &context);

  /// Whether there are planes in the order of the input's, and the result's,
  /// channels.
  bool hasInputPlanes() const { return input.numInside > 1; }
  bool hasResultPlanes() const {
    return result.numInside > 1 || !hasInputPlanes();
  }
  int64_t getWords() const {
    int64_t most = std::max(hasInputPlanes() ? inputPlanes.stride : 0,
                            hasResultPlanes() ? resultPlanes.stride : 0);
    return lines.numChannels * most;
  }

  nn::TransposeOp op;
  TransposeLines lines;
  Side input, result;
  /// Bytes of an element in shared memory: a bank's, or two.
  int64_t wordBytes;
  /// Positions of a block.
  int64_t positions;
  Planes inputPlanes, resultPlanes;
  nn::Sizes sizes, grid;
  OpFoldResult allPositions;
};

PlanePlan::PlanePlan(nn::TransposeOp op, TransposeLines found)
    : op(op), lines(std::move(found)) {
  RankedTensorType type = op.getResult().getType();
  auto sideOf = [&](ArrayRef<unsigned> aside, ArrayRef<unsigned> inside) {
    Side side{llvm::to_vector(aside), llvm::to_vector(inside)};
    for (unsigned dim : aside) {
      side.numRuns *= type.getDimSize(dim);
    }
    for (unsigned dim : inside) {
      side.numInside *= type.getDimSize(dim);
    }
    return side;
  };
  input = sideOf(lines.asideInput, lines.inInput);
  result = sideOf(lines.asideResult, lines.inResult);
  wordBytes = std::max<int64_t>(kBankBytes, type.getElementTypeBitWidth() / 8);
  int64_t most = std::clamp<int64_t>(
      llvm::alignDown(kBlockBytes / wordBytes / lines.numChannels,
                      kWarpThreads),
      kWarpThreads, kMostPositions);
  int64_t all = lines.numPositions.value_or(most);
  int64_t tiles = std::max<int64_t>(1, llvm::divideCeil(all, most));
  positions = llvm::alignTo(std::max<int64_t>(1, llvm::divideCeil(all, tiles)),
                            kWarpThreads);
  int64_t banks = kBanks * kBankBytes / wordBytes;
  inputPlanes = Planes(input.numInside, positions, banks);
  resultPlanes = Planes(result.numInside, positions, banks);
}

/// The plan for a dispatch, if there is one: that of the most positions.
std::optional<PlanePlan> findPlan(nn::DispatchOp dispatch) {
  nn::TransposeOp op = findLoneTranspose(dispatch);
  if (!op) {
    return std::nullopt;
  }
  std::optional<PlanePlan> best;
  auto known = [](const PlanePlan &plan) {
    return plan.lines.numPositions.value_or(kMostPositions);
  };
  for (TransposeLines &lines :
       findTransposeLines(op, kLeastPositions, kMostChannels)) {
    PlanePlan plan(op, std::move(lines));
    if (plan.getWords() * plan.wordBytes <= kSharedBytes &&
        (!best || known(plan) > known(*best))) {
      best = std::move(plan);
    }
  }
  return best;
}

PlanePlan::PlanePlan(DispatchContext &context)
    : PlanePlan(*findPlan(context.getDispatch())) {
  sizes = context.sizes(op.getResult());
  nn::Sizes own;
  for (unsigned dim : lines.positions) {
    own.push_back(sizes[dim]);
  }
  for (unsigned dim : lines.outer) {
    grid.push_back(sizes[dim]);
  }
  auto order = [&](Planes &planes, const Side &side) {
    planes.dims = side.aside;
    llvm::append_range(planes.dims, side.inside);
    for (unsigned dim : planes.dims) {
      planes.sizes.push_back(sizes[dim]);
    }
  };
  order(inputPlanes, input);
  order(resultPlanes, result);
  allPositions = nn::productOf(context.b, context.b.getLoc(), own);
  grid.push_back(
      context.math.ceilDiv(allPositions, context.math.constant(positions)));
}

class PlaneEmitter {
public:
  explicit PlaneEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), plan(kb),
        access(kb, plan.op, plan.lines),
        element(getCodeType(plan.op.getResult().getType().getElementType())),
        word(plan.wordBytes == kBankBytes ? Type(b.getI32Type()) : element) {}

  void emit();

private:
  using Element = TransposeAccess::Element;
  using PlaceFn = OpFoldResult (TransposeAccess::*)(const Element &);

  /// Where an element is in its plane.
  Value address(const Planes &planes, const Element &at, OpFoldResult inTile);
  /// Sets the indices of `dims` to those of number `i`.
  void setIndices(Element &at, ArrayRef<unsigned> dims, OpFoldResult i);
  /// Emits `body` for each element of a side's runs that this thread has, with
  /// its place in the tensor and its position in the block.
  void forSide(const Side &side, PlaceFn placeOf, int64_t unit,
               llvm::function_ref<void(const Element &, OpFoldResult place,
                                       OpFoldResult inTile)>
                   body);
  /// Brings elements to where other planes have them.
  void reorder(const Planes &from, const Planes &to);
  Value widen(Value value);
  Value narrow(Value word);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  PlanePlan plan;
  TransposeAccess access;
  /// Of an element, in registers and in shared memory.
  Type element, word;
  Value shared;
  /// Of the block: indices of outer dims, its first position, and how many it
  /// has.
  Element first;
  OpFoldResult count;
};

Value PlaneEmitter::address(const Planes &planes, const Element &at,
                            OpFoldResult inTile) {
  OpFoldResult channel = math.constant(0);
  for (auto [dim, size] : llvm::zip_equal(planes.dims, planes.sizes)) {
    channel = math.add(math.mul(channel, size), at.indices[dim]);
  }
  return math.value(planes.address(math, channel, inTile));
}

void PlaneEmitter::setIndices(Element &at, ArrayRef<unsigned> dims,
                              OpFoldResult i) {
  nn::Sizes sizes;
  for (unsigned dim : dims) {
    sizes.push_back(plan.sizes[dim]);
  }
  for (auto [dim, index] :
       llvm::zip_equal(dims, kernel::delinearize(math, i, sizes))) {
    at.indices[dim] = math.value(index);
  }
}

void PlaneEmitter::forSide(
    const Side &side, PlaceFn placeOf, int64_t unit,
    llvm::function_ref<void(const Element &, OpFoldResult, OpFoldResult)>
        body) {
  OpFoldResult one = math.constant(1), inside = math.constant(side.numInside);
  kernel::emitFor(
      b, math.constant(0), math.constant(side.numRuns), one, [&](Value run) {
        KernelBuilder::MemoScope scope(kb);
        Element begin = first;
        setIndices(begin, side.aside, run);
        setIndices(begin, side.inside, math.constant(0));
        OpFoldResult place = (access.*placeOf)(begin);
        SectorRun elements{place, math.constant(0), math.mul(count, inside),
                           unit};
        emitSectorRun(kb, elements, math.constant(kThreads), [&](Value i) {
          Element at = begin;
          OpFoldResult inTile = math.div(i, inside);
          setIndices(at, side.inside, math.rem(i, inside));
          at.position = math.value(math.add(begin.position, inTile));
          body(at, math.add(place, i), inTile);
        });
      });
}

void PlaneEmitter::reorder(const Planes &from, const Planes &to) {
  OpFoldResult positions = math.constant(plan.positions);
  int64_t all = plan.positions * plan.lines.numChannels;
  SmallVector<Value> kept;
  auto forElements =
      [&](llvm::function_ref<void(const Element &, Value inTile, Value exists)>
              body) {
        for (int64_t i = 0; i < all; i += kThreads) {
          KernelBuilder::MemoScope scope(kb);
          OpFoldResult number = math.add(kb.getThread(), math.constant(i));
          Value inTile = math.value(math.rem(number, positions));
          Element at = first;
          setIndices(at, from.dims, math.div(number, positions));
          body(at, inTile,
               arith::AndIOp::create(b, math.less(inTile, count),
                                     math.less(number, math.constant(all))));
        }
      };
  forElements([&](const Element &at, Value inTile, Value exists) {
    kept.push_back(kernel::emitIf(
        b, exists, word,
        [&] {
          return SmallVector<Value>{
              memref::LoadOp::create(b, shared, address(from, at, inTile))};
        },
        [&] { return SmallVector<Value>{kernel::zeroOf(b, word)}; })[0]);
  });
  kb.emitBarrier();
  size_t next = 0;
  forElements([&](const Element &at, Value inTile, Value exists) {
    Value element = kept[next++];
    kernel::emitIf(b, exists, [&] {
      memref::StoreOp::create(b, element, shared, address(to, at, inTile));
    });
  });
}

Value PlaneEmitter::widen(Value value) {
  if (plan.wordBytes > kBankBytes) {
    return value;
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  if (isa<FloatType>(element)) {
    value = arith::BitcastOp::create(b, b.getIntegerType(bits), value);
  }
  return bits == 32 ? value
                    : Value(arith::ExtUIOp::create(b, b.getI32Type(), value));
}

Value PlaneEmitter::narrow(Value value) {
  if (plan.wordBytes > kBankBytes) {
    return value;
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits < 32) {
    value = arith::TruncIOp::create(b, b.getIntegerType(bits), value);
  }
  return isa<FloatType>(element)
             ? Value(arith::BitcastOp::create(b, element, value))
             : value;
}

void PlaneEmitter::emit() {
  SmallVector<OpFoldResult> tile =
      kernel::delinearize(math, kb.getBlock(), plan.grid);
  first.indices.resize(plan.sizes.size());
  for (auto [dim, index] : llvm::zip(plan.lines.outer, tile)) {
    first.indices[dim] = math.value(index);
  }
  first.position = math.value(math.mul(tile.back(), plan.positions));
  count = math.min(math.constant(plan.positions),
                   math.sub(plan.allPositions, first.position));
  shared = kb.allocateShared(word, plan.getWords());
  const Planes &read =
      plan.hasInputPlanes() ? plan.inputPlanes : plan.resultPlanes;
  const Planes &written =
      plan.hasResultPlanes() ? plan.resultPlanes : plan.inputPlanes;
  // The elements that are read may be of another size than the transpose's.
  Value source = plan.op.getInput();
  for (Value input : kb.getDispatch().getBody().front().getArguments()) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (type && type.getShape() == typeOf(source).getShape()) {
      source = input;
      break;
    }
  }
  forSide(plan.input, &TransposeAccess::getInputPlace,
          getSectorElements(source),
          [&](const Element &at, OpFoldResult place, OpFoldResult inTile) {
            memref::StoreOp::create(b, widen(access.load(at, place)), shared,
                                    address(read, at, inTile));
          });
  kb.emitBarrier();
  if (plan.hasInputPlanes() && plan.hasResultPlanes()) {
    reorder(read, written);
    kb.emitBarrier();
  }
  forSide(plan.result, &TransposeAccess::getResultPlace,
          getSectorElements(kb.getYielded(0)),
          [&](const Element &at, OpFoldResult place, OpFoldResult inTile) {
            Value moved =
                memref::LoadOp::create(b, shared, address(written, at, inTile));
            access.store(access.finish(at, narrow(moved), place), place);
          });
}

class PlaneTransposeGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    PlanePlan plan(context);
    return {nn::productOf(context.b, context.b.getLoc(), plan.grid), kThreads,
            context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    PlaneEmitter(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getPlaneTransposeGPUFamily(nn::DispatchOp dispatch) {
  static const PlaneTransposeGPUFamily family;
  return findPlan(dispatch) ? &family : nullptr;
}

} // namespace dlc
