// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parsing of the command line. Not llvm::cl, which would offer LLVM's own
// options as well.
#include "Options.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace dlc::tool {

const char helpText[] =
    R"(usage: dlc-compile MODEL.onnx -o MODEL.dlc [options]
  MODEL                       an ONNX file; with --from=, MLIR text ('-': standard input)
  -o FILE                     the result; '-' for standard output
  --target=cpu|cuda|cuda,cpu  what the code runs on
  --cpu=NAME[,NAME...]        native (default), x86-64-v3, x86-64-v4, or a CPU of LLVM's;
                              several make one file with a variant for each
  --gpu-arch=NAME[,NAME...]   sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120, ...; code for one without 'a' runs
                              on later ones, too, and a binary always has that for sm_80
  --cubin[=PTXAS]             machine code beside the PTX, by ptxas in PATH or CUDA_HOME, or by this one
  --precision=fp32|tf32|bf16|fp16
                              what products of matrices, convolutions and attention read on a GPU; sums,
                              norms and everything on a CPU stay fp32
  --dim=NAME=N | N..M[:HINT]  the size of a symbolic dim, or its range and the size to tune for;
                              NAME is a dim's name or INPUT[I]
  --emit=KIND                 dlc (default), so, obj, exe, nn, linalg, llvm, asm, ptx
  --from=PHASE --to=PHASE     import, graph, dispatch, schedule, codegen, binary
  --dump-ir=DIR               the IR after each phase, as numbered files
  --inspect                   which operators the model has and whether they are supported, as JSON
  --weights-file=external     weights in a file beside the model (default: embed)
  --model-dir=DIR             the folder of external data (default: the model's)
  --memory-report[=json]      what the model takes, on standard output
  --progress=auto|none|json   a bar on a terminal, nothing, or a line a step on standard error
  --threads=N                 of the compiler (default: 0, one per CPU)
  --version, --help
exit codes: 0 ok, 1 usage or no such file, 2 unsupported model, 3 resource limit, 5 internal error, 6 invalid model
)";

/// Sets `value` to a name that `parse` knows.
template <typename T, typename TargetT>
static std::optional<std::string>
parseName(StringRef text, std::optional<T> (*parse)(StringRef), StringRef what,
          TargetT &value) {
  std::optional<T> parsed = parse(text);
  if (!parsed) {
    return ("unknown " + what + " '" + text + "'").str();
  }
  value = *parsed;
  return std::nullopt;
}

static std::optional<ReportKind> parseReport(StringRef text) {
  return StringSwitch<std::optional<ReportKind>>(text)
      .Case("text", ReportKind::Text)
      .Case("json", ReportKind::Json)
      .Default(std::nullopt);
}

static std::optional<ProgressKind> parseProgress(StringRef text) {
  return StringSwitch<std::optional<ProgressKind>>(text)
      .Case("auto", ProgressKind::Auto)
      .Case("none", ProgressKind::None)
      .Case("json", ProgressKind::Json)
      .Default(std::nullopt);
}

static std::optional<bool> parseWeights(StringRef text) {
  return StringSwitch<std::optional<bool>>(text)
      .Case("embed", false)
      .Case("external", true)
      .Default(std::nullopt);
}

/// An option with a value.
static std::optional<std::string> parseValue(StringRef name, StringRef value,
                                             Options &options) {
  CompileOptions &c = options.compile;
  if (name == "--target") {
    c.target = value.str();
  } else if (name == "--cpu") {
    for (StringRef cpu : split(value, ',')) {
      c.cpus.push_back(cpu.str());
    }
  } else if (name == "--gpu-arch") {
    for (StringRef arch : split(value, ',')) {
      c.gpuArchs.push_back(arch.str());
    }
  } else if (name == "--cubin") {
    c.ptxas = value.str();
  } else if (name == "--precision") {
    c.precision = value.str();
  } else if (name == "--dim") {
    c.dims.push_back(value.str());
  } else if (name == "--dump-ir") {
    c.dumpDir = value.str();
  } else if (name == "--model-dir") {
    c.modelDir = value.str();
  } else if (name == "--threads") {
    if (value.getAsInteger(10, c.numThreads)) {
      return ("expected a number of threads, got '" + value + "'").str();
    }
  } else if (name == "--emit") {
    return parseName(value, parseEmitKind, "kind of output", c.emit);
  } else if (name == "--from") {
    return parseName(value, parsePhase, "phase", c.from);
  } else if (name == "--to") {
    return parseName(value, parsePhase, "phase", c.to);
  } else if (name == "--weights-file") {
    return parseName(value, parseWeights, "place of weights",
                     c.externalWeights);
  } else if (name == "--progress") {
    return parseName(value, parseProgress, "kind of progress",
                     options.progress);
  } else if (name == "--memory-report") {
    return parseName(value, parseReport, "kind of report", c.memoryReport);
  } else {
    return ("unknown option '" + name + "'").str();
  }
  return std::nullopt;
}

std::optional<std::string> parseOptions(int argc, char **argv,
                                        Options &options) {
  CompileOptions &c = options.compile;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    auto [name, value] = argument.split('=');
    bool hasValue = argument.contains('=');
    if (argument == "-o" || argument == "--output") {
      if (++i == argc) {
        return "expected a file after '-o'";
      }
      c.outputPath = argv[i];
    } else if (argument == "--inspect") {
      options.inspect = true;
    } else if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (argument == "--version") {
      options.version = true;
    } else if (argument == "--cubin") {
      c.ptxas = "";
    } else if (argument == "--memory-report") {
      c.memoryReport = ReportKind::Text;
    } else if (argument.starts_with("-") && argument != "-") {
      if (!hasValue && (i + 1 == argc || !argument.starts_with("--"))) {
        return ("unknown option '" + argument + "', or one without its value")
            .str();
      }
      if (std::optional<std::string> wrong =
              parseValue(name, hasValue ? value : argv[++i], options)) {
        return wrong;
      }
    } else if (!c.inputPath.empty()) {
      return ("expected one model, got '" + c.inputPath + "' and '" + argument +
              "'")
          .str();
    } else {
      c.inputPath = argument.str();
    }
  }
  return std::nullopt;
}

} // namespace dlc::tool
