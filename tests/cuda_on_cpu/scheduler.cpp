// Runs the blocks of a launch one after another. Where threads wait for each other, each is a fiber
// that runs until it waits; else they are a plain loop.
#include <cstring>
#include <string>
#include <vector>

#include "fiber.h"
#include "place.h"

using cuda_on_cpu::Index;

extern "C" {
cuda_on_cpu::Place cuda_on_cpu_place;
}

namespace {

constexpr unsigned WARP = 32;

enum class State { READY, AT_BARRIER, EXCHANGING, DONE };

struct Thread {
  Fiber fiber;
  Index index;
  State state;
  int line;
  unsigned mask;
  unsigned long long given;
  unsigned long long received[WARP];
  const unsigned long long* result;
};

struct Launch {
  void (*entry)(void**);
  void** args;
  Index grid, block;
  bool waits, backwards;
  char* shared;
  size_t shared_bytes;
};

Launch launch;
Stacks stacks;
std::vector<Thread> threads;
Fiber scheduler;
Thread* current;
unsigned count, alive, waiting;
int predicates, counted;
bool failed;
std::string message;

Index position(size_t i, Index size) {
  unsigned plane = size.x * size.y;
  return {unsigned(i % size.x), unsigned(i / size.x % size.y), unsigned(i / plane)};
}

size_t volume(Index size) { return size_t(size.x) * size.y * size.z; }

std::string text(Index i) {
  return std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z);
}

void fail(const char* what) {
  failed = true;
  message = std::string(what) + " (block " + text(cuda_on_cpu_place.block) + ", thread " +
            text(cuda_on_cpu_place.thread) + ")";
}

void run_thread() {
  launch.entry(launch.args);
  current->state = State::DONE;
  alive--;
  scheduler.enter(current->fiber);
}

void resume(unsigned i) {
  current = &threads[i];
  cuda_on_cpu_place.thread = current->index;
  cuda_on_cpu_place.lane = i % WARP;
  current->fiber.enter(scheduler);
}

// Lets the lanes of a warp go on whose partners are all there, but for those that have returned.
bool exchange(unsigned first) {
  unsigned lanes = count - first < WARP ? count - first : WARP, live = 0;
  Thread* warp = &threads[first];
  for (unsigned k = 0; k < lanes; k++) live |= unsigned(warp[k].state != State::DONE) << k;
  bool any = false;
  for (unsigned leader = 0; leader < lanes; leader++) {
    if (warp[leader].state != State::EXCHANGING) continue;
    unsigned wanted = warp[leader].mask & live;
    bool complete = true;
    for (unsigned k = 0; k < lanes; k++)
      if (wanted >> k & 1)
        complete &= warp[k].state == State::EXCHANGING && warp[k].mask == warp[leader].mask;
    if (!complete) continue;
    for (unsigned k = 0; k < lanes; k++) {
      if (!(wanted >> k & 1)) continue;
      warp[leader].received[k] = warp[k].given;
      warp[k].result = warp[leader].received;
      warp[k].state = State::READY;
    }
    any = true;
  }
  return any;
}

bool pass_barrier() {
  if (waiting != alive || !alive) return false;
  if (alive != count) return fail("some threads have returned before __syncthreads"), false;
  for (unsigned i = 0; i < count; i++) {
    if (threads[i].line != threads[0].line)
      return fail("threads of a block wait at different __syncthreads"), false;
    threads[i].state = State::READY;
  }
  counted = predicates;
  waiting = predicates = 0;
  return true;
}

void run_fibers() {
  alive = count;
  waiting = predicates = 0;
  for (unsigned i = 0; i < count; i++) {
    threads[i].state = State::READY;
    threads[i].index = position(i, launch.block);
    threads[i].fiber.prepare(stacks.at(i), Stacks::size(i), run_thread);
  }
  unsigned warps = (count + WARP - 1) / WARP;
  while (alive && !failed) {
    bool progress = false;
    for (unsigned w = 0; w < warps; w++) {
      unsigned first = (launch.backwards ? warps - 1 - w : w) * WARP;
      unsigned lanes = count - first < WARP ? count - first : WARP;
      do {
        for (unsigned k = 0; k < lanes; k++) {
          unsigned i = first + (launch.backwards ? lanes - 1 - k : k);
          if (threads[i].state != State::READY) continue;
          progress = true;
          resume(i);
          if (failed) return;
        }
      } while (exchange(first));
    }
    progress |= pass_barrier();
    if (!progress && !failed)
      fail("threads wait for ever: at a __syncthreads or for lanes that others do not reach");
  }
}

void run_block() {
  if (launch.shared_bytes) memset(launch.shared, 0xFF, launch.shared_bytes);
  if (launch.waits) return run_fibers();
  for (unsigned n = 0; n < count && !failed; n++) {
    cuda_on_cpu_place.thread = position(launch.backwards ? count - 1 - n : n, launch.block);
    launch.entry(launch.args);
  }
}

}  // namespace

extern "C" {

int cuda_on_cpu_barrier(int line, int predicate) {
  current->state = State::AT_BARRIER;
  current->line = line;
  waiting++;
  predicates += predicate != 0;
  scheduler.enter(current->fiber);
  return counted;
}

const unsigned long long* cuda_on_cpu_exchange(unsigned mask, unsigned long long given) {
  if (!(mask >> cuda_on_cpu_place.lane & 1)) cuda_on_cpu_fail("a lane is not in its own mask");
  current->state = State::EXCHANGING;
  current->mask = mask;
  current->given = given;
  scheduler.enter(current->fiber);
  return current->result;
}

void cuda_on_cpu_fail(const char* what) {
  fail(what);
  scheduler.enter(current->fiber);
  __builtin_unreachable();
}

// Null, or what went wrong. `waits`: the kernel has barriers or exchanges.
const char* cuda_on_cpu_launch(void (*entry)(void**), void** args, const unsigned* grid,
                               const unsigned* block, bool waits, bool backwards, char* shared,
                               size_t shared_bytes) {
  launch = {entry, args, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]},
            waits, backwards, shared, shared_bytes};
  count = unsigned(volume(launch.block));
  failed = false;
  if (threads.size() < count) threads.resize(count);
  if (waits) stacks.provide(count);
  cuda_on_cpu_place.block_size = launch.block;
  cuda_on_cpu_place.grid = launch.grid;
  size_t blocks = volume(launch.grid);
  for (size_t n = 0; n < blocks && !failed; n++) {
    cuda_on_cpu_place.block = position(backwards ? blocks - 1 - n : n, launch.grid);
    run_block();
  }
  return failed ? message.c_str() : nullptr;
}
}
