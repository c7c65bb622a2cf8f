// A linear layer with what stands before it (a LayerNorm, GELU or ReLU) and the residual behind it, forward
// and backward, for blocks of rows that stay in the cache. Weights are copied once to panels.
// M rows, K inputs, O outputs; a row of scratch memory is padded with zeros to whole vectors.
#pragma once

#include <algorithm>

#include "attend.h"
#include "product.h"
#include "simd.h"

namespace semanir {

using namespace simd;

constexpr int TILE = L == 16 ? 8 : 4;  // rows of a tile, of up to three vectors: the registers
constexpr int64_t BLOCK = 48;          // rows of a block

// f(integral_constant<G>, first column) for panels of up to three vectors that hold `columns`
template <class Function>
void for_panels(int64_t columns, Function f) {
  int64_t left = padded(columns) / L;
  for (int64_t at = 0; left > 0;) {
    const int64_t width = left == 4 ? 2 : std::min<int64_t>(left, 3);
    if (width == 3) f(std::integral_constant<int, 3>{}, at);
    if (width == 2) f(std::integral_constant<int, 2>{}, at);
    if (width == 1) f(std::integral_constant<int, 1>{}, at);
    at += width * L, left -= width;
  }
}

// A matrix of `columns` times `depth`, entry (j, step) at j * column + step * along, as panels.
inline void to_panels(const float* from, int64_t columns, int64_t column, int64_t along,
                      int64_t depth, float* to) {
  for_panels(columns, [&](auto vectors, int64_t at) {
    constexpr int64_t W = decltype(vectors)::value * L;
    const int64_t real = std::min(W, columns - at);
    for (int64_t step = 0; step < depth; ++step)
      for (int64_t j = 0; j < W; ++j)
        to[at * depth + step * W + j] = j < real ? from[(at + j) * column + step * along] : 0.f;
  });
}

// rows [BLOCK,stride] times panels: f(row, column, F) for each vector of the result
template <class Function>
void with_products(const float* rows, int64_t stride, int64_t count, const float* panels,
                   int64_t columns, int64_t depth, Function f) {
  for_panels(columns, [&](auto vectors, int64_t at) {
    constexpr int G = decltype(vectors)::value;
    for (int64_t row = 0; row < count; row += TILE) {
      F sum[TILE][G];
      for (auto& part : sum)
        for (auto& x : part) x = set(0.f);
      multiply<TILE, G>(rows + row * stride, stride, 1, panels + at * depth, G * L, depth, sum);
      for (int r = 0; r < TILE && row + r < count; ++r)
        for (int g = 0; g < G; ++g) f(row + r, at + g * L, sum[r][g]);
    }
  });
}

// to [O,padded K] += sum over rows of left [BLOCK,O] times right [BLOCK,padded K]
template <int R>
void add_outer(const float* left, int64_t outputs, const float* right, int64_t inputs, float* to) {
  const int64_t stride = padded(inputs);
  for_panels(inputs, [&](auto vectors, int64_t at) {
    constexpr int G = decltype(vectors)::value;
    int64_t from = 0;
    for (; from + R <= outputs; from += R) {
      F sum[R][G];
      float* out = to + from * stride + at;
      for (int r = 0; r < R; ++r)
        for (int g = 0; g < G; ++g) sum[r][g] = load(out + r * stride + g * L);
      multiply<R, G>(left + from, 1, outputs, right + at, stride, BLOCK, sum);
      for (int r = 0; r < R; ++r)
        for (int g = 0; g < G; ++g) store(out + r * stride + g * L, sum[r][g]);
    }
    for (; from < outputs; ++from) {
      F sum[1][G];
      float* out = to + from * stride + at;
      for (int g = 0; g < G; ++g) sum[0][g] = load(out + g * L);
      multiply<1, G>(left + from, 1, outputs, right + at, stride, BLOCK, sum);
      for (int g = 0; g < G; ++g) store(out + g * L, sum[0][g]);
    }
  });
}

// Asks for rows that the next block reads, while this one is computed.
inline void prefetch(const float* from, int64_t row, int64_t rows, int64_t width) {
  const float *at = from + row * width, *end = from + std::min(row + BLOCK, rows) * width;
  for (; at < end; at += 16) __builtin_prefetch(at, 0, 2);
}

// What stands before the layer.
enum class Before { nothing, norm, gelu, relu };

struct Norm {  // [K] each, padded
  const float *gain, *shift;
  float epsilon;
};

// x -> the normalised row, without gain and shift; returns 1 / deviation
inline float normalise(const float* x, int64_t size, float epsilon, float* to) {
  F total = set(0.f);
  for (int64_t c = 0; c < size; c += L) total = add(total, load_left(x + c, size - c));
  const F mean = set(sum(total) / static_cast<float>(size));
  total = set(0.f);
  for (int64_t c = 0; c < size; c += L) {
    const F centred = choose_left(size - c, sub(load_left(x + c, size - c), mean), set(0.f));
    store(to + c, centred);
    total = fma(centred, centred, total);
  }
  const float scale = 1 / std::sqrt(sum(total) / static_cast<float>(size) + epsilon);
  for (int64_t c = 0; c < size; c += L) store(to + c, mul(load(to + c), set(scale)));
  return scale;
}

// erfc(x) exp(x^2) for x >= 0 as a polynomial in 1 / (1 + x / 2.5) without its constant, which is 0;
// fitted with a relative error of 7e-9
constexpr float TAIL[] = {-2.921620384e-02f, 1.404522359e-01f, -2.355391681e-01f, 1.375757158e-01f,
                          -4.690557718e-02f, 8.392110467e-02f, 1.190070063e-01f,  1.717394888e-01f,
                          2.076137066e-01f,  2.256758660e-01f, 2.256758362e-01f};

// GELU x P(X < x) of a standard normal X, and its slope
inline void gelu(F x, F* value, F* slope) {
  const F opposite = sub(set(0.f), x), size = max(x, opposite);
  const F fall = exp2(mul(mul(x, opposite), set(0.5f * LOG2E)));
  const F t = div(set(1.f), fma(size, set(0.70710678118654752f / 2.5f), set(1.f)));
  F tail = set(TAIL[0]);
#pragma GCC unroll 16
  for (int i = 1; i < 11; ++i) tail = fma(tail, t, set(TAIL[i]));
  tail = mul(mul(tail, t), mul(fall, set(0.5f)));
  const F below = choose_negative(x, tail, sub(set(1.f), tail));
  *value = mul(x, below);
  *slope = fma(mul(x, fall), set(0.39894228040143268f), below);
}

struct Linear {
  int64_t inputs, outputs;
  Before before;
  Norm norm;
  const float *x, *panels;  // [M,K]; the weight's, of outputs forward and of inputs backward

