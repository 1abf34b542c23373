// What the kernels and the scheduler share: where a thread is, and how it waits for others.
#pragma once

namespace cuda_on_cpu {
struct Index {
  unsigned x, y, z;
};
struct Place {
  Index thread, block, block_size, grid;
  unsigned lane;
};
}  // namespace cuda_on_cpu

extern "C" {
// The thread that runs now.
extern cuda_on_cpu::Place cuda_on_cpu_place;

// Waits for all threads of the block; how many of them gave a predicate that is not 0.
int cuda_on_cpu_barrier(int line, int predicate);

// Waits for the lanes of `mask`; what each lane of the warp gave. To be read before waiting again.
const unsigned long long* cuda_on_cpu_exchange(unsigned mask, unsigned long long given);

// Ends the launch with an error.
[[noreturn]] void cuda_on_cpu_fail(const char* message);
}
