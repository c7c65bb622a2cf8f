// Where a query has a large part of the keys: scores of all keys in blocks that keep the multipliers
// busy, of which its own are picked out, weighted and put back among zeros. AVX-512 alone has what
// picks and puts back. N tokens, D head width, G groups of L keys, NV vectors of L floats hold D.
#pragma once

#include "attend.h"
#include "product.h"

namespace semanir {

#if defined(__AVX512F__)
constexpr bool HAS_DENSE = true;
#else
constexpr bool HAS_DENSE = false;
#endif

constexpr int TOGETHER = 8;  // queries of a block

// Where all scores of all keys cost less than those of the dictionary's keys one by one.
inline bool dense_pays(int64_t tokens, int64_t most) {
  return HAS_DENSE && tokens > 64 && most * 3 >= tokens;
}

// Bit j of word g: whether a query has the key g * L + j. words [G]
inline void set_bits(const Keys& keys, int64_t query, uint16_t* words) {
  std::fill(words, words + whole_groups(keys.tokens), uint16_t{0});
  const int32_t* row = keys.indices + query * keys.most;
  for (int t = 0; t < keys.count(query); ++t) {
    const auto key = std::min(static_cast<uint32_t>(row[t]), static_cast<uint32_t>(keys.tokens - 1));
    words[key / 16] |= static_cast<uint16_t>(1u << key % 16);
  }
}

template <int NV>
int64_t dense_scratch(int64_t tokens, int width) {
  return (whole_groups(tokens) * L + L) * (width + NV * L + TOGETHER + 1);
}

#if defined(__AVX512F__)

// One head of one window: queries [from, to), as `forward`. words [N,G].
template <int NV>
void forward_dense(Rows q, Rows k, Rows v, Rows out, float* lse, const uint16_t* words,
                   int64_t tokens, const float* biases, const Codes& codes, int width, int64_t from,
                   int64_t to, float* scratch) {
  const int64_t groups = whole_groups(tokens), padded = groups * L;
  float* panels = scratch;  // [G/2,D,2L], keys along the vectors
  float* values = panels + padded * width;  // [N,NV*L]
  float* weights = values + padded * NV * L;  // [TOGETHER,N], scores at first
  const int64_t step = padded + L;  // of its rows, which would share cache sets at N = 1024
  float* picked = weights + TOGETHER * step;  // [N+L]
  std::fill(panels, weights, 0.f);
  for (int64_t token = 0; token < tokens; ++token) {
    k.prefetch<NV>(std::min(token + 16, tokens - 1));
    v.prefetch<NV>(std::min(token + 16, tokens - 1));
    float* channel = column(panels, token, width);
    for (int c = 0; c < width; ++c) channel[c * 2 * L] = k[token][c];
    for (int n = 0; n < NV; ++n)
      store(values + (token * NV + n) * L, load(v[token] + n * L, first(width - n * L)));
  }
  const float scale = LOG2E / std::sqrt(static_cast<float>(width));

  for (int64_t i = from; i < to; i += TOGETHER) {
    alignas(64) float queries[TOGETHER][NV * L];
    float shares[TOGETHER];
    for (int r = 0; r < TOGETHER; ++r) {
      F query[NV];
      read<NV>(q[std::min(i + r, to - 1)], width, scale, query);
      for (int n = 0; n < NV; ++n) store(queries[r] + n * L, query[n]);
    }
    products<TOGETHER>(queries[0], NV * L, panels, width, groups, weights, step);

    for (int r = 0; r < TOGETHER; ++r) {
      const int64_t query = std::min(i + r, to - 1);
      float* row = weights + r * step;
      if (biases) {
        const float* bias = biases + codes.start(query);
        for (int64_t y = 0; y < tokens / codes.width; ++y, bias += 2 * codes.width - 1)
          for (int64_t x = 0; x < codes.width; x += L) {
            const M here = first(static_cast<int>(std::min<int64_t>(L, codes.width - x)));
            float* at = row + y * codes.width + x;
            store(at, add(load(at, here), load(bias + x, here)), here);
          }
      }
      const uint16_t* word = words + query * groups;
      int count = 0;
      for (int64_t g = 0; g < groups; ++g) {
        store(picked + count, _mm512_maskz_compress_ps(word[g], load(row + g * L)));
        count += __builtin_popcount(word[g]);
      }
      store(picked + count, set(-INF));
      F highest = set(-INF), total = set(0.f);
      for (int t = 0; t < count; t += L) highest = max(highest, load(picked + t));
      const F most = set(largest(highest));
      for (int t = 0; t < count; t += L) {
        F weight = exp2(sub(load(picked + t), most));
        if (count - t < L) weight = choose(first(count - t), weight, set(0.f));
        store(picked + t, weight);
        total = add(total, weight);
      }
      const float* next = picked;
      for (int64_t g = 0; g < groups; ++g) {
        store(row + g * L, _mm512_maskz_expand_ps(word[g], load(next)));
        next += __builtin_popcount(word[g]);
      }
      const float sum_of_weights = sum(total);
      shares[r] = count ? 1 / sum_of_weights : 0.f;
      lse[query] = count ? largest(highest) + std::log2(sum_of_weights) : INF;
    }

    F mixed[TOGETHER][NV];
    for (auto& part : mixed)
      for (auto& x : part) x = set(0.f);
    for (int64_t j = 0; j < tokens; ++j) {
      F value[NV];
      for (int n = 0; n < NV; ++n) value[n] = load(values + (j * NV + n) * L);
#pragma GCC unroll 8
      for (int r = 0; r < TOGETHER; ++r) {
        const F weight = set(weights[r * step + j]);
        for (int n = 0; n < NV; ++n) mixed[r][n] = fma(weight, value[n], mixed[r][n]);
      }
    }
    for (int64_t r = 0; r < std::min<int64_t>(TOGETHER, to - i); ++r)
      write<NV>(out[i + r], width, shares[r], mixed[r]);
  }
}

#endif

}  // namespace semanir
