#include "common.cuh"
// One thread is busy for so many cycles, and what comes after it waits.

KERNEL wait(long cycles) {
  long start = clock64();
  while (clock64() - start < cycles) {
  }
}
