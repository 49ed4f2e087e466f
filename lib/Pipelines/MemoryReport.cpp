// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The memory report, as text and as JSON.
#include "MemoryReport.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dlc {

void addMetrics(const MemoryFigures &figures, binary::Header &header) {
  header.metrics.push_back({"code", figures.codeBytes});
  header.metrics.push_back({"weights", figures.weightsBytes});
  if (header.plan) {
    header.metrics.push_back({"arena", header.plan->arenaBytes});
    header.metrics.push_back({"arena_lower_bound", header.plan->lowerBound});
  }
}

/// Bytes of an input or output; -1 where sizes are open.
static int64_t bytesOf(const binary::Value &value) {
  int64_t bits = value.typeBits;
  for (const binary::Dim &dim : value.dims) {
    if (dim.kind != DLC_DIM_STATIC) {
      return -1;
    }
    bits *= dim.value;
  }
  return (bits + 7) / 8;
}

static StringRef kindOf(const binary::Buffer &buffer) {
  return buffer.bytes == DLC_BYTES_LATE        ? "late"
         : buffer.bytes == DLC_BYTES_AT_SIZING ? "sized at run time"
                                               : "arena";
}

static void writeJson(raw_ostream &os, const MemoryFigures &figures,
                      const binary::Header &header) {
  json::OStream j(os, 2);
  auto values = [&](StringRef name, const std::vector<binary::Value> &list) {
    j.attributeArray(name, [&] {
      for (const binary::Value &value : list) {
        j.object([&] {
          j.attribute("name", value.name);
          j.attribute("bytes", bytesOf(value));
        });
      }
    });
  };
  j.object([&] {
    j.attribute("schema", "dlc-memory-1");
    j.attribute("code", figures.codeBytes);
    j.attribute("weights", figures.weightsBytes);
    j.attribute("params", static_cast<int64_t>(figures.numParams));
    j.attribute("kernels", static_cast<int64_t>(figures.numKernels));
    j.attribute("dispatches", static_cast<int64_t>(header.dispatches.size()));
    j.attribute("arena", header.plan ? header.plan->arenaBytes : -1);
    j.attribute("arena_lower_bound",
                header.plan ? header.plan->lowerBound : -1);
    values("inputs", header.inputs);
    values("outputs", header.outputs);
    j.attributeArray("buffers", [&] {
      for (auto [i, buffer] : llvm::enumerate(header.buffers)) {
        j.object([&] {
          j.attribute("kind", kindOf(buffer));
          j.attribute("bytes", buffer.bytes);
          j.attribute("offset", header.plan ? header.plan->offsets[i] : -1);
          j.attribute("first", buffer.first);
          j.attribute("last", buffer.last);
        });
      }
    });
  });
  os << '\n';
}

static std::string formatBytes(int64_t bytes) {
  if (bytes < 0) {
    return "known at run time";
  }
  if (bytes < 1024) {
    return formatv("{0} B", bytes).str();
  }
  bool mebi = bytes >= (1 << 20);
  return formatv("{0:f2} {1}", bytes / (mebi ? 1048576.0 : 1024.0),
                 mebi ? "MiB" : "KiB")
      .str();
}

static void writeText(raw_ostream &os, const MemoryFigures &figures,
                      const binary::Header &header) {
  auto line = [&](const Twine &name, const Twine &value) {
    os << formatv("{0,-24} {1}\n", name.str(), value.str());
  };
  line("code", formatBytes(figures.codeBytes) + " (" +
                   Twine(figures.numKernels) + " kernels, " +
                   Twine(header.dispatches.size()) + " dispatches)");
  line("weights", formatBytes(figures.weightsBytes) + " (" +
                      Twine(figures.numParams) + " parameters)");
  for (const binary::Value &value : header.inputs) {
    line("input " + Twine(value.name), formatBytes(bytesOf(value)));
  }
  for (const binary::Value &value : header.outputs) {
    line("output " + Twine(value.name), formatBytes(bytesOf(value)));
  }
  line("arena", formatBytes(header.plan ? header.plan->arenaBytes : -1));
  line("arena lower bound",
       formatBytes(header.plan ? header.plan->lowerBound : -1));
  for (auto [i, buffer] : llvm::enumerate(header.buffers)) {
    std::string place = header.plan && buffer.bytes >= 0
                            ? formatv(" at {0}", header.plan->offsets[i]).str()
                            : std::string();
    line("  buffer " + Twine(i),
         formatv("{0}{1}, steps {2} to {3}",
                 buffer.bytes >= 0 ? formatBytes(buffer.bytes)
                                   : kindOf(buffer).str(),
                 place, buffer.first, buffer.last)
             .str());
  }
}

std::string reportMemory(ReportKind kind, const MemoryFigures &figures,
                         const binary::Header &header) {
  std::string text;
  raw_string_ostream os(text);
  if (kind == ReportKind::Json) {
    writeJson(os, figures, header);
  } else if (kind == ReportKind::Text) {
    writeText(os, figures, header);
  }
  return text;
}

} // namespace dlc
