// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-run: runs compiled models. With a model appended to it, it is that
// model's own program ("dlc-compile --emit=exe").
#include "Benchmark.h"
#include "Cache.h"
#include "Devices.h"
#include "Info.h"
#include "Inputs.h"
#include "Npy.h"
#include "Verify.h"

#include "dlc/format.h"

#include <cstdio>
#include <cstring>
#include <memory>

using namespace dlc::run;

/// This program's own file if a model is appended to it, else "".
static std::string ownModel() {
  std::string path = programPath();
  char end[sizeof(DLC_FORMAT_MAGIC) - 1] = {};
  FILE *file = std::fopen(path.c_str(), "rb");
  bool is = file &&
            std::fseek(file, -static_cast<long>(sizeof(end)), SEEK_END) == 0 &&
            std::fread(end, 1, sizeof(end), file) == sizeof(end) &&
            std::memcmp(end, DLC_FORMAT_MAGIC, sizeof(end)) == 0;
  if (file) {
    std::fclose(file);
  }
  return is ? path : "";
}

static Error writeOutputs(const Model &model, const Options &options,
                          const std::vector<dlc_tensor> &results) {
  for (const std::string &text : options.outputs) {
    size_t at = text.rfind("=@");
    if (at == std::string::npos) {
      return usage("--output: expected NAME=@FILE.npy, got '" + text + "'");
    }
    uint32_t index;
    if (Error error = fromStatus(dlc_model_find_output(
            model.model, text.substr(0, at).c_str(), &index))) {
      return error;
    }
    if (Error error = writeNpy(text.substr(at + 2), results[index])) {
      return error;
    }
  }
  return {};
}

/// One run with the inputs of the command line, then what else is asked for.
static Error runOnce(Model &model, const Options &options, Json &json) {
  std::vector<HostTensor> inputs;
  std::vector<dlc_tensor> results;
  if (Error error = makeInputs(model, options, inputs)) {
    return error;
  }
  if (Error error = model.run(inputs, results)) {
    return error;
  }
  if (Error error = writeOutputs(model, options, results)) {
    return error;
  }
  if (options.json) {
    addOutputs(model, results, json);
  } else if (!options.benchmark && !options.profile) {
    printOutputs(model, results);
  }
  if (options.benchmark) {
    if (Error error = benchmark(model, options, inputs, json)) {
      return error;
    }
  }
  if (options.profile) {
    if (Error error =
            model.createContext(options.device, options.threads, true)) {
      return error;
    }
    return profile(model, options, inputs, json);
  }
  return {};
}

static Error openModel(const Options &options, const std::string &path,
                       std::unique_ptr<Model> &model) {
  model = std::make_unique<Model>();
  if (Error error = model->load(path)) {
    return error;
  }
  return options.info
             ? Error()
             : model->createContext(options.device, options.threads, false);
}

/// Opens what the command line names. An entry of the cache that was damaged is
/// made anew.
static Error openModel(const Options &options, std::unique_ptr<Model> &model) {
  if (!options.model.ends_with(".onnx")) {
    if (!options.compile.empty()) {
      return usage("'" + options.compile.front() + "' is for ONNX files, '" +
                   options.model + "' is compiled: see --info");
    }
    return openModel(options, options.model, model);
  }
  std::string path;
  for (bool anew : {false, true}) {
    if (Error error = compileCached(options.model, options.device,
                                    options.compile, anew, path)) {
      return error;
    }
    Error error = openModel(options, path, model);
    if (anew || error.code != DLC_CORRUPT) {
      return error;
    }
  }
  return {};
}

static Error runModel(const Options &options, Json &json) {
  std::unique_ptr<Model> opened;
  if (Error error = openModel(options, opened)) {
    return error;
  }
  Model &model = *opened;
  addInfo(model, json);
  if (options.info) {
    if (!options.json) {
      printInfo(model);
    }
    return {};
  }
  if (!options.verify.empty()) {
    if (Error error = verify(model, options, json)) {
      return error;
    }
    bool more = options.random || !options.inputs.empty();
    return more ? runOnce(model, options, json) : Error();
  }
  return runOnce(model, options, json);
}

int main(int argc, char **argv) {
  Options options;
  Error error = parseOptions(argc, argv, ownModel(), options);
  if (!error && options.help) {
    return std::fputs(helpText, stdout) < 0 ? DLC_RESOURCE : DLC_OK;
  }
  if (!error && options.version) {
    return std::printf("dlc-run %s\n", dlc_version()) < 0 ? DLC_RESOURCE
                                                          : DLC_OK;
  }
  Json json;
  json.open('{').key("schema").text("dlc-run/1");
  if (!error) {
    error =
        options.devices ? listDevices(options, json) : runModel(options, json);
  }
  if (error && error.code != DLC_MISMATCH) {
    // Brackets may be open.
    json = Json();
    json.open('{').key("schema").text("dlc-run/1");
  }
  json.key("exit_code").integer(error.code);
  if (error) {
    std::fprintf(stderr, "error: %s\n", error.message.c_str());
    json.key("error").text(error.message);
  }
  json.close('}');
  if (options.json) {
    std::printf("%s\n", json.str().c_str());
  }
  if (std::fflush(stdout) != 0 && !error) {
    std::fprintf(stderr, "error: cannot write the output\n");
    return DLC_RESOURCE;
  }
  return error.code;
}
