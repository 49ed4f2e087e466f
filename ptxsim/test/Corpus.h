// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs a compiled CUDA program for both targets and in all modes.
#ifndef PTXSIM_TEST_CORPUS_H
#define PTXSIM_TEST_CORPUS_H

#include "Driver.h"

namespace test {

/// Directory with <file>.<target>.ptx.
extern std::string CorpusDirectory;

/// Calls Launch(kernel) once per target and mode; it runs the kernel and
/// returns the output, which must be the same every time. Returns it.
template <class T>
std::vector<T>
runProgram(const char *File, const char *Entry,
           const std::function<std::vector<T>(Kernel &)> &Launch,
           std::initializer_list<const char *> Targets = {"sm_80", "sm_90a"}) {
  std::vector<T> First;
  for (const char *Target : Targets) {
    Kernel K(readText(CorpusDirectory + "/" + File + "." + Target + ".ptx"),
             Entry);
    std::string Name = std::string(Entry) + " for " + Target;
    if (!check(K.Ok, Name + " loads: " + K.Error))
      return First;
    forModes([&](const std::string &Mode) {
      std::vector<T> Got = Launch(K);
      if (First.empty())
        First = Got;
      check(!Got.empty() &&
                !std::memcmp(Got.data(), First.data(), Got.size() * sizeof(T)),
            Name + " in mode " + Mode + " equals the first run");
    });
  }
  return First;
}

/// Launches and reports a failure with the simulator's report.
bool launched(Kernel &K, Dim Grid, Dim Block, unsigned Shared = 0,
              Dim Cluster = {}, bool Cooperative = false);

template <class T>
void same(const char *Name, const std::vector<T> &Got,
          const std::vector<T> &Want) {
  size_t Bad = 0, At = 0;
  for (size_t K = 0; K < Want.size(); ++K)
    if (K >= Got.size() || !(Got[K] == Want[K]))
      if (!Bad++)
        At = K;
  check(!Bad, std::string(Name) + ": " + std::to_string(Bad) +
                  " wrong values, first at " + std::to_string(At));
}
void close(const char *Name, const std::vector<float> &Got,
           const std::vector<double> &Want, double Tolerance);

} // namespace test
#endif
