// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parses the command line.
#include "Options.h"

#include <cstdlib>
#include <functional>
#include <map>

using namespace dlc::run;

static Error badValue(const std::string &flag, const std::string &text,
                      const char *expected) {
  return usage("--" + flag + ": expected " + expected + ", got '" + text + "'");
}

static Error parseNumber(const std::string &flag, const std::string &text,
                         double &value) {
  char *end;
  value = std::strtod(text.c_str(), &end);
  // Also false for NaN.
  return !text.empty() && *end == 0 && value >= 0
             ? Error()
             : badValue(flag, text, "a number of 0 or more");
}

template <typename Integer>
static Error parseCount(const std::string &flag, const std::string &text,
                        double max, Integer &value) {
  double number;
  if (parseNumber(flag, text, number) || number > max ||
      number != static_cast<double>(static_cast<Integer>(number))) {
    return badValue(flag, text, "a whole number of 0 or more");
  }
  value = static_cast<Integer>(number);
  return {};
}

/// "3s", "200ms", "50us"; without a unit, seconds.
static Error parseSeconds(const std::string &flag, const std::string &text,
                          double &seconds) {
  static const std::map<std::string, double> units = {
      {"", 1}, {"s", 1}, {"ms", 1e-3}, {"us", 1e-6}};
  size_t digits = text.find_first_not_of("0123456789.e");
  std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  auto found = units.find(unit);
  if (found == units.end() ||
      parseNumber(flag, text.substr(0, digits), seconds)) {
    return badValue(flag, text, "a time such as 3s or 200ms");
  }
  seconds *= found->second;
  return {};
}

using Setter = std::function<Error(const std::string &)>;

static std::map<std::string, Setter> valueFlags(Options &o) {
  auto count = [](const char *flag, double max, auto &value) {
    return [=, &value](const std::string &text) {
      return parseCount(flag, text, max, value);
    };
  };
  auto text = [](std::string &value) {
    return [&value](const std::string &text) { return value = text, Error(); };
  };
  auto list = [](std::vector<std::string> &values) {
    return [&values](const std::string &text) {
      return values.push_back(text), Error();
    };
  };
  auto compile = [&o](const char *flag) {
    return [&o, flag](const std::string &text) {
      o.compile.push_back("--" + std::string(flag) + "=" + text);
      return Error();
    };
  };
  return {
      {"input", list(o.inputs)},
      {"precision", compile("precision")},
      {"gpu-arch", compile("gpu-arch")},
      {"dim", compile("dim")},
      {"output", list(o.outputs)},
      {"verify", text(o.verify)},
      {"seed", count("seed", 9e15, o.seed)},
      {"threads", count("threads", 256, o.threads)},
      {"iterations",
       [&](auto &t) {
         Error error = parseCount("iterations", t, 1e15, o.iterations);
         return !error && o.iterations == 0
                    ? badValue("iterations", t, "a whole number of 1 or more")
                    : error;
       }},
      {"rtol", [&](auto &t) { return parseNumber("rtol", t, o.rtol); }},
      {"atol", [&](auto &t) { return parseNumber("atol", t, o.atol); }},
      {"warmup",
       [&](auto &t) { return parseSeconds("warmup", t, o.warmupSeconds); }},
      {"duration",
       [&](auto &t) { return parseSeconds("duration", t, o.durationSeconds); }},
      {"device",
       [&](auto &t) {
         Error error = fromStatus(dlc_device_parse(t.c_str(), &o.device));
         return error ? usage("--device: " + error.message) : Error();
       }},
  };
}

Error dlc::run::parseOptions(int argc, char **argv, const std::string &ownModel,
                             Options &options) {
  options.model = ownModel;
  std::map<std::string, Setter> values = valueFlags(options);
  std::map<std::string, bool *> switches = {
      {"random", &options.random},   {"benchmark", &options.benchmark},
      {"profile", &options.profile}, {"info", &options.info},
      {"devices", &options.devices}, {"json", &options.json},
      {"help", &options.help},       {"version", &options.version}};
  for (int i = 1; i < argc; i++) {
    std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      if (!options.model.empty()) {
        return usage("expected one model, got '" + options.model + "' and '" +
                     argument + "'");
      }
      options.model = argument;
      continue;
    }
    size_t equals = argument.find('=');
    std::string flag = argument.substr(2, equals - 2);
    if (flag == "profile" && equals != std::string::npos) {
      options.profile = true;
      options.trace = argument.substr(equals + 1);
      continue;
    }
    auto isSwitch = switches.find(flag);
    if (isSwitch != switches.end() && equals == std::string::npos) {
      *isSwitch->second = true;
      continue;
    }
    auto value = values.find(flag);
    if (value == values.end()) {
      return usage("unknown option '" + argument + "', see --help");
    }
    if (equals == std::string::npos && i + 1 == argc) {
      return usage("--" + flag + ": expected a value");
    }
    if (Error error = value->second(equals == std::string::npos
                                        ? argv[++i]
                                        : argument.substr(equals + 1))) {
      return error;
    }
  }
  if (options.model.empty() && !options.help && !options.version &&
      !options.devices) {
    return usage("expected a model, see --help");
  }
  return {};
}
