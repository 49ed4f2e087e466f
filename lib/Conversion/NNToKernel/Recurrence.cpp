// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// recurrence: LSTM, GRU and simple cells, as ONNX defines them. An item is one
// direction and a block of batch rows, since steps depend on each other. A step
// is a product of the state with the recurrent matrix, whose rows are read
// densely and serve all rows of the block, then the cell on vectors.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/RnnActivation.h"
#include "Conversion/NNToVector/Epilogue.h"
#include "Conversion/NNToVector/Rows.h"

using namespace mlir;

namespace dlc {

namespace {

using nn::RnnCell;

unsigned gateCount(RnnCell cell) {
  return cell == RnnCell::lstm ? 4 : cell == RnnCell::gru ? 3 : 1;
}

unsigned activationCount(RnnCell cell) {
  return cell == RnnCell::lstm ? 3 : cell == RnnCell::gru ? 2 : 1;
}

Type accumulatorOf(nn::RecurrenceOp op) {
  Type element = op.getRecurrent().getType().getElementType();
  return element.isF64() ? element : Type(Float32Type::get(op.getContext()));
}

/// Batch rows of an item: as many as keep their sums, for all gates of one
/// unit, in registers.
int64_t rowsOf(nn::RecurrenceOp op, const kernel::VectorTarget &target) {
  int64_t rows = target.registers >= 32 ? 4 : 2;
  int64_t batch = op.getProducts().getType().getDimSize(1);
  return ShapedType::isDynamic(batch) ? rows : std::min(rows, batch);
}

/// Places in an item's memory, in elements: per row the states h and c, the
/// gates' sums, and for GRU r * h.
struct Layout {
  int64_t h, c, gates, reset, total;
};

Layout layoutOf(nn::RecurrenceOp op, int64_t rows) {
  int64_t state = rows * op.getRecurrent().getType().getDimSize(2);
  Layout layout{0, state, 2 * state, 0, 0};
  layout.reset = layout.gates + state * gateCount(op.getCell());
  layout.total = layout.reset + (op.getCell() == RnnCell::gru ? state : 0);
  return layout;
}

class RecurrenceEmitter {
public:
  explicit RecurrenceEmitter(KernelBuilder &kb);
  void emit();

private:
  /// One batch row of the block.
  struct Row {
    int64_t number;
    Value batch, length;
    /// In a step: the place in time, and whether that is within the length
    /// (null: always).
    Value time, active;
  };

  void emitBlock(Value direction, Value first, int64_t count);
  void emitInitialState(Row &row);
  void placeInTime(Row &row, Value step);
  /// gates[row, gate, :] = recurrent[gate] x state for the rows of the block.
  void emitProducts(ArrayRef<unsigned> gates, int64_t state);
  void emitCell(const Row &row);
  void emitLstm(const Row &row, Value column, Value mask);
  void emitGru(const Row &row, Value column, Value mask);
  void emitReset(const Row &row);
  void emitLastState(const Row &row);

  /// Elements [column, column + lanes) of what starts at `base` of `flat`.
  Value load(Value flat, OpFoldResult base, Value column, Value mask);
  void store(Value value, Value flat, OpFoldResult base, Value column,
             Value mask);
  /// The same of a tensor operand, which may be a splat constant.
  Value loadOperand(Value tensor, OpFoldResult base, Value column, Value mask);
  Value loadState(int64_t state, const Row &row, Value column, Value mask);
  void storeState(Value value, int64_t state, const Row &row, Value column,
                  Value mask);
  /// The input's part of a gate with the biases; with `withSum` also the
  /// state's part.
  Value loadGate(const Row &row, unsigned gate, Value column, Value mask,
                 bool withSum = true, bool withRecurrentBias = true);
  Value loadBias(unsigned index, Value column, Value mask);
  Value loadSum(const Row &row, unsigned gate, Value column, Value mask);
  Value loadPeephole(unsigned index, Value column, Value mask);
  void storeOutput(const Row &row, Value h, Value old, Value column,
                   Value mask);

