// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Threads: equal results for any number of them, many contexts, a busy pool,
// a caller's parallel-for, fork. Meant to run under TSan, too.
#include "TestModels.h"

extern "C" {
#include "pool.h"
}

#include "gtest/gtest.h"

#include <atomic>
#include <chrono>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace dlc;
using namespace dlc::test;

namespace {

class PoolTest : public testing::Test {
protected:
  void SetUp() override {
    path = folder.file("busy.dlc");
    writeModel(path, busyHeader(), "busy");
  }

  std::vector<uint32_t> run(dlc_context *context, uint32_t seed,
                            int64_t rounds = 50) {
    Tensor<uint32_t> s({1}, {seed}, uint32);
    Tensor<int64_t> r({1}, {rounds}, int64);
    dlc_tensor inputs[] = {s.get(), r.get()}, output{};
    EXPECT_EQ(dlc_context_run(context, inputs, 2, &output, 1), DLC_OK)
        << dlc_message();
    return valuesOf<uint32_t>(output);
  }

  /// What the model computes, in plain C++.
  static std::vector<uint32_t> expected(uint32_t seed, int64_t rounds = 50) {
    std::vector<uint32_t> y(1000, seed);
    for (int launch = 0; launch < 20; launch++) {
      for (uint32_t i = 0; i < y.size(); i++) {
        y[i] += i;
        for (int64_t r = 0; r < rounds; r++) {
          y[i] = y[i] * 1664525u + 1013904223u;
        }
      }
    }
    return y;
  }

