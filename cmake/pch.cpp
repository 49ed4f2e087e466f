// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nothing of its own: the object that carries the precompiled header.
