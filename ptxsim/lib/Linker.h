// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Links PTX modules into one (PTX ISA, linking directives .extern, .visible,
// .weak and .common).
#ifndef PTXSIM_LINKER_H
#define PTXSIM_LINKER_H

#include "Ast.h"

namespace ptxsim {

struct LinkInput {
  std::string Name; // for messages
  std::unique_ptr<const Module> Source;
};

/// Joins the texts of the inputs to the text of one module, in which names
/// that are local to several inputs differ. What the parser cannot find in one
/// input is found here: names that are defined twice, declared otherwise than
/// they are defined, or used but not defined. Then false, with all of these in
/// Log, a line each.
bool linkModules(const std::vector<LinkInput> &Inputs, std::string &Image,
                 std::string &Log);

} // namespace ptxsim
#endif
