// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Layout and streaming of parameters.
#include "Weights.h"

#include "Analysis/ParamStore.h"
#include "Dialect/NN/ParamTransforms.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

static constexpr int64_t kAlignment = 64;

/// What decides a param's bytes.
static Attribute keyOf(nn::ParamOp param) {
  return ArrayAttr::get(param.getContext(),
                        {param.getData(), param.getTypeAttr(),
                         param.getSourceTypeAttr(), param.getTransforms()});
}

int64_t WeightsLayout::Place::getBytes() const {
  // The op is only read.
  nn::ParamOp op = param;
  return nn::denseByteSize(cast<RankedTensorType>(op.getType()));
}

void WeightsLayout::add(ModuleOp module, rt::ProgramOp program,
                        bool isOnDevice) {
  SymbolTable symbols(module);
  program.walk([&](rt::ParamAddressOp address) {
    auto param = symbols.lookup<nn::ParamOp>(address.getParam());
    auto [it, isNew] = numbers.try_emplace(keyOf(param), params.size());
    if (isNew) {
      params.push_back({param});
    }
    Place &place = params[it->second];
    (isOnDevice ? place.onDevice : place.onHost) = true;
    place.users.push_back(address);
  });
}

void WeightsLayout::layOut() {
  // The host's alone, those of both, the devices' alone.
  llvm::stable_sort(params, [](const Place &a, const Place &b) {
    auto rank = [](const Place &p) { return p.onDevice + !p.onHost; };
    return rank(a) < rank(b);
  });
  for (Place &place : params) {
    place.offset = llvm::alignTo(bytes, kAlignment);
    bytes = place.offset + place.getBytes();
    for (rt::ParamAddressOp address : place.users) {
      address.setOffset(place.offset);
    }
  }
}

WeightsLayout::Range WeightsLayout::getRange(rt::ProgramOp program) const {
  int64_t first = bytes, last = 0;
  for (const Place &place : params) {
    if (llvm::any_of(place.users, [&](rt::ParamAddressOp address) {
          return address->getParentOfType<rt::ProgramOp>() == program;
        })) {
      first = std::min(first, place.offset);
      last = std::max(last, place.offset + place.getBytes());
    }
  }
  return last > first ? Range{first, last - first} : Range{};
}

binary::WeightSource
WeightsLayout::makeSource(std::function<bool()> isCancelled,
                          std::function<void(int64_t)> onProgress) const {
  struct State {
    std::optional<ParamReader> reader;
    size_t next = 0;
    int64_t written = 0;
  };
  static constexpr char zeros[kAlignment] = {};
  auto state = std::make_shared<State>();
  return [=, this](std::span<const char> &chunk, std::string &error) {
    if (isCancelled()) {
      error = "cancelled";
      return false;
    }
    auto give = [&](ArrayRef<char> bytes) {
      chunk = {bytes.data(), bytes.size()};
      state->written += bytes.size();
      onProgress(state->written);
      return true;
    };
    while (true) {
      if (state->reader) {
        ArrayRef<char> bytes = state->reader->next();
        if (!bytes.empty()) {
          return give(bytes);
        }
        state->reader.reset();
      }
      if (state->next == params.size()) {
        return give({});
      }
      const Place &place = params[state->next];
      if (place.offset > state->written) {
        return give(
            {zeros, static_cast<size_t>(place.offset - state->written)});
      }
      nn::ParamOp param = place.param;
      llvm::Expected<ParamReader> reader = ParamReader::open(param);
      if (!reader) {
        error = llvm::toString(reader.takeError());
        return false;
      }
      state->reader.emplace(std::move(*reader));
      ++state->next;
    }
  };
}

} // namespace dlc
