// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What dlc-compile does when a defect of the compiler ends it. The handlers
// make none but async-signal-safe calls: all strings are ready before.
#include "CrashHandler.h"

#include "Pipelines/CompileOptions.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace dlc::tool {

/// Set in the second run, which must not start a third.
static constexpr char kSecondRun[] = "DLC_REPRODUCING";
/// Seconds that the second run may take.
static constexpr unsigned kTimeLimit = 120;

static std::string dumpFolder, dumpOption, foundText;
static std::vector<char *> secondArguments;

static void print(const char *text) {
  (void)!write(STDERR_FILENO, text, std::strlen(text));
}

/// Whether the IR has been written.
static bool runAgain() {
  pid_t child = fork();
  if (child == 0) {
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    alarm(kTimeLimit);
    execv("/proc/self/exe", secondArguments.data());
    _exit(1);
  }
  int status;
  return child > 0 && waitpid(child, &status, 0) == child &&
         access(dumpFolder.c_str(), F_OK) == 0;
}

static void onCrash(int) {
  if (!std::getenv(kSecondRun)) {
    print("dlc-compile: internal error: the compiler crashed\n");
    setenv(kSecondRun, "1", 1);
    if (runAgain()) {
      print(foundText.c_str());
    }
  }
  _exit(static_cast<int>(Status::Internal));
}

static void onOutOfMemory() {
  print("dlc-compile: error: out of memory\n");
  _exit(static_cast<int>(Status::Resource));
}

void installCrashHandler(int argc, char **argv) {
  static char output[] = "-o", nowhere[] = "/dev/null";
  dumpFolder = "/tmp/dlc-crash-" + std::to_string(getpid());
  dumpOption = "--dump-ir=" + dumpFolder;
  foundText = "dlc-compile: the last file in '" + dumpFolder +
              "' leads to this error\n";
  secondArguments.assign(argv, argv + argc);
  secondArguments.insert(secondArguments.end(),
                         {output, nowhere, dumpOption.data(), nullptr});
  std::set_new_handler(onOutOfMemory);
  std::signal(SIGABRT, onCrash);
  std::signal(SIGSEGV, onCrash);
}

} // namespace dlc::tool
