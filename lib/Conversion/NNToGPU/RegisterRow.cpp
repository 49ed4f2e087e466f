// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Programs on rows whose threads keep what they read.
#include "SharedTables.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

/// The elements of a row that this thread has.
class RegisterRow : public RowElements {
public:
  RegisterRow(GPUKernelBuilder &kb, RowSpace &space, const RowShape &shape,
              const RowProgram &program, Value row)
      : kb(kb), space(space), shape(shape), program(program), row(row) {}

  SmallVector<Value> combine(ValueRange state, CombineFn body) override {
    return space.combine(kb, state, body);
  }
  OpFoldResult getColumns() override { return space.getColumns(); }
  void emitOnce(llvm::function_ref<void()> body) override {
    space.emitOnce(kb, body);
  }
  SmallVector<Value> getIndices(Value column) override {
    return space.getIndices(kb, row, column);
  }
  SmallVector<Value> getRowIndices() override {
    return space.getRowIndices(kb, row);
  }

protected:
  Value load(Value column) {
    return program.load(space.getAccess(kb, row, column));
  }

  GPUKernelBuilder &kb;
  RowSpace &space;
  const RowShape &shape;
  const RowProgram &program;
  Value row;
};

/// For programs that pass over a row once.
class PassedRow final : public RegisterRow {
public:
  using RegisterRow::RegisterRow;

  SmallVector<Value> reduce(ValueRange state, StepFn body) override {
    return space.forElements(kb, state, [&](Value column, ValueRange carried) {
      Value element = load(column);
      return body(element, column, carried);
    });
  }
  void finish(FinishFn) override {
    llvm_unreachable("a row that is not kept has no results");
  }
};

/// For programs that pass over a row several times: read once where it can be
/// kept.
class KeptRow final : public RegisterRow {
public:
  KeptRow(GPUKernelBuilder &kb, RowSpace &space, const RowShape &shape,
          const RowProgram &program, Value row, Value shared)
      : RegisterRow(kb, space, shape, program, row), shared(shared) {}

  SmallVector<Value> reduce(ValueRange state, StepFn body) override;
  void finish(FinishFn body) override;
  bool readsAgain() const override { return space.keepsRows() == false; }

private:
  void loadRegisters();

  bool isLoaded = false;
  SmallVector<Value> kept;
  /// What is kept in shared memory.
  Value shared;
};

} // namespace

/// Before anything waits for one of them.
void KeptRow::loadRegisters() {
  kept.assign(space.getThreadElements(), emitConstant(kb.b, shape.type, 0));
  kept = space.forRegisters(
      kb, kept, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        next[number] = load(column);
        return next;
      });
}

SmallVector<Value> KeptRow::reduce(ValueRange state, StepFn body) {
  if (!isLoaded) {
    loadRegisters();
  }
  size_t count = state.size();
  SmallVector<Value> all(state);
  llvm::append_range(all, kept);
  all = space.forRegisters(
      kb, all, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        SmallVector<Value> result =
            body(next[number + count], column, carried.take_front(count));
        llvm::copy(result, next.begin());
        return next;
      });
  kept.assign(std::next(all.begin(), count), all.end());
  all.truncate(count);
  bool wasLoaded = std::exchange(isLoaded, true);
  return space.forOthers(
      kb, all, [&](Value slot, Value column, ValueRange carried) {
        Value element = slot && wasLoaded
                            ? Value(memref::LoadOp::create(kb.b, shared, slot))
                            : load(column);
        Value before = element;
        SmallVector<Value> next = body(element, column, carried);
        if (slot && (!wasLoaded || element != before)) {
          memref::StoreOp::create(kb.b, element, shared, slot);
        }
        return next;
      });
}

void KeptRow::finish(FinishFn body) {
  if (!isLoaded) {
    loadRegisters();
  }
  auto store = [&](Value element, Value column, bool isKept) {
    Value result = body(element, column, isKept);
    SmallVector<Value> at = space.getAccess(kb, row, column);
    Value stored = emitRowResult(kb, shape, result, at);
    memref::StoreOp::create(kb.b, stored, kb.viewResult(0), at);
    return SmallVector<Value>();
  };
  space.forRegisters(kb, {}, [&](int64_t number, Value column, ValueRange) {
    return store(kept[number], column, true);
  });
  space.forOthers(kb, {}, [&](Value slot, Value column, ValueRange) {
    bool isKept = slot && isLoaded;
    return store(isKept ? Value(memref::LoadOp::create(kb.b, shared, slot))
                        : load(column),
                 column, isKept);
  });
}

void emitRegisterRows(GPUKernelBuilder &kb, RowSpace &space,
                      const RowShape &shape, const RowProgram &program,
                      Value shared) {
  if (int64_t count = space.getSharedElements(); count > 0 && !shared) {
    shared = space.getDynamicBytes(shape.type) > 0
                 ? kb.getDynamicShared(shape.type, count)
                 : kb.allocateShared(shape.type, count);
  }
  int64_t rows = space.getBlockRows();
  SharedTables tables(kb, program, space,
                      {kb.math.mul(kb.getBlock(), rows), kb.math.constant(rows),
                       space.getBlockElements()});
  if (!tables.isEmpty()) {
    kb.emitBarrier();
  }
  space.emitRows(kb, [&](Value row) {
    if (shape.isKept) {
      KeptRow elements(kb, space, shape, program, row, shared);
      program.passes(elements);
    } else {
      PassedRow elements(kb, space, shape, program, row);
      program.passes(elements);
    }
  });
}

} // namespace dlc
