// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints JSON, value by value.
#ifndef DLC_TOOLS_RUN_JSON_H
#define DLC_TOOLS_RUN_JSON_H

#include <cstdint>
#include <string>

namespace dlc::run {

class Json {
public:
  Json &open(char bracket);
  Json &close(char bracket);
  Json &key(const std::string &name);
  Json &text(const std::string &value);
  /// Numbers that JSON has no form for become null.
  Json &number(double value);
  Json &integer(int64_t value);
  Json &boolean(bool value);

  const std::string &str() const { return out; }

private:
  void separate();
  void quote(const std::string &value);

  std::string out;
  bool first = true; // no comma before the next value
};

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_JSON_H
