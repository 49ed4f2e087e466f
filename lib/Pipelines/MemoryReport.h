// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a compiled model takes, as metrics of its header and as a report.
#ifndef DLC_LIB_PIPELINES_MEMORYREPORT_H
#define DLC_LIB_PIPELINES_MEMORYREPORT_H

#include "Pipelines/CompileOptions.h"
#include "Target/Binary/ContainerWriter.h"

namespace dlc {

struct MemoryFigures {
  int64_t codeBytes, weightsBytes;
  size_t numParams, numKernels;
};

/// Appends the figures to the header's metrics.
void addMetrics(const MemoryFigures &figures, binary::Header &header);

/// The report of a complete header: sizes of code, weights, inputs, outputs and
/// arena, and the buffers with their lives. All numbers are bytes.
std::string reportMemory(ReportKind kind, const MemoryFigures &figures,
                         const binary::Header &header);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_MEMORYREPORT_H