  int64_t width() const { return padded(inputs); }
  int64_t scratch() const { return BLOCK * (3 * width() + outputs + 1); }

  // What the weight multiplies, [BLOCK,width], zeros beyond `count` rows. more: the normalised rows
  // and their scales [BLOCK], or, with SLOPES, the slopes of the GELU or ReLU.
  template <bool SLOPES>
  void prepare(int64_t from, int64_t count, float* ready, float* more, float* scales) const {
    for (int64_t row = 0; row < count; ++row, ready += width(), more += width()) {
      const float* in = x + (from + row) * inputs;
      if (before == Before::norm) scales[row] = normalise(in, inputs, norm.epsilon, more);
      for (int64_t c = 0; c < inputs; c += L) {
        F value = load_left(in + c, inputs - c), slope;
        if (before == Before::norm)
          value = fma(load(more + c), load(norm.gain + c), load(norm.shift + c));
        if (before == Before::gelu) {
          gelu(value, &value, &slope);
          if (SLOPES) store(more + c, slope);
        }
        if (before == Before::relu) {
          if (SLOPES) store(more + c, choose_negative(sub(set(0.f), value), set(1.f), set(0.f)));
          value = max(set(0.f), value);
        }
        store(ready + c, value);
      }
    }
    std::fill(ready, ready + (BLOCK - count) * width(), 0.f);
  }