  Value activate(unsigned index, Value x);
  Value splat(double value) {
    return emitConstant(b, VectorType::get({lanes}, acc), value);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value oneMinus(Value x) { return arith::SubFOp::create(b, splat(1), x); }
  void forColumns(llvm::function_ref<void(Value, Value)> body) {
    kernel::emitColumns(b, math.constant(hidden), lanes, 1,
                        [&](Value column, Value mask) { body(column, mask); });
  }
  OpFoldResult offset(OpFoldResult index, int64_t scale, OpFoldResult rest) {
    return math.add(math.mul(index, scale), rest);
  }

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::RecurrenceOp op;
  Type acc;
  int64_t hidden, directions, gates, lanes, rows;
  Layout layout;
  OpFoldResult time, batch;
  Value memory, direction;
  SmallVector<Value> results;
  SmallVector<Row> block;
};

RecurrenceEmitter::RecurrenceEmitter(KernelBuilder &kb)
    : kb(kb), b(kb.b), math(kb.math), op(cast<nn::RecurrenceOp>(kb.getRoot())),
      acc(accumulatorOf(op)), hidden(op.getRecurrent().getType().getDimSize(2)),
      directions(op.getDirection() == nn::RnnDirection::bidirectional ? 2 : 1),
      gates(gateCount(op.getCell())),
      lanes(kb.target.lanesFor(acc.getIntOrFloatBitWidth())),
      rows(rowsOf(op, kb.target)), layout(layoutOf(op, rows)),
      time(kb.size(op.getProducts(), 0)), batch(kb.size(op.getProducts(), 1)) {
  memory = kernel::scratchView(b, kb.getScratch(), math.constant(0), acc);
  for (unsigned i = 0; i < 3; ++i) {
    results.push_back(kernel::flatten(b, kb.getResultBase(i)));
  }
}

Value RecurrenceEmitter::load(Value flat, OpFoldResult base, Value column,
                              Value mask) {
  Value index = math.value(math.add(base, column));
  return kernel::convertElement(
      b, kernel::loadVector(b, flat, index, lanes, mask), acc,
      /*isUnsigned=*/false);
}

void RecurrenceEmitter::store(Value value, Value flat, OpFoldResult base,
                              Value column, Value mask) {
  Type element = cast<MemRefType>(flat.getType()).getElementType();
  Value index = math.value(math.add(base, column));
  kernel::storeVector(
      b, kernel::convertElement(b, value, element, /*isUnsigned=*/false), flat,
      index, mask);
}

Value RecurrenceEmitter::loadOperand(Value tensor, OpFoldResult base,
                                     Value column, Value mask) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (isa<BlockArgument>(tensor)) {
    return load(kernel::flatten(b, kb.getInputBase(tensor)), base, column,
                mask);
  }
  SmallVector<Value> origin(type.getRank(), math.value(0));
  Value element =
      emitCast(b, kb.load(tensor, origin), type.getElementType(), acc);
  return vector::BroadcastOp::create(b, VectorType::get({lanes}, acc), element);
}

Value RecurrenceEmitter::loadState(int64_t state, const Row &row, Value column,
                                   Value mask) {
  return load(memory, math.constant(state + row.number * hidden), column, mask);
}

void RecurrenceEmitter::storeState(Value value, int64_t state, const Row &row,
                                   Value column, Value mask) {
  store(value, memory, math.constant(state + row.number * hidden), column,
        mask);
}

Value RecurrenceEmitter::loadBias(unsigned index, Value column, Value mask) {
  OpFoldResult base =
      offset(direction, 2 * gates * hidden, math.constant(index * hidden));
  return loadOperand(op.getBias(), base, column, mask);
}

Value RecurrenceEmitter::loadSum(const Row &row, unsigned gate, Value column,
                                 Value mask) {
  int64_t base = layout.gates + (row.number * gates + gate) * hidden;
  return load(memory, math.constant(base), column, mask);
}

Value RecurrenceEmitter::loadPeephole(unsigned index, Value column,
                                      Value mask) {
  OpFoldResult base =
      offset(direction, 3 * hidden, math.constant(index * hidden));
  return loadOperand(op.getPeephole(), base, column, mask);
}

Value RecurrenceEmitter::loadGate(const Row &row, unsigned gate, Value column,
                                  Value mask, bool withSum,
                                  bool withRecurrentBias) {
  OpFoldResult place = math.add(math.mul(row.time, batch), row.batch);
  OpFoldResult base = offset(offset(place, directions, direction),
                             gates * hidden, math.constant(gate * hidden));
  Value value = loadOperand(op.getProducts(), base, column, mask);
  if (op.getBias()) {
    value = add(value, loadBias(gate, column, mask));
    if (withRecurrentBias) {
      value = add(value, loadBias(gates + gate, column, mask));
    }
  }
  return withSum ? add(value, loadSum(row, gate, column, mask)) : value;
}

Value RecurrenceEmitter::activate(unsigned index, Value x) {
  if (op.getClip()) {
    double bound = op.getClip()->convertToDouble();
    x = emitElementwise(b, nn::Fn::clamp, {x, splat(-bound), splat(bound)}, {},
                        acc, acc);
  }
  if (!op.getActivations()) {
    bool isGate = op.getCell() != RnnCell::rnn && index == 0;
    return emitRnnActivation(b, isGate ? "sigmoid" : "tanh", 0, 0, x);
  }
  auto applyIn = [&](unsigned side) {
    unsigned place = side * activationCount(op.getCell()) + index;
    return emitRnnActivation(b, cast<StringAttr>((*op.getActivations())[place]),
                             op.getAlphas() ? (*op.getAlphas())[place] : 0,
                             op.getBetas() ? (*op.getBetas())[place] : 0, x);
  };
  Value value = applyIn(0);
  if (directions == 1) {
    return value;
  }
  Value isForward = math.equal(direction, math.constant(0));
  return arith::SelectOp::create(b, isForward, value, applyIn(1));
}

void RecurrenceEmitter::emitProducts(ArrayRef<unsigned> wanted, int64_t state) {
  Value matrix = kernel::flatten(b, kb.getInputBase(op.getRecurrent()));
  auto type = VectorType::get({lanes}, acc);
  SmallVector<Value> zeros(block.size() * wanted.size(),
                           kernel::zeroOf(b, type));
  // Enough independent sums to hide the latency of multiply-add.
  int64_t unroll = zeros.size() <= 2 ? 4 : zeros.size() <= 4 ? 2 : 1;
  auto join = [&](Value x, Value y) { return add(x, y); };
  kernel::emitFor(
      b, math.constant(0), math.constant(hidden), math.constant(1),
      [&](Value unit) {
        SmallVector<OpFoldResult> bases;
        for (unsigned gate : wanted) {
          OpFoldResult line =
              math.add(unit, offset(direction, gates * hidden,
                                    math.constant(gate * hidden)));
          bases.push_back(math.mul(line, hidden));
        }
        SmallVector<Value> sums = kernel::emitColumns(
            b, math.constant(hidden), lanes, unroll, zeros,
            [&](Value column, Value mask, ValueRange carried) {
              SmallVector<Value> next, states;
              for (const Row &row : block) {
                states.push_back(loadState(state, row, column, mask));
              }
              for (auto [i, base] : llvm::enumerate(bases)) {
                Value line = load(matrix, base, column, mask);
                for (auto [r, value] : llvm::enumerate(states)) {
                  next.push_back(vector::FMAOp::create(
                      b, line, value, carried[i * states.size() + r]));
                }
              }
              return next;
            },
            join);
        for (auto [i, gate] : llvm::enumerate(wanted)) {
          for (const Row &row : block) {
            Value sum = kernel::reduceLanes(
                b, sums[i * block.size() + row.number], join);
            int64_t base = layout.gates + (row.number * gates + gate) * hidden;
            memref::StoreOp::create(
                b, sum, memory,
                math.value(math.add(unit, math.constant(base))));
          }
        }
      });
}

/// Keeps the new state and gives it out, or keeps the old one and gives out
/// zero where the row has ended.
void RecurrenceEmitter::storeOutput(const Row &row, Value h, Value old,
                                    Value column, Value mask) {
  Value output = h, kept = h;
  if (row.active) {
    output = arith::SelectOp::create(b, row.active, h, splat(0));
    kept = arith::SelectOp::create(b, row.active, h, old);
  }
  storeState(kept, layout.h, row, column, mask);
  OpFoldResult line = math.add(
      math.mul(math.add(math.mul(row.time, directions), direction), batch),
      row.batch);
  store(output, results[0], math.mul(line, hidden), column, mask);
}

void RecurrenceEmitter::emitLstm(const Row &row, Value column, Value mask) {
  auto gate = [&](unsigned i) { return loadGate(row, i, column, mask); };
  auto peep = [&](Value x, unsigned i, Value c) {
    return op.getPeephole() ? add(x, mul(loadPeephole(i, column, mask), c)) : x;
  };
  Value h = loadState(layout.h, row, column, mask),
        c = loadState(layout.c, row, column, mask);
  Value input = activate(0, peep(gate(0), 0, c));
  Value forget =
      op.getInputForget() ? oneMinus(input) : activate(0, peep(gate(2), 2, c));
  Value candidate = activate(1, gate(3));
  Value next = add(mul(forget, c), mul(input, candidate));
  Value output = activate(0, peep(gate(1), 1, next));
  Value kept = row.active
                   ? arith::SelectOp::create(b, row.active, next, c).getResult()
                   : next;
  storeState(kept, layout.c, row, column, mask);
  // ONNX clips the inputs of gates; the cell's state passes as it is.
  Value shown = activate(2, next);
  storeOutput(row, mul(output, shown), h, column, mask);
}

/// GRU without linear_before_reset: r * h, which the candidate's product takes.
void RecurrenceEmitter::emitReset(const Row &row) {
  forColumns([&](Value column, Value mask) {
    Value reset = activate(0, loadGate(row, 1, column, mask));
    Value h = loadState(layout.h, row, column, mask);
    storeState(mul(reset, h), layout.reset, row, column, mask);
  });
}

void RecurrenceEmitter::emitGru(const Row &row, Value column, Value mask) {
  Value h = loadState(layout.h, row, column, mask);
  Value update = activate(0, loadGate(row, 0, column, mask));
  Value candidate;
  if (op.getLinearBeforeReset()) {
    Value reset = activate(0, loadGate(row, 1, column, mask));
    Value sum = loadSum(row, 2, column, mask);
    if (op.getBias()) {
      sum = add(sum, loadBias(gates + 2, column, mask));
    }
    candidate = add(loadGate(row, 2, column, mask, /*withSum=*/false,
                             /*withRecurrentBias=*/false),
                    mul(reset, sum));
  } else {
    candidate = loadGate(row, 2, column, mask);
  }
  candidate = activate(1, candidate);
  Value next = add(mul(oneMinus(update), candidate), mul(update, h));
  storeOutput(row, next, h, column, mask);
}

void RecurrenceEmitter::emitCell(const Row &row) {
  forColumns([&](Value column, Value mask) {
    switch (op.getCell()) {
    case RnnCell::lstm:
      return emitLstm(row, column, mask);
    case RnnCell::gru:
      return emitGru(row, column, mask);
    case RnnCell::rnn: {
      Value h = loadState(layout.h, row, column, mask);
      Value next = activate(0, loadGate(row, 0, column, mask));
      return storeOutput(row, next, h, column, mask);
    }
    }
  });
}

void RecurrenceEmitter::emitInitialState(Row &row) {
  OpFoldResult line = math.add(math.mul(direction, batch), row.batch);
  forColumns([&](Value column, Value mask) {
    for (auto [tensor, state] :
         {std::pair<Value, int64_t>(op.getInitialH(), layout.h),
          {op.getInitialC(), layout.c}}) {
      Value value =
          tensor ? loadOperand(tensor, math.mul(line, hidden), column, mask)
                 : splat(0);
      storeState(value, state, row, column, mask);
    }
  });
  if (op.getLengths()) {
    Value length = arith::IndexCastOp::create(
        b, b.getIndexType(), kb.load(op.getLengths(), row.batch));
    row.length = math.value(math.max(math.constant(0), math.min(length, time)));
  }
}

void RecurrenceEmitter::emitLastState(const Row &row) {
  OpFoldResult line = math.add(math.mul(direction, batch), row.batch);
  forColumns([&](Value column, Value mask) {
    store(loadState(layout.h, row, column, mask), results[1],
          math.mul(line, hidden), column, mask);
    int64_t second = op.getCell() == RnnCell::lstm ? layout.c : layout.h;
    store(loadState(second, row, column, mask), results[2],
          math.mul(line, hidden), column, mask);
  });
}

/// A reversed row starts at its own end; behind that time goes on as it is.
void RecurrenceEmitter::placeInTime(Row &row, Value step) {
  Value end = row.length ? row.length : math.value(time);
  row.time = step;
  row.active = row.length ? math.less(step, end) : Value();
  if (op.getDirection() == nn::RnnDirection::forward) {
    return;
  }
  Value mirrored = math.value(math.sub(math.sub(end, math.constant(1)), step));
  Value isReversed =
      directions == 1 ? Value() : math.equal(direction, math.constant(1));
  if (isReversed && row.active) {
    isReversed = arith::AndIOp::create(b, isReversed, row.active);
  } else if (row.active) {
    isReversed = row.active;
  }
  row.time =
      isReversed
          ? arith::SelectOp::create(b, isReversed, mirrored, step).getResult()
          : mirrored;
}

void RecurrenceEmitter::emitBlock(Value side, Value first, int64_t count) {
  KernelBuilder::MemoScope scope(kb);
  direction = side;
  block.clear();
  for (int64_t r = 0; r < count; ++r) {
    Row row{r, math.value(math.add(first, math.constant(r))), {}, {}, {}};
    emitInitialState(row);
    block.push_back(row);
  }
  bool isTwoPhased = op.getCell() == RnnCell::gru && !op.getLinearBeforeReset();
  kernel::emitFor(b, math.constant(0), time, math.constant(1), [&](Value step) {
    for (Row &row : block) {
      placeInTime(row, step);
    }
    SmallVector<unsigned> wanted =
        llvm::to_vector(llvm::seq<unsigned>(0, isTwoPhased ? 2 : gates));
    emitProducts(wanted, layout.h);
    if (isTwoPhased) {
      for (const Row &row : block) {
        emitReset(row);
      }
      emitProducts(2u, layout.reset);
    }
    for (const Row &row : block) {
      emitCell(row);
    }
  });
  for (const Row &row : block) {
    emitLastState(row);
  }
}

void RecurrenceEmitter::emit() {
  OpFoldResult blocks = math.ceilDiv(batch, math.constant(rows));
  kernel::emitFor(
      b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
        Value side = math.value(math.div(item, blocks));
        OpFoldResult first = math.mul(math.rem(item, blocks), rows);
        std::optional<int64_t> known = kernel::IndexMath::known(batch);
        if (known && *known % rows == 0) {
          return emitBlock(side, math.value(first), rows);
        }
        OpFoldResult end = math.add(first, math.constant(rows));
        kernel::emitIf(
            b, math.lessEqual(end, batch),
            [&] { emitBlock(side, math.value(first), rows); },
            [&] {
              kernel::emitFor(b, first, batch, math.constant(1),
                              [&](Value row) { emitBlock(side, row, 1); });
            });
      });
}

class RecurrenceFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::RecurrenceOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    int64_t rows = rowsOf(op, context.target);
    RankedTensorType recurrent = op.getRecurrent().getType();
    OpFoldResult steps =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getProducts()));
    OpFoldResult blocks =
        math.ceilDiv(context.size(op.getProducts(), 1), math.constant(rows));
    int64_t bytes = accumulatorOf(op).getIntOrFloatBitWidth() / 8;
    return {
        math.mul(blocks, recurrent.getDimSize(0)),
        estimateWork(context, math.mul(steps, recurrent.getDimSize(2)), 0.05),
        math.constant(layoutOf(op, rows).total * bytes)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    RecurrenceEmitter(kb).emit();
    return success();
  }
};

} // namespace

const KernelFamily *getRecurrenceFamily() {
  static const RecurrenceFamily family;
  return &family;
}

} // namespace dlc
