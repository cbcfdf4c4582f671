// Work on the threads of an OpenMP runtime that the process has already.
#pragma once

#include <atomic>
#include <thread>

#include "recurrence.h"

class Barrier {
 public:
  void wait(int members) {
    if (members == 1) return;
    const int round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
      if (spins > 4000) std::this_thread::yield();  // more threads than free cores
  }

 private:
  std::atomic<int> arrived_{0}, round_{0};
};

// Calls work.run(number, members) on each member of a team of at most so many threads.
template <class Work>
void run_on(const RecurraTeam& team, int threads, Work& work) {
  if (threads <= 1 || !team.parallel) return work.run(0, 1);
  struct Job {
    const RecurraTeam& team;
    Work& work;
  } job{team, work};
  const auto body = [](void* data) {
    const Job& job = *static_cast<Job*>(data);
    job.work.run(job.team.number(), job.team.size());
  };
  team.parallel(body, &job, unsigned(threads), 0);
}
