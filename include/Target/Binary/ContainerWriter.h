// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes compiled models in the container of runtime/include/dlc/format.h.
// Knows nothing of LLVM: code comes as the bytes of an ELF shared object,
// weights as a stream. Equal input gives equal bytes.
#ifndef DLC_TARGET_BINARY_CONTAINERWRITER_H
#define DLC_TARGET_BINARY_CONTAINERWRITER_H

#include "dlc/dlc.h"
#include "dlc/format.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dlc::binary {

struct Dim {
  dlc_format_dim_kind kind = DLC_DIM_UNKNOWN;
  int64_t value = 0;

  static Dim fixed(int64_t size) { return {DLC_DIM_STATIC, size}; }
  static Dim symbol(uint32_t index) { return {DLC_DIM_SYMBOL, index}; }
  static Dim unknown() { return {}; }
};

/// An input or output.
struct Value {
  std::string name;
  uint8_t typeCode = 2; // DLPack: float
  uint8_t typeBits = 32;
  std::vector<Dim> dims;
  /// An output whose memory the run asks for by late_output.
  bool late = false;
};

struct Symbol {
  std::string name;
  int64_t min = 0;
  int64_t max = -1;     // unbounded
  int64_t divisor = -1; // none
};

struct Buffer {
  int64_t bytes = 0; // or DLC_BYTES_AT_SIZING, DLC_BYTES_LATE
  int64_t alignment = 64;
  int32_t first = 0;
  int32_t last = 0;
};

struct StaticPlan {
  std::vector<int64_t> offsets; // per buffer, -1 for late ones
  int64_t arenaBytes = 0;
  int64_t lowerBound = 0;
};

struct Dispatch {
  std::string kernel;
  std::vector<std::string> nodes;
  int64_t flops = -1;
  int64_t bytes = -1;
};

struct Check {
  uint32_t status = 1; // DLC_USAGE
  std::string message;
};

struct Metric {
  std::string name;
  int64_t value = 0;
};

/// What the code of one or more variants counts from 0, and what else depends
/// on the code.
struct Program {
  std::vector<Buffer> buffers;
  std::optional<StaticPlan> plan;
  std::vector<Dispatch> dispatches;
  std::vector<Check> checks;
  /// The code has no "<prefix>_size": nothing depends on input dims.
  bool noSizing = false;
  /// The part of the weights that the code reads, and a device gets.
  uint64_t paramsOffset = 0;
  uint64_t paramsBytes = DLC_PARAMS_TO_END;
};

/// All kernels of a variant for one architecture.
struct DeviceImage {
  dlc_format_image_kind kind = DLC_IMAGE_PTX;
  uint32_t arch = 80;  // compute capability times ten
  char archSuffix = 0; // or 'a'
  std::string bytes;   // PTX text, or an ELF file of machine code
};

struct DeviceKernel {
  std::string name;
  uint32_t staticSharedBytes = 0;
  uint32_t dynamicSharedBytes = 0; // the most that a launch asks for
  uint32_t threads = 0;            // per block; 0: each launch says
};

struct Variant {
  std::string name;
  std::string prefix;
  std::vector<std::string> features = {}; // LLVM's names
  dlc_device_type deviceType = DLC_DEVICE_CPU;
  uint32_t program = 0; // 0: the header's own, n: otherPrograms[n - 1]
  std::vector<DeviceImage> images = {};
  std::vector<DeviceKernel> kernels = {}; // in each of the images
};

/// All that the header block says, with the first program.
struct Header : Program {
  std::string modelName;
  std::string producer;
  std::string compilerVersion;
  std::string options;
  dlc_format_digest sourceDigest{};
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  std::vector<Symbol> symbols;
  std::vector<Variant> variants; // those for one device type best first
  std::vector<Metric> metrics;
  std::vector<Program> otherPrograms;
};

/// Gives the next bytes of the weights, valid until the next call; an empty
/// chunk ends them. Returns false to give up, with the reason in `error`.
using WeightSource =
    std::function<bool(std::span<const char> &chunk, std::string &error)>;

/// A source of one piece, which must outlive the source.
WeightSource weightsFromMemory(std::span<const char> bytes);

/// The header block alone, as embedded models carry it (see exec.h).
/// `weightsFile` names external weights, "" for none.
std::vector<char> encodeHeader(const Header &header,
                               const std::string &weightsFile = "");

/// All device images, placed as the header block says.
std::vector<char> encodeImages(const Header &header);

/// XXH3-128 in canonical order, as the container uses it.
dlc_format_digest digest(std::span<const char> bytes);

enum class WriteError { None, Input, Resource };

/// Writes one container.
class ContainerWriter {
public:
  /// The model goes to `path`. Until `write` succeeds a file there is left as
  /// it is: everything is written beside it, and renamed at the end.
  explicit ContainerWriter(std::string path) : path(std::move(path)) {}

  /// Prepends a program, such as dlc-run, and makes the file executable.
  void setLauncher(std::string program) { launcher = std::move(program); }

  /// Writes the weights to `<path>.weights` instead of into the model.
  void setExternalWeights() { external = true; }

  /// `code` are the bytes of an ELF shared object. On an error, `message`
  /// says why; Input: header, code or source are at fault, Resource: the disk.
  WriteError write(const Header &header, std::span<const char> code,
                   const WeightSource &weights, std::string &message) const;

private:
  std::string path;
  std::string launcher;
  bool external = false;
};

} // namespace dlc::binary

#endif // DLC_TARGET_BINARY_CONTAINERWRITER_H
