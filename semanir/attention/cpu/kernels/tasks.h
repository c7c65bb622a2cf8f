// Tasks on torch's threads.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

namespace semanir {

// f(task, scratch) for every task on torch's threads, each with its own `size` floats of scratch
// memory, which come from torch's allocator so that its profiler counts them.
template <class Function>
void for_each(int64_t tasks, int64_t size, Function f) {
  const int64_t step = (size + 15) / 16 * 16;
  const int64_t parts = std::min<int64_t>(at::get_num_threads(), tasks);
  const at::Tensor scratch = at::empty({parts * step}, at::kFloat);
  float* memory = scratch.data_ptr<float>();
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) f(task, memory + at::get_thread_num() * step);
  });
}

}  // namespace semanir
