// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Profiles as Chrome traces.
#include "Trace.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace dlc::run;

std::string dlc::run::oneLine(const char *nodes) {
  std::string text = nodes;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void dlc::run::addAmount(Json &json, const char *key, int64_t amount) {
  if (amount >= 0) {
    json.key(key).integer(amount);
  }
}

Error dlc::run::writeTrace(const std::string &path, const Model &model,
                           Events events) {
  Json json;
  json.open('{').key("displayTimeUnit").text("ns").key("traceEvents").open('[');
  for (const dlc_profile_event &event : events) {
    dlc_dispatch_info info{};
    info.struct_size = sizeof(info);
    if (Error error = fromStatus(
            dlc_model_get_dispatch(model.model, event.dispatch, &info))) {
      return error;
    }
    json.open('{').key("name").text(info.kernel).key("ph").text("X");
    json.key("pid").integer(1).key("tid").integer(1);
    json.key("ts").number(static_cast<double>(event.begin_ns) * 1e-3);
    json.key("dur").number(static_cast<double>(event.end_ns - event.begin_ns) *
                           1e-3);
    json.key("args").open('{').key("nodes").text(oneLine(info.nodes));
    json.key("threads").integer(event.num_threads);
    addAmount(json, "flops", info.flops);
    addAmount(json, "bytes", info.bytes);
    json.close('}').close('}');
  }
  json.close(']').close('}');
  FILE *file = std::fopen(path.c_str(), "wb");
  bool good = file && std::fwrite(json.str().data(), 1, json.str().size(),
                                  file) == json.str().size();
  good = (file && std::fclose(file) == 0) && good;
  return good ? Error()
              : Error{DLC_RESOURCE,
                      "cannot write '" + path + "': " + std::strerror(errno)};
}
