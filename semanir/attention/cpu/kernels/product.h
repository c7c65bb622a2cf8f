// Dot products of a few rows with all columns of a matrix, in blocks that keep the multipliers busy.
// Each is summed channel by channel: where rows and columns are identical, so are their products,
// which tiled libraries do not promise. N columns of C channels, G groups of L columns.
#pragma once

#include <algorithm>

#include "simd.h"

namespace semanir {

using namespace simd;

inline int64_t padded(int64_t size) { return (size + L - 1) / L * L; }

inline int64_t whole_groups(int64_t columns) { return (columns + 2 * L - 1) / (2 * L) * 2; }

// Two groups of columns lie together, channel after channel: panels [G/2,C,2L], zeros at first.
inline float* column(float* panels, int64_t index, int64_t channels) {
  return panels + index / (2 * L) * (2 * L) * channels + index % (2 * L);
}

// rows [R,stride] and panels -> to [R,step], of which G*L are written
template <int R>
void products(const float* rows, int64_t stride, const float* panels, int64_t channels,
              int64_t groups, float* to, int64_t step) {
  for (int64_t g = 0; g < groups; g += 2) {
    const float* panel = panels + g * L * channels;
    F score[R][2];
    for (auto& pair : score) pair[0] = pair[1] = set(0.f);
    for (int64_t c = 0; c < channels; ++c, panel += 2 * L) {
      const F left = load(panel), right = load(panel + L);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const F channel = set(rows[r * stride + c]);
        score[r][0] = fma(channel, left, score[r][0]);
        score[r][1] = fma(channel, right, score[r][1]);
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      store(to + r * step + g * L, score[r][0]);
      store(to + r * step + g * L + L, score[r][1]);
    }
  }
}

// sum[r][g] += products of R rows and G vectors of columns over `depth` steps.
// rows: entry (r, step) at r * row + step * along. columns: vector (g, step) at g * L + step * stride.
template <int R, int G>
inline void multiply(const float* rows, int64_t row, int64_t along, const float* columns,
                     int64_t stride, int64_t depth, F (&sum)[R][G]) {
  for (int64_t step = 0; step < depth; ++step, rows += along, columns += stride) {
    F column[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) column[g] = load(columns + g * L);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const F value = set(rows[r * row]);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) sum[r][g] = fma(value, column[g], sum[r][g]);
    }
  }
}

}  // namespace semanir