  // rows [from, to) of out [M,O] = what stands before, times the weight, + bias + residual [M,O];
  // bias [padded O]
  void forward(int64_t from, int64_t to, const float* bias, const float* residual, float* out,
               float* scratch) const {
    float *ready = scratch, *more = ready + BLOCK * width(), *scales = more + BLOCK * width();
    for (; from < to; from += BLOCK) {
      const int64_t count = std::min(BLOCK, to - from);
      prepare<false>(from, count, ready, more, scales);
      prefetch(x, from + BLOCK, to, inputs);
      if (residual) prefetch(residual, from + BLOCK, to, outputs);
      with_products(ready, width(), count, panels, outputs, inputs, [&](int64_t row, int64_t at, F sum) {
        const int64_t place = (from + row) * outputs + at, left = outputs - at;
        sum = add(sum, load(bias + at));
        if (residual) sum = add(sum, load_left(residual + place, left));
        store_left(out + place, sum, left);
      });
    }
  }

  // Sums of gradients over rows, each padded to whole vectors.
  struct Sums {
    float *weight, *bias, *gain, *shift;  // [O,width], [O], [K], [K]
    static int64_t size(const Linear& of) {
      return of.outputs * of.width() + padded(of.outputs) + 2 * of.width();
    }
    Sums(const Linear& of, float* memory)
        : weight(memory),
          bias(weight + of.outputs * of.width()),
          gain(bias + padded(of.outputs)),
          shift(gain + of.width()) {}
  };

  // rows [from, to) of grad [M,O] -> those of grad_x [M,K]; the others are added to `sums`
  void backward(int64_t from, int64_t to, const float* grad, float* grad_x, const Sums& sums,
                float* scratch) const {
    float *ready = scratch, *more = ready + BLOCK * width(), *change = more + BLOCK * width();
    float *copied = change + BLOCK * width(), *scales = copied + BLOCK * outputs;
    for (; from < to; from += BLOCK) {
      const int64_t count = std::min(BLOCK, to - from);
      const float* given = grad + from * outputs;
      if (count < BLOCK) {
        std::copy(given, given + count * outputs, copied);
        std::fill(copied + count * outputs, copied + BLOCK * outputs, 0.f);
        given = copied;
      }
      prepare<true>(from, count, ready, more, scales);
      prefetch(x, from + BLOCK, to, inputs);
      prefetch(grad, from + BLOCK, to, outputs);
      with_products(given, outputs, count, panels, inputs, outputs, [&](int64_t row, int64_t at, F sum) {
        store(change + row * width() + at, sum);
      });
      for (int64_t row = 0; row < count; ++row) {
        const float *in = change + row * width(), *other = more + row * width();
        float* out = grad_x + (from + row) * inputs;
        before_backward(in, other, scales[row], out, sums);
      }
      add_outer<TILE>(given, outputs, ready, inputs, sums.weight);
      for (int64_t at = 0; at < outputs; at += L) {
        F total = set(0.f);
        for (int64_t row = 0; row < count; ++row)
          total = add(total, load_left(given + row * outputs + at, outputs - at));
        store(sums.bias + at, add(load(sums.bias + at), total));
      }
    }
  }

  // change [width] of what the weight multiplied -> out [K]
  void before_backward(const float* change, const float* more, float scale, float* out,
                       const Sums& sums) const {
    F mean = set(0.f), along = set(0.f);
    if (before == Before::norm) {
      for (int64_t c = 0; c < inputs; c += L) {
        const F step = load(change + c), normed = load(more + c);
        store(sums.gain + c, fma(step, normed, load(sums.gain + c)));
        store(sums.shift + c, add(step, load(sums.shift + c)));
        const F inner = mul(step, load(norm.gain + c));
        mean = add(mean, inner);
        along = fma(inner, normed, along);
      }
      mean = set(-sum(mean) / static_cast<float>(inputs));
      along = set(-sum(along) / static_cast<float>(inputs));
    }
    for (int64_t c = 0; c < inputs; c += L) {
      F step = load(change + c);
      if (before == Before::gelu || before == Before::relu) step = mul(step, load(more + c));
      if (before == Before::norm) {
        step = fma(step, load(norm.gain + c), fma(load(more + c), along, mean));
        step = mul(step, set(scale));
      }
      store_left(out + c, step, inputs - c);
    }
  }
};

}  // namespace semanir
