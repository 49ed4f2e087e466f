// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Host memory that is not there: the linker gives the runtime's calls of
// aligned_alloc to the tests (--wrap).
#ifndef DLC_TEST_UNITTESTS_RUNTIME_ALLOCATIONFAULT_H
#define DLC_TEST_UNITTESTS_RUNTIME_ALLOCATIONFAULT_H

namespace dlc::test {

/// While it lives, `aligned_alloc` works `count` times, then no more.
class AllocationFault {
public:
  explicit AllocationFault(int count);
  ~AllocationFault();
  AllocationFault(const AllocationFault &) = delete;
  AllocationFault &operator=(const AllocationFault &) = delete;
};

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_RUNTIME_ALLOCATIONFAULT_H
