// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints JSON (RFC 8259).
#include "Json.h"

#include <cmath>
#include <cstdio>

using namespace dlc::run;

void Json::separate() {
  if (!first) {
    out += ',';
  }
  first = false;
}

void Json::quote(const std::string &value) {
  out += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\u%04x", c);
      out += code;
    } else {
      out += c;
    }
  }
  out += '"';
}

Json &Json::open(char bracket) {
  separate();
  out += bracket;
  first = true;
  return *this;
}

Json &Json::close(char bracket) {
  out += bracket;
  first = false;
  return *this;
}

Json &Json::key(const std::string &name) {
  separate();
  quote(name);
  out += ':';
  first = true;
  return *this;
}

Json &Json::text(const std::string &value) {
  separate();
  quote(value);
  return *this;
}

Json &Json::number(double value) {
  separate();
  char digits[32];
  std::snprintf(digits, sizeof(digits), "%.9g", value);
  out += std::isfinite(value) ? digits : "null";
  return *this;
}

Json &Json::integer(int64_t value) {
  separate();
  out += std::to_string(value);
  return *this;
}

Json &Json::boolean(bool value) {
  separate();
  out += value ? "true" : "false";
  return *this;
}
