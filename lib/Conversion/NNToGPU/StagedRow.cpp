// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Programs on rows in shared memory.
#include "StagedRows.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

/// How threads share the rows of a piece. A warp has groups of lanes for the
/// tensor's lanes, columns and slabs, in this order, each a power of two: so
/// many rows are a unit. Where there are fewer units than warps, several warps
/// are a team for one.
struct StagedTeams {
  StagedTeams(GPUKernelBuilder &kb, const StagedPiece &piece);

  /// Of a warp's lanes.
  OpFoldResult laneLanes, columnLanes, slabLanes;
  /// Warps of a team; teams; units.
  OpFoldResult members, teams, units, tiles, slabs;
  /// The thread's team and place in it.
  OpFoldResult team, member;
};

StagedTeams::StagedTeams(GPUKernelBuilder &kb, const StagedPiece &piece) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult warp = math.constant(kWarpThreads);
  laneLanes = emitPowerAbove(kb, piece.lanes, kWarpThreads);
  columnLanes = math.min(emitPowerAbove(kb, piece.columns, kWarpThreads),
                         math.div(warp, laneLanes));
  slabLanes = math.div(warp, math.mul(laneLanes, columnLanes));
  tiles = math.ceilDiv(piece.lanes, laneLanes);
  auto countUnits = [&](OpFoldResult count) {
    return math.mul(math.ceilDiv(count, slabLanes), tiles);
  };
  slabs = math.min(piece.blockSlabs, math.sub(piece.slabs, piece.firstSlab));
  units = countUnits(slabs);
  int64_t warps = kb.getNumThreads() / kWarpThreads;
  OpFoldResult most = countUnits(piece.blockSlabs);
  members = math.div(math.constant(warps), emitPowerAbove(kb, most, warps));
  teams = math.div(math.constant(warps), members);
  team = math.div(kb.getWarp(), members);
  member = math.rem(kb.getWarp(), members);
}

/// Calls `body` with the slab in the piece and the lane of each of the thread's
/// rows, and whether it exists.
static void
forRows(GPUKernelBuilder &kb, const StagedTeams &teams, OpFoldResult lanes,
        llvm::function_ref<void(Value slab, Value lane, Value exists)> body) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult lane = kb.getLane();
  OpFoldResult column = math.div(lane, teams.laneLanes);
  kernel::emitFor(
      kb.b, math.constant(0), math.ceilDiv(teams.units, teams.teams),
      math.constant(1), [&](Value round) {
        KernelBuilder::MemoScope scope(kb);
        OpFoldResult unit = math.add(math.mul(round, teams.teams), teams.team);
        OpFoldResult slab =
            math.add(math.mul(math.div(unit, teams.tiles), teams.slabLanes),
                     math.div(column, teams.columnLanes));
        OpFoldResult place =
            math.add(math.mul(math.rem(unit, teams.tiles), teams.laneLanes),
                     math.rem(lane, teams.laneLanes));
        Value exists = kb.b.createOrFold<arith::AndIOp>(
            math.less(slab, teams.slabs), math.less(place, lanes));
        body(math.value(slab), math.value(place), exists);
      });
}

/// A row in shared memory.
class StagedRow final : public RowElements {
public:
  StagedRow(GPUKernelBuilder &kb, const StagedPiece &piece,
            const StagedTeams &teams, Value slab, Value lane, Value exists)
      : kb(kb), piece(piece), teams(teams), math(kb.math), exists(exists) {
    first = math.add(math.add(piece.offset, lane),
                     math.mul(slab, math.mul(piece.columns, piece.lanes)));
    row = math.value(
        math.add(math.mul(math.add(piece.firstSlab, slab), piece.lanes), lane));
    OpFoldResult place =
        math.rem(math.div(kb.getLane(), teams.laneLanes), teams.columnLanes);
    column = math.add(math.mul(teams.member, teams.columnLanes), place);
  }

