// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Says what a model and its outputs are.
#include "Info.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace dlc::run;

static std::string hex(const uint8_t *bytes, size_t count) {
  std::string text;
  char digits[3];
  for (size_t i = 0; i < count; i++) {
    std::snprintf(digits, sizeof(digits), "%02x", bytes[i]);
    text += digits;
  }
  return text;
}

static void printValues(const char *what,
                        const std::vector<ValueInfo> &values) {
  for (const ValueInfo &value : values) {
    std::printf("%-9s %s: %s %s\n", what, value.name.c_str(),
                typeName(value.type).c_str(), value.dimsText().c_str());
  }
}

/// ", for CUDA: PTX sm_80, machine code sm_90a"
static std::string imagesText(const Model &model, uint32_t index,
                              const dlc_variant_info &variant) {
  std::string text;
  for (uint32_t i = 0; i < variant.num_images; i++) {
    dlc_image_info image{};
    image.struct_size = sizeof(image);
    if (dlc_model_get_image(model.model, index, i, &image) == DLC_OK) {
      text += text.empty() ? ", for CUDA: " : ", ";
      text += image.is_ptx ? "PTX sm_" : "machine code sm_";
      text += std::to_string(image.arch) + image.suffix;
    }
  }
  return text;
}

void dlc::run::printInfo(const Model &model) {
  const dlc_model_info &info = model.info;
  std::printf("model     %s\nproducer  %s\ncompiled  by dlc %s, %s\n",
              info.name, info.producer, info.compiler_version,
              info.compile_options);
  std::printf("container %u.%u, code %llu bytes, weights %llu bytes%s%s\n",
              info.format_major, info.format_minor,
              static_cast<unsigned long long>(info.code_bytes),
              static_cast<unsigned long long>(info.weights_bytes),
              *info.weights_file ? " in " : "", info.weights_file);
  std::printf("source    %s\n", hex(info.source_digest, 16).c_str());
  for (uint32_t i = 0; i < info.num_variants; i++) {
    dlc_variant_info variant{};
    variant.struct_size = sizeof(variant);
    if (dlc_model_get_variant(model.model, i, &variant) == DLC_OK) {
      std::printf("code      %s%s%s%s%s%s\n", variant.name,
                  *variant.features ? " needs " : "", variant.features,
                  imagesText(model, i, variant).c_str(),
                  variant.supported ? "" : ", not on this machine",
                  std::string(variant.name) == info.variant ? ", in use" : "");
    }
  }
  printValues("input", model.inputs);
  printValues("output", model.outputs);
  if (info.arena_bytes >= 0) {
    std::printf("arena     %lld bytes, lower bound %lld\n",
                static_cast<long long>(info.arena_bytes),
                static_cast<long long>(info.arena_lower_bound));
  } else {
    std::printf("arena     depends on the shapes\n");
  }
  for (uint32_t i = 0; i < info.num_metrics; i++) {
    const char *name;
    int64_t value;
    if (dlc_model_get_metric(model.model, i, &name, &value) == DLC_OK) {
      std::printf("memory    %s: %lld bytes\n", name,
                  static_cast<long long>(value));
    }
  }
}

static void addValues(const char *key, const std::vector<ValueInfo> &values,
                      Json &json) {
  json.key(key).open('[');
  for (const ValueInfo &value : values) {
    json.open('{').key("name").text(value.name);
    json.key("type").text(typeName(value.type)).key("dims").open('[');
    for (const dlc_dim_info &dim : value.dims) {
      json.open('{').key("min").integer(dim.min).key("max").integer(dim.max);
      json.key("divisor").integer(dim.divisor);
      if (dim.symbol) {
        json.key("symbol").text(dim.symbol);
      }
      json.close('}');
    }
    json.close(']').close('}');
  }
  json.close(']');
}

void dlc::run::addInfo(const Model &model, Json &json) {
  const dlc_model_info &info = model.info;
  json.key("model").open('{').key("name").text(info.name);
  json.key("producer").text(info.producer);
  json.key("compiler_version").text(info.compiler_version);
  json.key("compile_options").text(info.compile_options);
  json.key("variant").text(info.variant);
  json.key("code_bytes").integer(static_cast<int64_t>(info.code_bytes));
  json.key("weights_bytes").integer(static_cast<int64_t>(info.weights_bytes));
  json.key("arena_bytes").integer(info.arena_bytes);
  json.key("arena_lower_bound").integer(info.arena_lower_bound);
  json.key("source_digest").text(hex(info.source_digest, 16));
  json.key("memory").open('{');
  for (uint32_t i = 0; i < info.num_metrics; i++) {
    const char *name;
    int64_t value;
    if (dlc_model_get_metric(model.model, i, &name, &value) == DLC_OK) {
      json.key(name).integer(value);
    }
  }
  json.close('}').close('}');
  addValues("inputs", model.inputs, json);
  addValues("outputs", model.outputs, json);
}
