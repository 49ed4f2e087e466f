// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Time per dispatch.
#include "Benchmark.h"
#include "Trace.h"

#include <algorithm>
#include <cstdio>
#include <map>

using namespace dlc::run;

namespace {

struct Row {
  uint32_t dispatch = 0;
  dlc_dispatch_info info{};
  std::vector<double> times; // per launch, in microseconds
  size_t launches = 0;       // per run
  uint32_t threads = 0;

  double median() const;
  /// In one run.
  double total() const { return median() * static_cast<double>(launches); }
};

constexpr int runs = 11;

} // namespace

double Row::median() const {
  std::vector<double> sorted = times;
  auto middle = sorted.begin() + static_cast<int64_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

static void report(const std::vector<Row> &rows, bool print, Json &json) {
  double total = 0;
  for (const Row &row : rows) {
    total += row.total();
  }
  if (print) {
    std::printf("      us     %%  thr   GF/s   GB/s  kernel  (nodes)\n");
  }
  json.key("profile").open('[');
  for (const Row &row : rows) {
    double one = row.median(), all = row.total();
    auto rate = [&](int64_t amount) -> std::string {
      if (amount < 0 || one <= 0) {
        return "-"; // unknown
      }
      char text[32];
      std::snprintf(text, sizeof(text), "%.1f",
                    static_cast<double>(amount) / one / 1e3);
      return text;
    };
    json.open('{').key("kernel").text(row.info.kernel);
    json.key("nodes").text(row.info.nodes).key("us").number(all);
    json.key("launches").integer(static_cast<int64_t>(row.launches));
    json.key("threads").integer(row.threads);
    addAmount(json, "flops", row.info.flops);
    addAmount(json, "bytes", row.info.bytes);
    json.close('}');
    if (print) {
      std::printf("%8.1f %5.1f %4u %6s %6s  %s  (%s)\n", all,
                  total > 0 ? 100 * all / total : 0, row.threads,
                  rate(row.info.flops).c_str(), rate(row.info.bytes).c_str(),
                  row.info.kernel, oneLine(row.info.nodes).c_str());
    }
  }
  json.close(']');
  if (print) {
    std::printf("%8.1f 100.0  all dispatches\n", total);
  }
}

Error dlc::run::profile(Model &model, const Options &options,
                        std::vector<HostTensor> &inputs, Json &json) {
  std::map<uint32_t, Row> byDispatch;
  std::vector<dlc_tensor> results;
  Events events;
  // The first run touches memory for the first time, and does not count.
  for (int i = 0; i <= runs; i++) {
    const dlc_profile_event *first;
    uint64_t count;
    if (Error error = model.run(inputs, results)) {
      return error;
    }
    if (Error error = fromStatus(
            dlc_context_get_profile(model.context, &first, &count))) {
      return error;
    }
    events = {first, count};
    for (const dlc_profile_event &event : events) {
      Row &row = byDispatch[event.dispatch];
      row.dispatch = event.dispatch;
      if (i > 0) {
        row.times.push_back(static_cast<double>(event.end_ns - event.begin_ns) *
                            1e-3);
      }
      row.launches += i == runs;
      row.threads = std::max(row.threads, event.num_threads);
    }
  }
  std::vector<Row> rows;
  for (auto &[dispatch, row] : byDispatch) {
    row.info.struct_size = sizeof(row.info);
    if (Error error = fromStatus(
            dlc_model_get_dispatch(model.model, dispatch, &row.info))) {
      return error;
    }
    rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) {
    return a.total() != b.total() ? a.total() > b.total()
                                  : a.dispatch < b.dispatch;
  });
  report(rows, !options.json, json);
  return options.trace.empty() ? Error()
                               : writeTrace(options.trace, model, events);
}
