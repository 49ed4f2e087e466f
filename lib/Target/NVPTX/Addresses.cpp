// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Base and offset of addresses.
#include "Addresses.h"

#include "llvm/Analysis/ValueTracking.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Operator.h"

using namespace llvm;

namespace dlc {

/// `value` without the constant terms of the sum that it is, which are added
/// to `constant`, times `factor`; null for a sum of nothing else.
static Value *splitConstants(Value *value, int64_t factor, int64_t &constant,
                             IRBuilder<> &b) {
  if (auto *number = dyn_cast<ConstantInt>(value)) {
    constant += factor * number->getSExtValue();
    return nullptr;
  }
  if (auto *extended = dyn_cast<SExtInst>(value)) {
    Value *narrow = extended->getOperand(0);
    Value *rest = splitConstants(narrow, factor, constant, b);
    return rest == narrow ? value
           : rest         ? b.CreateSExt(rest, value->getType())
                          : nullptr;
  }
  auto *sum = dyn_cast<OverflowingBinaryOperator>(value);
  if (!sum || !sum->hasNoSignedWrap()) {
    return value;
  }
  Value *x = sum->getOperand(0), *y = sum->getOperand(1);
  if (sum->getOpcode() == Instruction::Add) {
    Value *left = splitConstants(x, factor, constant, b),
          *right = splitConstants(y, factor, constant, b);
    return left == x && right == y ? value
           : left && right         ? b.CreateNSWAdd(left, right)
                                   : (left ? left : right);
  }
  auto *scale = dyn_cast<ConstantInt>(y);
  if (sum->getOpcode() == Instruction::Mul && scale) {
    Value *rest =
        splitConstants(x, factor * scale->getSExtValue(), constant, b);
    return rest == x ? value : rest ? b.CreateNSWMul(rest, y) : nullptr;
  }
  return value;
}

/// base + (x + c) becomes (base + x) + c. base + x itself is to have the same
/// form as it has there: with flags, LLVM would infer more about its x.
PreservedAnalyses SplitOffsetsPass::run(Function &function,
                                        FunctionAnalysisManager &) {
  const DataLayout &layout = function.getDataLayout();
  SmallVector<GetElementPtrInst *> addresses;
  for (Instruction &instruction : instructions(function)) {
    auto *address = dyn_cast<GetElementPtrInst>(&instruction);
    if (address && address->getNumIndices() == 1 &&
        !isa<Constant>(address->getOperand(1))) {
      addresses.push_back(address);
    }
  }
  SmallDenseSet<std::pair<Value *, BasicBlock *>> split;
  SmallVector<GetElementPtrInst *> others;
  for (GetElementPtrInst *address : addresses) {
    IRBuilder<> b(address);
    int64_t constant = 0;
    Value *index = address->getOperand(1);
    Value *rest = splitConstants(index, 1, constant, b);
    if (rest == index || constant == 0) {
      others.push_back(address);
      continue;
    }
    split.insert({address->getPointerOperand(), address->getParent()});
    // What lies between may be outside of the buffer.
    Type *element = address->getSourceElementType();
    Value *base = address->getPointerOperand();
    base = rest ? b.CreateGEP(element, base, rest) : base;
    int64_t bytes = constant * layout.getTypeAllocSize(element).getFixedValue();
    address->replaceAllUsesWith(b.CreateGEP(
        b.getInt8Ty(), base, ConstantInt::getSigned(b.getInt64Ty(), bytes)));
    address->eraseFromParent();
  }
  for (GetElementPtrInst *address : others) {
    if (split.contains({address->getPointerOperand(), address->getParent()})) {
      address->setNoWrapFlags(GEPNoWrapFlags::none());
    }
  }
  return addresses.empty() ? PreservedAnalyses::all()
                           : PreservedAnalyses::none();
}

namespace {

/// Powers of two that divide values, as exponents.
class Divisors {
public:
  explicit Divisors(const DataLayout &layout) : layout(layout) {}

  /// Of an integer or an address. No more than of any alignment.
  unsigned get(Value *value) {
    auto [it, isNew] = known.try_emplace(value, 0);
    if (isNew) { // what leads back to itself has divisor 1 on the way
      unsigned exponent = std::min(compute(value), kMost);
      known[value] = exponent;
      return exponent;
    }
    return it->second;
  }

private:
  static constexpr unsigned kMost = 16;

  unsigned compute(Value *value);
  unsigned computeAddress(GEPOperator *address);