  SmallVector<Value> reduce(ValueRange state, StepFn body) override {
    return forElements(state, body);
  }
  SmallVector<Value> combine(ValueRange state, CombineFn body) override;
  void finish(FinishFn body) override {
    forElements({}, [&](Value &element, Value place, ValueRange) {
      element = body(element, place, true);
      return SmallVector<Value>();
    });
  }
  OpFoldResult getColumns() override { return piece.columns; }
  void emitOnce(llvm::function_ref<void()> body) override {
    Value isFirst = math.equal(column, math.constant(0));
    kernel::emitIf(kb.b, kb.b.createOrFold<arith::AndIOp>(exists, isFirst),
                   body);
  }
  SmallVector<Value> getIndices(Value place) override {
    return piece.space.getIndices(kb, row, place);
  }
  SmallVector<Value> getRowIndices() override {
    return piece.space.getRowIndices(kb, row);
  }

private:
  SmallVector<Value> forElements(ValueRange state, StepFn body);
  SmallVector<Value> combineTeam(ValueRange state, CombineFn body);

  GPUKernelBuilder &kb;
  const StagedPiece &piece;
  const StagedTeams &teams;
  kernel::IndexMath &math;
  Value row, exists;
  /// Where the row begins in shared memory, and the thread's first column.
  OpFoldResult first, column;
};

SmallVector<Value> StagedRow::forElements(ValueRange state, StepFn body) {
  OpFoldResult end = arith::SelectOp::create(
                         kb.b, exists, math.value(piece.columns), math.value(0))
                         .getResult();
  return kernel::emitFor(
      kb.b, column, end, math.mul(teams.members, teams.columnLanes), state,
      [&](Value place, ValueRange carried) {
        KernelBuilder::MemoScope scope(kb);
        Value at = math.value(math.add(first, math.mul(place, piece.lanes)));
        Value element = memref::LoadOp::create(kb.b, piece.shared, at);
        Value before = element;
        SmallVector<Value> next = body(element, place, carried);
        if (element != before) {
          memref::StoreOp::create(kb.b, element, piece.shared, at);
        }
        return next;
      });
}

SmallVector<Value> StagedRow::combine(ValueRange state, CombineFn body) {
  SmallVector<Value> all(state);
  OpFoldResult end = math.mul(teams.laneLanes, teams.columnLanes);
  for (int64_t mask = 1; mask < kWarpThreads; mask *= 2) {
    Value counts = kb.b.createOrFold<arith::AndIOp>(
        math.lessEqual(teams.laneLanes, math.constant(mask)),
        math.less(math.constant(mask), end));
    all = kernel::emitIf(
        kb.b, counts, ValueRange(all).getTypes(),
        [&] {
          SmallVector<Value> other = llvm::map_to_vector(
              all, [&](Value value) { return kb.emitShuffleXor(value, mask); });
          return body(all, other);
        },
        [&] { return all; });
  }
  Value hasTeam = math.less(math.constant(1), teams.members);
  return kernel::emitIf(
      kb.b, hasTeam, ValueRange(all).getTypes(),
      [&] { return combineTeam(all, body); }, [&] { return all; });
}

/// Combines the states of a team's warps, in their order.
SmallVector<Value> StagedRow::combineTeam(ValueRange state, CombineFn body) {
  SmallVector<Value> states = emitShareState(kb, state);
  OpFoldResult warp = math.mul(teams.team, teams.members);
  auto load = [&](OpFoldResult i) {
    return emitLoadState(
        kb, states,
        math.add(math.mul(math.add(warp, i), kWarpThreads), kb.getLane()));
  };
  return kernel::emitFor(
      kb.b, math.constant(1), teams.members, math.constant(1),
      load(math.constant(0)),
      [&](Value i, ValueRange carried) { return body(carried, load(i)); });
}

void emitPieceRows(GPUKernelBuilder &kb, const StagedPiece &piece,
                   const RowProgram &program) {
  StagedTeams teams(kb, piece);
  forRows(kb, teams, piece.lanes, [&](Value slab, Value lane, Value exists) {
    StagedRow row(kb, piece, teams, slab, lane, exists);
    program.passes(row);
  });
}

} // namespace dlc
