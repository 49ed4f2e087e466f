// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The program's tables and its sizing function.
#include "EmitProgram.h"

#include "Conversion/NNToRT/NNToRT.h"
#include "Dialect/NN/Support.h"

using namespace mlir;

namespace dlc {

CodeEmitter::CodeEmitter(Region &region, EntryShapes &shapes)
    : b(OpBuilder::atBlockEnd(&region.front())), shapes(shapes) {}

Value CodeEmitter::get(Value value) {
  if (Value known = values.lookupOrNull(value)) {
    return known;
  }
  Operation *op = value.getDefiningOp();
  if (std::optional<InputDim> place = shapes.getInputDim(value)) {
    Value dim =
        rt::InputDimOp::create(b, value.getLoc(), place->input, place->dim);
    values.map(value, dim);
    return dim;
  }
  for (Value operand : op->getOperands()) {
    get(operand);
  }
  b.clone(*op, values);
  return values.lookup(value);
}

Value CodeEmitter::get(Location loc, OpFoldResult size) {
  if (auto value = dyn_cast<Value>(size)) {
    return get(value);
  }
  return arith::ConstantIndexOp::create(b, loc, *getConstantIntValue(size));
}

SmallVector<Value> CodeEmitter::get(ValueRange range) {
  return llvm::map_to_vector(range, [&](Value value) { return get(value); });
}

/// Whether no size is negative and all together are at most nn::kMaxElements,
/// or null where that is sure. Nothing here overflows.
Value CodeEmitter::fitsMemory(Location loc, ArrayRef<OpFoldResult> sizes) {
  int64_t fixed = 1, most = 1;
  SmallVector<Value> open;
  for (OpFoldResult size : sizes) {
    std::optional<int64_t> bound = shapes.upperBound(size);
    bool fits =
        bound && *bound <= nn::kMaxElements / std::max<int64_t>(most, 1);
    most = fits ? most * std::max<int64_t>(*bound, 1) : nn::kMaxElements + 1;
    if (auto value = dyn_cast<Value>(size)) {
      open.push_back(value);
    } else {
      fixed *= std::max<int64_t>(*getConstantIntValue(size), 1);
    }
  }
  bool sure = most <= nn::kMaxElements && llvm::all_of(open, [&](Value size) {
                return shapes.rangeOf(size).smin().isNonNegative();
              });
  if (open.empty() || sure) {
    return {};
  }
  Value zero = arith::ConstantIndexOp::create(b, loc, 0),
        one = arith::ConstantIndexOp::create(b, loc, 1),
        room = arith::ConstantIndexOp::create(b, loc, nn::kMaxElements / fixed),
        fits;
  for (Value value : open) {
    Value size = get(value);
    Value low = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, size,
                                      zero),
          high = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, size,
                                       room),
          both = arith::AndIOp::create(b, loc, low, high);
    fits = fits ? arith::AndIOp::create(b, loc, fits, both).getResult() : both;
    room = arith::FloorDivSIOp::create(
        b, loc, room, arith::MaxSIOp::create(b, loc, size, one));
  }
  return fits;
}

Value CodeEmitter::bytesOf(Location loc, RankedTensorType type,
                           ArrayRef<OpFoldResult> sizes) {
  nn::Sizes here;
  for (OpFoldResult size : sizes) {
    auto value = dyn_cast<Value>(size);
    here.push_back(value ? getAsOpFoldResult(get(value)) : size);
  }
  OpFoldResult elements = nn::productOf(b, loc, here);
  int64_t bits = elementBits(type);
  OpFoldResult bytes =
      bits >= 8 ? nn::mulSizes(b, loc, elements, b.getIndexAttr(bits / 8))
                : nn::ceilDivSizes(b, loc, elements, b.getIndexAttr(8 / bits));
  Value count = getValueOrCreateConstantIndexOp(b, loc, bytes);
  Value fits = fitsMemory(loc, sizes);
  return fits ? arith::SelectOp::create(
                    b, loc, fits, count,
                    arith::ConstantIndexOp::create(b, loc, -1))
                    .getResult()
              : count;
}

void CodeEmitter::check(nn::CheckOp check) {
  Value condition = get(check.getCondition());
  rt::CheckOp::create(b, check.getLoc(), condition, check.getMessage(),
                      get(check.getValues()));
}

/// The symbols of a tensor's dynamic dims, as the records name them.
static ArrayAttr dimNames(Builder &b, EntryShapes &shapes, Value tensor) {
  SmallVector<StringRef> names;
  auto type = cast<RankedTensorType>(tensor.getType());
  for (auto [dim, size] : llvm::enumerate(shapes.sizesOf(tensor))) {
    if (type.isDynamicDim(dim)) {
      names.push_back(shapes.getSymbol(size));
    }
  }
  return b.getStrArrayAttr(names);
}

static StringAttr nameOf(Builder &b, Attribute given, StringRef kind,
                         unsigned index) {
  auto name = dyn_cast_or_null<StringAttr>(given);
  return name ? name : b.getStringAttr(kind + Twine(index));
}

static void emitValues(OpBuilder &b, func::FuncOp entry, EntryShapes &shapes,
                       MemoryAssignment &memory) {
  for (nn::SymDimOp symbol : shapes.getSymbols()) {
    rt::SymbolOp::create(b, symbol.getLoc(), symbol.getName(), symbol.getMin(),
                         symbol.getMax(), symbol.getDivisor());
  }
  for (BlockArgument input : entry.getArguments()) {
    unsigned i = input.getArgNumber();
    rt::InputOp::create(
        b, input.getLoc(),
        nameOf(b, entry.getArgAttr(i, kValueNameAttrName), "input", i),
        TypeAttr::get(input.getType()), dimNames(b, shapes, input));
  }
  Operation *end = entry.front().getTerminator();
  for (auto [i, output] : llvm::enumerate(end->getOperands())) {
    rt::OutputOp::create(
        b, output.getLoc(),
        nameOf(b, entry.getResultAttr(i, kValueNameAttrName), "output", i),
        TypeAttr::get(output.getType()), dimNames(b, shapes, output),
        memory.isLateOutput(i) ? b.getUnitAttr() : UnitAttr());
  }
}

