// Stacks among which one thread of the system switches.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__x86_64__)
// Keeps what a function must preserve on the stack that is left, and where that stack ends.
extern "C" void cuda_on_cpu_switch(void** left, void* entered);
asm(R"(
.text
.type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size cuda_on_cpu_switch, .-cuda_on_cpu_switch
)");

struct Fiber {
  void* top = nullptr;

  // Starts at `function`, which never returns, when it is first entered.
  void prepare(char* stack, size_t size, void (*function)()) {
    void** place = reinterpret_cast<void**>(stack + size);
    *--place = nullptr;
    *--place = reinterpret_cast<void*>(function);
    for (int registers = 0; registers < 6; registers++) *--place = nullptr;
    top = place;
  }
  void enter(Fiber& from) { cuda_on_cpu_switch(&from.top, top); }
};
#else
#include <ucontext.h>

struct Fiber {
  ucontext_t context;

  void prepare(char* stack, size_t size, void (*function)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, function, 0);
  }
  void enter(Fiber& from) { swapcontext(&from.context, &context); }
};
#endif

// Memory for many stacks, of which the system provides only what is touched.
class Stacks {
 public:
  static constexpr size_t SIZE = 256 << 10;

  char* at(unsigned i) { return memory_ + i * SIZE; }

  // Tops at different offsets: equal ones would compete for the same lines of the cache.
  static size_t size(unsigned i) { return SIZE - i % 61 * 64; }

  void provide(unsigned count) {
    if (count <= count_) return;
    if (memory_) munmap(memory_, count_ * SIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* made = mmap(nullptr, count * SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(made);
    count_ = count;
  }

 private:
  char* memory_ = nullptr;
  unsigned count_ = 0;
};
