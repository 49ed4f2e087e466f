// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Says which devices there are.
#include "Devices.h"

#include <cinttypes>
#include <cstdio>

using namespace dlc::run;

static const char *typeName(int32_t type) {
  return type == DLC_DEVICE_CPU    ? "cpu"
         : type == DLC_DEVICE_CUDA ? "cuda"
                                   : "ptxsim";
}

std::string dlc::run::deviceText(dlc_device device) {
  std::string name = typeName(device.device_type);
  return device.device_type == DLC_DEVICE_CPU
             ? name
             : name + ":" + std::to_string(device.device_id);
}

static Error listDevice(dlc_device device, bool print, Json &json) {
  dlc_device_info info{};
  info.struct_size = sizeof(info);
  if (Error error = fromStatus(dlc_device_get_info(device, &info))) {
    return error;
  }
  std::string text = deviceText(device);
  json.open('{').key("device").text(text).key("name").text(info.name);
  json.key("arch").text(info.arch);
  json.key("memory_bytes").integer(static_cast<int64_t>(info.memory_bytes));
  json.key("cores").integer(info.num_cores);
  json.key("cuda_version").integer(info.cuda_version).close('}');
  if (print) {
    std::printf("%-9s %s, %s, %" PRIu64 " MiB, %u cores", text.c_str(),
                info.name, info.arch, info.memory_bytes >> 20, info.num_cores);
    if (info.cuda_version > 0) {
      std::printf(", driver for CUDA %d.%d", info.cuda_version / 1000,
                  info.cuda_version % 1000 / 10);
    }
    std::printf("\n");
  }
  return {};
}

static void listMissing(int32_t type, const std::string &reason, bool print,
                        Json &json) {
  json.open('{').key("device").text(typeName(type));
  json.key("missing").text(reason).close('}');
  if (print) {
    std::printf("%-9s %s\n", typeName(type), reason.c_str());
  }
}

Error dlc::run::listDevices(const Options &options, Json &json) {
  json.key("devices").open('[');
  for (int32_t type : {DLC_DEVICE_CPU, DLC_DEVICE_CUDA, DLC_DEVICE_PTXSIM}) {
    uint32_t count;
    Error error = fromStatus(dlc_device_count(type, &count));
    if (error || count == 0) {
      listMissing(type, error ? error.message : "the driver finds no device",
                  !options.json, json);
      continue;
    }
    for (uint32_t i = 0; i < count; i++) {
      dlc_device device{type, static_cast<int32_t>(i)};
      if (Error failed = listDevice(device, !options.json, json)) {
        listMissing(type, failed.message, !options.json, json);
      }
    }
  }
  json.close(']');
  return {};
}
