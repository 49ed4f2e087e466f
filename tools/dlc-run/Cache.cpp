// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cache of compiled models. Its key is a digest of all that the result
// depends on: the model with its external files, the compiler, the CPU.
#include "Cache.h"

#include "Npy.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

extern "C" char **environ;

namespace fs = std::filesystem;
using namespace dlc::run;

std::string dlc::run::programPath() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

static std::string stamp(const fs::path &file) {
  std::error_code error;
  auto size = fs::file_size(file, error);
  auto time = fs::last_write_time(file, error).time_since_epoch().count();
  return file.string() + " " + std::to_string(size) + " " +
         std::to_string(time) + "\n";
}

/// What this CPU can do, as code for "native" depends on it.
static std::string cpuFlags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) {
      return line;
    }
  }
  return "";
}

static Error findKey(const fs::path &model, const fs::path &compiler,
                     const std::vector<std::string> &arguments,
                     std::string &key) {
  std::vector<char> bytes;
  if (Error error = readFile(model, bytes)) {
    return error;
  }
  std::string rest =
      std::string(dlc_version()) + "\n" + stamp(compiler) + cpuFlags() + "\n";
  for (const std::string &argument : arguments) {
    rest += argument + "\n";
  }
  // External data may be any file beside the model. Entries that refer to one
  // have the key "location".
  static const char location[] = "location";
  if (memmem(bytes.data(), bytes.size(), location, sizeof(location) - 1)) {
    std::set<std::string> stamps;
    std::error_code error;
    fs::path folder = fs::absolute(model, error).parent_path();
    for (const auto &entry : fs::directory_iterator(folder, error)) {
      if (entry.is_regular_file(error)) {
        stamps.insert(stamp(entry.path()));
      }
    }
    for (const std::string &text : stamps) {
      rest += text;
    }
  }
  XXH128_hash_t hash = XXH3_128bits_withSeed(
      rest.data(), rest.size(), XXH3_64bits(bytes.data(), bytes.size()));
  char text[40];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  key = text;
  return {};
}

static Error cacheFolder(fs::path &folder) {
  const char *own = std::getenv("DLC_CACHE_DIR");
  const char *home = std::getenv("HOME");
  if (own && *own) {
    folder = own;
  } else if (home && *home) {
    folder = fs::path(home) / ".cache" / "dlc";
  } else {
    return usage("expected DLC_CACHE_DIR or HOME to be set");
  }
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? Error{DLC_RESOURCE, "cannot create the folder '" +
                                         folder.string() +
                                         "': " + error.message()}
               : Error();
}

static Error runCompiler(const std::string &compiler, const std::string &model,
                         std::vector<std::string> arguments,
                         const std::string &output) {
  arguments.insert(arguments.begin(), {compiler, model, "-o", output});
  std::vector<char *> argv;
  for (std::string &argument : arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  pid_t child;
  int status = posix_spawn(&child, compiler.c_str(), nullptr, nullptr,
                           argv.data(), environ);
  if (status != 0) {
    return {DLC_RESOURCE,
            "cannot run '" + compiler + "': " + std::strerror(status)};
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) {
    return {DLC_INTERNAL, "dlc-compile was ended by signal " +
                              std::to_string(WTERMSIG(status))};
  }
  int code = WEXITSTATUS(status);
  return code == 0 ? Error() : Error{code, "cannot compile '" + model + "'"};
}

Error dlc::run::compileCached(const std::string &model, dlc_device device,
                              std::vector<std::string> arguments, bool anew,
                              std::string &compiled) {
  arguments.push_back(device.device_type == DLC_DEVICE_CPU ? "--target=cpu"
                                                           : "--target=cuda");
  fs::path compiler = fs::path(programPath()).parent_path() / "dlc-compile";
  fs::path folder;
  std::string key;
  if (Error error = findKey(model, compiler, arguments, key)) {
    return error;
  }
  if (Error error = cacheFolder(folder)) {
    return error;
  }
  compiled = folder / (key + ".dlc");
  std::error_code error;
  if (!anew && fs::exists(compiled, error)) {
    return {};
  }
  // The compiler writes beside the name and renames: two at once do no harm.
  return runCompiler(compiler, model, arguments, compiled);
}