/// Whether the bytes of a buffer are for the sizing function to say.
static bool isSizedAtRun(const Buffer &buffer,
                         const std::optional<ArenaPlan> &plan) {
  return !plan && !buffer.late && !buffer.type.hasStaticShape();
}

static void emitBuffers(OpBuilder &b, Location loc, ArrayRef<Buffer> buffers,
                        const std::optional<ArenaPlan> &plan) {
  for (auto [i, buffer] : llvm::enumerate(buffers)) {
    auto record =
        rt::BufferOp::create(b, loc, IntegerAttr(), UnitAttr(), UnitAttr(),
                             b.getI64IntegerAttr(buffer.first),
                             b.getI64IntegerAttr(buffer.last), IntegerAttr());
    if (buffer.late) {
      record.setLate(true);
    } else if (isSizedAtRun(buffer, plan)) {
      record.setAtSizing(true);
    } else {
      record.setBytes(plan ? plan->bytes[i]
                           : (buffer.type.getNumElements() *
                                  int64_t(elementBits(buffer.type)) +
                              7) /
                                 8);
    }
    if (plan && !buffer.late) {
      record.setOffset(plan->offsets[i]);
    }
  }
}

/// A dim that the model states as a product or sum of symbols, or as fixed.
static void emitConstraint(CodeEmitter &code, rt::ProgramOp program,
                           const EntryShapes::Constraint &constraint) {
  auto [place, size, loc] = constraint;
  Value actual = rt::InputDimOp::create(code.b, loc, place.input, place.dim);
  Value expected = code.get(loc, size);
  Value equal = arith::CmpIOp::create(code.b, loc, arith::CmpIPredicate::eq,
                                      actual, expected);
  StringRef name = program.getRecords<rt::InputOp>()[place.input].getName();
  std::string escaped;
  for (char c : name) {
    escaped += c == '{' ? "{{" : std::string(1, c);
  }
  rt::CheckOp::create(code.b, loc, equal,
                      llvm::formatv("input '{0}': expected dim {1} to be {{0}, "
                                    "got {{1}",
                                    escaped, place.dim)
                          .str(),
                      ValueRange{expected, actual});
}

/// Checks first: arithmetic on sizes relies on them.
static void emitSize(rt::ProgramOp program, func::FuncOp entry,
                     EntryShapes &shapes, MemoryAssignment &memory,
                     const std::optional<ArenaPlan> &plan) {
  CodeEmitter code(program.getSize().getBody(), shapes);
  for (const EntryShapes::Constraint &constraint : shapes.getConstraints()) {
    emitConstraint(code, program, constraint);
  }
  for (auto check : entry.getOps<nn::CheckOp>()) {
    if (!llvm::any_of(check->getOperands(),
                      [&](Value v) { return shapes.isLate(v); })) {
      code.check(check);
    }
  }
  Operation *end = entry.front().getTerminator();
  for (auto [i, output] : llvm::enumerate(end->getOperands())) {
    for (auto [dim, size] : llvm::enumerate(shapes.sizesOf(output))) {
      auto value = dyn_cast<Value>(size);
      if (value && !shapes.isLate(value)) {
        rt::SetOutputDimOp::create(code.b, output.getLoc(), i, dim,
                                   code.get(value));
      }
    }
  }
  for (auto [i, buffer] : llvm::enumerate(memory.getBuffers())) {
    if (isSizedAtRun(buffer, plan)) {
      Location loc = entry.getLoc();
      rt::SetBufferBytesOp::create(
          code.b, loc, i, code.bytesOf(loc, buffer.type, buffer.sizes));
    }
  }
}

static Region &addFunction(Operation *function) {
  function->getRegion(0).emplaceBlock();
  return function->getRegion(0);
}

rt::ProgramOp emitProgram(func::FuncOp entry, EntryShapes &shapes,
                          MemoryAssignment &memory) {
  OpBuilder b(entry);
  Location loc = entry.getLoc();
  std::optional<ArenaPlan> plan = planArena(memory.getBuffers(), shapes);
  auto program = rt::ProgramOp::create(b, loc, entry.getSymNameAttr(),
                                       IntegerAttr(), IntegerAttr());
  if (plan) {
    program.setArenaBytes(plan->arenaBytes);
    program.setArenaLowerBound(plan->lowerBound);
  }
  b.setInsertionPointToStart(&program.getBody().emplaceBlock());
  emitValues(b, entry, shapes, memory);
  emitBuffers(b, loc, memory.getBuffers(), plan);
  auto size = rt::SizeOp::create(b, loc);
  addFunction(size);
  emitSize(program, entry, shapes, memory, plan);
  // A late output's dim is the run's to say; the table still needs a sizing
  // function that leaves it at -1.
  bool needed = !size.getBody().front().empty() ||
                llvm::any_of(program.getRecords<rt::OutputOp>(),
                             [](rt::OutputOp o) { return o.getLate(); });
  if (!needed) {
    size.erase();
  }
  addFunction(rt::RunOp::create(b, loc));
  RunEmitter(program, entry, shapes, memory).emit();
  return program;
}

} // namespace dlc