  TempFolder folder;
  std::string path;
};

TEST_F(PoolTest, EqualForAnyNumberOfThreads) {
  Loaded m(path);
  for (uint32_t threads : {1, 2, 3, 7, 16}) {
    ASSERT_EQ(dlc_context_set_threads(m.context, threads), DLC_OK);
    for (uint32_t seed = 0; seed < 20; seed++) {
      ASSERT_EQ(run(m.context, seed), expected(seed)) << threads;
    }
  }
  EXPECT_EQ(dlc_pool_size(), 15u);
}

TEST_F(PoolTest, SixtyFourThreadsOnOneModel) {
  Loaded m(path);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 64; t++) {
    threads.emplace_back([&, t] {
      dlc_context *context;
      dlc_context_options options{};
      options.struct_size = sizeof(options);
      options.num_threads = 1 + t % 4;
      if (dlc_context_create(m.model, &options, &context) != DLC_OK) {
        wrong++;
        return;
      }
      for (uint32_t i = 0; i < 5; i++) {
        wrong += run(context, t * 100 + i) != expected(t * 100 + i);
      }
      dlc_context_free(context);
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

/// With the pool taken, a run works alone, and says so in its profile.
TEST_F(PoolTest, BusyPoolMeansSerial) {
  Loaded m(path, 4, /*profile=*/true);
  auto mostThreads = [&] {
    const dlc_profile_event *events;
    uint64_t count;
    dlc_context_get_profile(m.context, &events, &count);
    uint32_t most = 0;
    for (uint64_t i = 0; i < count; i++) {
      most = std::max(most, events[i].num_threads);
    }
    return most;
  };
  ASSERT_TRUE(dlc_pool_claim());
  EXPECT_FALSE(dlc_pool_claim());
  EXPECT_EQ(run(m.context, 1), expected(1));
  EXPECT_EQ(mostThreads(), 1u);
  dlc_pool_release();
  EXPECT_EQ(run(m.context, 2), expected(2));
  EXPECT_EQ(mostThreads(), 4u);
}

TEST_F(PoolTest, ContextInUseIsAnError) {
  Loaded m(path);
  std::atomic<bool> started = false;
  std::thread other([&] {
    started = true;
    run(m.context, 1, 200000);
  });
  while (!started) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(dlc_context_set_threads(m.context, 2), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "the context is in use by another thread");
  other.join();
}

struct Calls {
  std::atomic<int> count = 0;
};

void threadedFor(void *user, uint32_t count, dlc_parallel_body *body,
                 void *data) {
  static_cast<Calls *>(user)->count++;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < count; i++) {
    threads.emplace_back([=] { body(data, i); });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
}

TEST_F(PoolTest, CallersParallelFor) {
  Loaded m(path, 3);
  Calls calls;
  ASSERT_EQ(dlc_set_parallel_for(threadedFor, &calls), DLC_OK);
  EXPECT_EQ(run(m.context, 5), expected(5));
  EXPECT_EQ(calls.count, 20);
  ASSERT_EQ(dlc_set_parallel_for(nullptr, nullptr), DLC_OK);
  EXPECT_EQ(run(m.context, 6), expected(6));
  EXPECT_EQ(calls.count, 20);
}

/// Forks while another thread keeps setting the parallel-for: the child must
/// not wait for a lock that nobody there holds.
TEST_F(PoolTest, ForkWhileTheParallelForIsSet) {
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "TSan does not follow threads made after fork";
#endif
  Calls calls;
  std::atomic<bool> stop = false;
  std::thread setter([&] {
    while (!stop) {
      dlc_set_parallel_for(threadedFor, &calls);
    }
  });
  for (int i = 0; i < 200; i++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(20); // ends a child that waits for ever
      _exit(dlc_set_parallel_for(nullptr, nullptr) == DLC_OK ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "fork " << i;
  }
  stop = true;
  setter.join();
  dlc_set_parallel_for(nullptr, nullptr);
}

/// The child has no threads at first, and makes its own.
TEST_F(PoolTest, ChildOfAForkStartsAnew) {
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "TSan does not follow threads made after fork";
#endif
  Loaded m(path, 4);
  ASSERT_EQ(run(m.context, 1), expected(1));
  std::atomic<bool> stop = false;
  std::thread busy([&] { // the parent's pool is in use while it forks
    Loaded other(path, 4);
    while (!stop) {
      run(other.context, 2);
    }
  });
  for (int i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) {
      bool good = run(m.context, 3) == expected(3) && dlc_pool_size() == 3;
      _exit(good ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
  EXPECT_EQ(run(m.context, 4), expected(4));
}

double processSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

TEST_F(PoolTest, ThreadsSleepBetweenRuns) {
  Loaded m(path, 3);
  run(m.context, 1);
  double before = processSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(processSeconds() - before, 0.02);
}

/// Nor do they spin for long when a claimed pool has nothing for them.
TEST_F(PoolTest, IdleThreadsOfARunSleep) {
  ASSERT_TRUE(dlc_pool_claim());
  ASSERT_EQ(dlc_pool_ready(3), 3u);
  double before = processSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(processSeconds() - before, 0.02);
  dlc_pool_release();
}

/// Every item of a launch runs exactly once, for odd numbers of everything.
TEST_F(PoolTest, EachItemOnce) {
  static std::vector<std::atomic<int>> counts(100003);
  auto kernel = [](void *const *, const int64_t *, int64_t begin, int64_t end,
                   void *) {
    for (int64_t i = begin; i < end; i++) {
      counts[i]++;
    }
  };
  ASSERT_TRUE(dlc_pool_claim());
  for (uint32_t threads : {2, 3, 5, 11}) {
    ASSERT_EQ(dlc_pool_ready(threads), threads);
    for (int64_t items : {2, 3, 7, 64, 1000, 100003}) {
      for (std::atomic<int> &count : counts) {
        count = 0;
      }
      dlc_launch launch = {kernel, nullptr, nullptr, items, 1000000, 0, 0};
      dlc_pool_run(&launch, threads, nullptr, 0);
      for (int64_t i = 0; i < static_cast<int64_t>(counts.size()); i++) {
        ASSERT_EQ(counts[i], i < items) << i << " of " << items;
      }
    }
  }
  dlc_pool_release();
}

} // namespace