  const DataLayout &layout;
  DenseMap<Value *, unsigned> known;
};

unsigned Divisors::computeAddress(GEPOperator *address) {
  if (address->getNumIndices() != 1) {
    return Log2(address->getPointerAlignment(layout));
  }
  uint64_t bytes =
      layout.getTypeAllocSize(address->getSourceElementType()).getFixedValue();
  return std::min(get(address->getPointerOperand()),
                  get(address->getOperand(1)) + countr_zero(bytes));
}

unsigned Divisors::compute(Value *value) {
  if (auto *number = dyn_cast<ConstantInt>(value)) {
    return number->isZero() ? kMost : number->getValue().countr_zero();
  }
  if (auto *address = dyn_cast<GEPOperator>(value)) {
    return computeAddress(address);
  }
  if (auto *cast = dyn_cast<AddrSpaceCastOperator>(value)) {
    return get(cast->getPointerOperand());
  }
  if (value->getType()->isPointerTy()) {
    return Log2(value->getPointerAlignment(layout));
  }
  auto *instruction = dyn_cast<Instruction>(value);
  switch (instruction ? instruction->getOpcode() : 0) {
  case Instruction::SExt:
  case Instruction::ZExt:
    return get(instruction->getOperand(0));
  case Instruction::Add:
  case Instruction::Sub:
  case Instruction::Or:
  case Instruction::Xor:
    return std::min(get(instruction->getOperand(0)),
                    get(instruction->getOperand(1)));
  case Instruction::Mul:
    return get(instruction->getOperand(0)) + get(instruction->getOperand(1));
  case Instruction::Shl:
    if (auto *by = dyn_cast<ConstantInt>(instruction->getOperand(1))) {
      return get(instruction->getOperand(0)) + by->getZExtValue();
    }
    break;
  default:
    break;
  }
  return computeKnownBits(value, layout).countMinTrailingZeros();
}

/// The bytes that the loads, or the stores, of a block access.
class Accesses {
public:
  explicit Accesses(const DataLayout &layout) : layout(layout) {}

  void add(Instruction &access) {
    auto [bytes, offset] = find(access);
    uint64_t size = layout.getTypeStoreSize(getLoadStoreType(&access));
    for (uint64_t i = 0; i < size; ++i) {
      bytes->insert(offset + i);
    }
  }
  /// Whether they access some neighbours of `access` in the `size` bytes from
  /// where it starts, but not all.
  bool haveGap(Instruction &access, uint64_t size) {
    auto [bytes, offset] = find(access);
    uint64_t count = 0;
    for (uint64_t i = 0; i < size; ++i) {
      count += bytes->contains(offset + i);
    }
    uint64_t own = layout.getTypeStoreSize(getLoadStoreType(&access));
    return count > own && count < size;
  }

private:
  std::pair<DenseSet<int64_t> *, int64_t> find(Instruction &access) {
    Value *address = getLoadStorePointerOperand(&access);
    APInt offset(layout.getIndexTypeSizeInBits(address->getType()), 0);
    Value *base = address->stripAndAccumulateConstantOffsets(
        layout, offset, /*AllowNonInbounds=*/true);
    auto &blocks = isa<LoadInst>(access) ? loads : stores;
    return {&blocks[{access.getParent(), base}], offset.getSExtValue()};
  }

  const DataLayout &layout;
  DenseMap<std::pair<BasicBlock *, Value *>, DenseSet<int64_t>> loads, stores;
};

/// What a GPU accesses at most at once.
constexpr uint64_t kMaxAccess = 16;

} // namespace

PreservedAnalyses AlignAccessesPass::run(Function &function,
                                         FunctionAnalysisManager &) {
  const DataLayout &layout = function.getDataLayout();
  Divisors divisors(layout);
  Accesses accesses(layout);
  SmallVector<Instruction *> all;
  for (Instruction &instruction : instructions(function)) {
    if (getLoadStorePointerOperand(&instruction)) {
      all.push_back(&instruction);
      accesses.add(instruction);
    }
  }
  for (Instruction *access : all) {
    // Of three neighbours that are aligned, the back end would make four.
    uint64_t bytes = uint64_t(1)
                     << divisors.get(getLoadStorePointerOperand(access));
    bytes = std::min(bytes, kMaxAccess);
    while (accesses.haveGap(*access, bytes)) {
      bytes /= 2;
    }
    Align align(bytes);
    if (auto *load = dyn_cast<LoadInst>(access)) {
      load->setAlignment(std::max(load->getAlign(), align));
    } else {
      auto *store = cast<StoreInst>(access);
      store->setAlignment(std::max(store->getAlign(), align));
    }
  }
  return PreservedAnalyses::all();
}

} // namespace dlc
