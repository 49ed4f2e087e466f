// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures runs.
#include "Benchmark.h"
#include "Devices.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <numeric>
#include <unistd.h>

using namespace dlc::run;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A line on the terminal that is drawn over, ten times a second.
static void showProgress(double begin, double end, double &last) {
  double time = now();
  if (time - last < 0.1 || end - begin < 1 || !isatty(STDERR_FILENO)) {
    return;
  }
  last = time;
  int filled =
      static_cast<int>(30 * std::min(1.0, (time - begin) / (end - begin)));
  std::fprintf(stderr, "\r[%-30s] %.0f of %.0f s",
               std::string(static_cast<size_t>(filled), '#').c_str(),
               time - begin, end - begin);
}

static void clearProgress() {
  if (isatty(STDERR_FILENO)) {
    std::fprintf(stderr, "\r%50s\r", "");
  }
}

/// Runs until the time is over, or as often as asked when `iterations` > 0.
static Error repeat(double seconds, int64_t iterations,
                    const std::function<Error()> &run,
                    std::vector<double> &times) {
  double begin = now(), last = begin, end = begin + seconds;
  for (int64_t i = 0; iterations > 0 ? i < iterations : now() < end || i == 0;
       i++) {
    double start = now();
    if (Error error = run()) {
      return error;
    }
    times.push_back(now() - start);
    if (iterations == 0) {
      showProgress(begin, end, last);
    }
  }
  clearProgress();
  return {};
}

Error dlc::run::benchmark(Model &model, const Options &options,
                          std::vector<HostTensor> &inputs, Json &json) {
  std::vector<dlc_tensor> views, results(model.outputs.size());
  for (HostTensor &input : inputs) {
    views.push_back(input.view());
  }
  auto run = [&] { return model.run(views, results); };
  std::vector<double> warmup, times;
  if (Error error = repeat(options.warmupSeconds, 0, run, warmup)) {
    return error;
  }
  if (Error error =
          repeat(options.durationSeconds, options.iterations, run, times)) {
    return error;
  }
  dlc_context_info info{};
  info.struct_size = sizeof(info);
  if (Error error = fromStatus(dlc_context_get_info(model.context, &info))) {
    return error;
  }
  std::sort(times.begin(), times.end());
  double sum = std::accumulate(times.begin(), times.end(), 0.0);
  auto count = static_cast<double>(times.size());
  auto at = [&](double part) {
    return 1e3 * times[static_cast<size_t>(part * (count - 1) + 0.5)];
  };
  json.key("benchmark").open('{');
  json.key("iterations").integer(static_cast<int64_t>(times.size()));
  bool onCpu = options.device.device_type == DLC_DEVICE_CPU;
  std::string where = onCpu ? "with up to " + std::to_string(info.num_threads) +
                                  " threads, inputs in place"
                            : "on " + deviceText(options.device) +
                                  ", with copies of inputs and outputs";
  json.key("device").text(deviceText(options.device));
  json.key("variant").text(info.variant);
  json.key("threads").integer(info.num_threads);
  json.key("min_ms").number(at(0)).key("p50_ms").number(at(0.5));
  json.key("p90_ms").number(at(0.9)).key("p99_ms").number(at(0.99));
  json.key("max_ms").number(at(1)).key("mean_ms").number(1e3 * sum / count);
  json.key("runs_per_second").number(count / sum);
  json.key("arena_bytes").integer(info.arena_bytes).close('}');
  if (!options.json) {
    std::printf("%zu runs %s\n"
                "latency   min %.4g ms, median %.4g, p90 %.4g, p99 %.4g, max "
                "%.4g, mean %.4g\n"
                "through   %.5g runs/s\n"
                "memory    arena %lld bytes, all %lld\n",
                times.size(), where.c_str(), at(0), at(0.5), at(0.9), at(0.99),
                at(1), 1e3 * sum / count, count / sum,
                static_cast<long long>(info.arena_bytes),
                static_cast<long long>(info.allocated_bytes));
  }
  return {};
}
