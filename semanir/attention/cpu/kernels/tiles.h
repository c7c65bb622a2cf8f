// Attention of a group of L queries at a time over all keys that any of them has: products in blocks
// that keep the multipliers busy, with weight 0 where a query does not have a key. Lanes are queries.
// AVX-512 alone has the registers and masks for it. N tokens, D head width, U keys of a group, NV
// vectors of L floats hold D.
#pragma once

#include "attend.h"
#include "product.h"

namespace semanir {

#if defined(__AVX512F__)
constexpr bool HAS_TILES = true;
#else
constexpr bool HAS_TILES = false;
#endif

constexpr int64_t BLOCK_KEYS = 8;  // keys of a block

// Where that costs less than keys looked up one by one: where a query has half of them.
inline bool tiles_pay(int64_t tokens, int64_t most, const Codes& codes, bool biased) {
  const bool whole = tokens % L == 0 && (!biased || codes.width % L == 0);
  return HAS_TILES && whole && tokens > 64 && tokens <= 4096 && most * 2 >= tokens;
}

// The keys that any of L queries has, in ascending order.
struct Group {
  int64_t count;           // a multiple of BLOCK_KEYS: filled up with the key N, which no query has
  const int32_t* entries;  // a key and, from bit 16 on, the queries that have it
  int64_t key(int64_t at) const { return entries[at] & 0xffff; }
};

struct Groups {  // of a window
  int32_t* lists;  // [N/L,step], the number of entries first
  int64_t step;
  static int64_t length(int64_t tokens) { return tokens + 2 * BLOCK_KEYS; }
  Group of(int64_t query) const {
    const int32_t* list = lists + query / L * step;
    return {list[0], list + 1};
  }

  // Lists the keys of all groups. having: room for N numbers.
  void fill(const Keys& keys, uint16_t* having) const {
    for (int64_t group = 0; group < keys.tokens / L; ++group) {
      std::fill_n(having, keys.tokens, uint16_t{0});
      for (int r = 0; r < L; ++r) {
        const int32_t* row = keys.indices + (group * L + r) * keys.most;
        const int count = keys.count(group * L + r);
        for (int t = 0; t < count; ++t)
          having[std::min<uint32_t>(row[t], keys.tokens - 1)] |= static_cast<uint16_t>(1u << r);
      }
      int32_t *list = lists + group * step, *to = list + 1;
      for (int64_t key = 0; key < keys.tokens; ++key) {
        *to = static_cast<int32_t>(static_cast<uint32_t>(having[key]) << 16 | key);
        to += having[key] != 0;
      }
      while ((to - list - 1) % BLOCK_KEYS) *to++ = static_cast<int32_t>(keys.tokens);
      list[0] = static_cast<int32_t>(to - list - 1);
    }
  }
};

#if defined(__AVX512F__)

inline M queries(const Group& group, int64_t at) {
  return static_cast<M>(static_cast<uint32_t>(group.entries[at]) >> 16);
}

inline int64_t in_fours(int64_t width) { return (width + 3) / 4 * 4; }

// f(place, products of rows [N+1,step] with columns [D,L]) for the keys of a group
template <class Function>
inline void group_products(const float* rows, int64_t step, const float* columns, int64_t width,
                           const Group& group, Function f) {
  for (int64_t at = 0; at < group.count; at += BLOCK_KEYS) {
    const float* row[BLOCK_KEYS];
    F sum[BLOCK_KEYS];
#pragma GCC unroll 8
    for (int m = 0; m < BLOCK_KEYS; ++m) row[m] = rows + group.key(at + m) * step, sum[m] = set(0.f);
    for (int64_t c = 0; c < width; ++c) {
      const F column = load(columns + c * L);
#pragma GCC unroll 8
      for (int m = 0; m < BLOCK_KEYS; ++m) sum[m] = fma(set(row[m][c]), column, sum[m]);
    }
#pragma GCC unroll 8
    for (int m = 0; m < BLOCK_KEYS; ++m) f(at + m, sum[m]);
  }
}

// to [C,L] = sum over the keys of a group of C channels of rows times factors [U,L]
template <int C>
void gather_group(const float* rows, int64_t step, const float* factors, const Group& group, float* to) {
  F sum[C];
  for (F& x : sum) x = set(0.f);
  for (int64_t at = 0; at < group.count; ++at) {
    const F factor = load(factors + at * L);
    const float* row = rows + group.key(at) * step;
#pragma GCC unroll 24
    for (int c = 0; c < C; ++c) sum[c] = fma(set(row[c]), factor, sum[c]);
  }
  for (int c = 0; c < C; ++c) store(to + c * L, sum[c]);
}

// The same for all channels, as many at a time as the registers hold.
inline void gather_group(const float* rows, int64_t step, const float* factors, const Group& group,
                         int64_t channels, float* to) {
  for (int64_t c = 0; c < channels;) {
    const int64_t left = in_fours(channels - c), some = left == 32 ? 16 : std::min<int64_t>(left, 24);
    const auto block = some == 24   ? gather_group<24>
                       : some == 20 ? gather_group<20>
                       : some == 16 ? gather_group<16>
                       : some == 12 ? gather_group<12>
                       : some == 8  ? gather_group<8>
                                    : gather_group<4>;
    block(rows + c, step, factors, group, to + c * L);
    c += some;
  }
}

// the rows [N+1,NV*L] of the keys of a group += factors [U,L] times rows [L,NV*L]
template <int NV>
void spread_group(float* rows, const float* factors, const float* from, const Group& group) {
  constexpr int R = NV == 4 ? 4 : 8;
  for (int64_t at = 0; at < group.count; at += R) {
    F sum[R][NV];
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < NV; ++n) sum[r][n] = load(rows + (group.key(at + r) * NV + n) * L);
    multiply<R, NV>(factors + at * L, L, 1, from, NV * L, L, sum);
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < NV; ++n) store(rows + (group.key(at + r) * NV + n) * L, sum[r][n]);
  }
}

// rows [L,NV*L] -> columns [NV*L,L]
template <int NV>
void to_columns(const float* rows, float* columns) {
  for (int n = 0; n < NV; ++n) {
    F x[L];
    for (int r = 0; r < L; ++r) x[r] = load(rows + (r * NV + n) * L);
    transpose(x);
    for (int r = 0; r < L; ++r) store(columns + (n * L + r) * L, x[r]);
  }
}

// columns [NV*L,L] times a factor for each query -> rows from `query` on
template <int NV>
void write_columns(const float* columns, F factor, int width, Rows to, int64_t query) {
  for (int n = 0; n < NV; ++n) {
    F x[L];
    for (int c = 0; c < L; ++c) x[c] = mul(load(columns + (n * L + c) * L), factor);
    transpose(x);
    for (int r = 0; r < L; ++r) store_left(to[query + r] + n * L, x[r], width - n * L);
  }
}

// Keys and values of a head, and room for what a group needs.
template <int NV>
struct Tiles {
  int64_t step;  // floats from one key to the next
  float *keys, *values;  // [N+1,step], zeros for the key N
  float *queries, *columns, *mixed;  // [L,NV*L], [NV*L,L], [NV*L,L]
  float* weights;  // [U,L]
  int32_t* codes;  // [N+1]
  float* rest;

  static int64_t packed(int64_t tokens, int width) {
    return padded((tokens + 1) * in_fours(width)) + NV * L;
  }
  static int64_t size(int64_t tokens, int width) {
    return 2 * packed(tokens, width) + 3 * NV * L * L + (tokens + BLOCK_KEYS) * L + tokens + L;
  }
  Tiles(Rows k, Rows v, int64_t tokens, int width, const Codes& code, float* scratch)
      : step(in_fours(width)) {
    const int64_t room = packed(tokens, width), square = NV * L * L;
    queries = scratch, columns = queries + square, mixed = columns + square;
    weights = mixed + square;
    codes = reinterpret_cast<int32_t*>(weights + (tokens + BLOCK_KEYS) * L);
    keys = reinterpret_cast<float*>(codes + tokens + L), values = keys + room;
    rest = values + room;
    pack<NV>(k, tokens, width, 1.f, keys, step);
    pack<NV>(v, tokens, width, 1.f, values, step);
    std::fill_n(keys + tokens * step, NV * L, 0.f);
    std::fill_n(values + tokens * step, NV * L, 0.f);
    for (int64_t key = 0; key <= tokens; ++key)
      codes[key] = static_cast<int32_t>(key + key / code.width * (code.width - 1));
  }
  // rows of L queries, times `scale`, and their columns
  void take(Rows from, int64_t query, int width, float scale, float* rows, float* to) const {
    for (int r = 0; r < L; ++r) {
      F x[NV];
      read<NV>(from[query + r], width, scale, x);
      for (int n = 0; n < NV; ++n) store(rows + (r * NV + n) * L, x[n]);
    }
    to_columns<NV>(rows, to);
  }
};

// One head of one window: queries [from, to), as `forward`.
template <int NV>
void forward_tiles(Rows q, Rows k, Rows v, Rows out, float* lse, const Groups& groups, int64_t tokens,
                   const float* biases, const Codes& codes, int width, int64_t from, int64_t to,
                   float* scratch) {
  const Tiles<NV> at(k, v, tokens, width, codes, scratch);
  const float scale = LOG2E / std::sqrt(static_cast<float>(width));
  for (int64_t i = from; i < to; i += L) {
    const Group group = groups.of(i);
    at.take(q, i, width, scale, at.queries, at.columns);
    const float* bias = biases ? biases + codes.start(i + L - 1) : nullptr;
    F highest = set(-INF), total = set(0.f);
    group_products(at.keys, at.step, at.columns, width, group, [&](int64_t place, F score) {
      if (bias) score = add(score, reversed(load(bias + at.codes[group.key(place)])));
      score = choose(queries(group, place), score, set(-INF));
      store(at.weights + place * L, score);
      highest = max(highest, score);
    });
    uint32_t any = 0;
    for (int64_t place = 0; place < group.count; ++place) {
      const F weight = exp2(sub(load(at.weights + place * L), highest));
      const F kept = choose(queries(group, place), weight, set(0.f));
      store(at.weights + place * L, kept);
      total = add(total, kept);
      any |= queries(group, place);
    }
    gather_group(at.values, at.step, at.weights, group, width, at.mixed);
    const M some = static_cast<M>(any);
    write_columns<NV>(at.mixed, choose(some, div(set(1.f), total), set(0.f)), width, out, i);
    float sums_of_weights[L];
    store(sums_of_weights, total);
    for (float& x : sums_of_weights) x = std::log2(x);
    store(lse + i, choose(some, add(highest, load(sums_of_weights)), set(INF)));
  }
}

// Slopes of the biases by distance in rows, column of the key and column of the query, [2h,w,w]: whole
// vectors that never overlap, as those of the table do.
inline int64_t slopes_size(int64_t tokens, const Codes& codes) {
  return 2 * tokens * codes.width;
}

template <int NV>
int64_t backward_tiles_scratch(int64_t tokens, int width, const Codes& codes, bool biased) {
  return Tiles<NV>::size(tokens, width) + 2 * NV * L * L + (tokens + BLOCK_KEYS) * L +
         2 * (tokens + 1) * NV * L + (biased ? slopes_size(tokens, codes) : 0);
}

// to [T], reversed, += slopes
inline void add_slopes(const float* slopes, int64_t tokens, const Codes& codes, float* to) {
  const int64_t w = codes.width, h = tokens / w;
  for (int64_t row = 0; row < 2 * h - 1; ++row, to += 2 * w - 1)
    for (int64_t x = 0; x < w; ++x)
      for (int64_t from = 0; from < w; ++from) to[w - 1 + x - from] += slopes[(row * w + x) * w + from];
}

// One head of one window, as `backward`.
template <int NV>
void backward_tiles(Rows q, Rows k, Rows v, Rows out, Rows grad, const float* lse,
                    const Groups& groups, int64_t tokens, const float* biases, const Codes& codes,
                    int width, const Gradients& to, float* scratch) {
  constexpr int64_t W = NV * L;
  const Tiles<NV> at(k, v, tokens, width, codes, scratch);
  float *given = at.rest, *columns = given + W * L, *changes = columns + W * L;
  float *grad_k = changes + (tokens + BLOCK_KEYS) * L, *grad_v = grad_k + (tokens + 1) * W;
  float* slopes = grad_v + (tokens + 1) * W;
  std::fill_n(grad_k, 2 * (tokens + 1) * W + (biases ? slopes_size(tokens, codes) : 0), 0.f);
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  for (int64_t i = 0; i < tokens; i += L) {
    const Group group = groups.of(i);
    // as in the forward pass, so that the weights of a query add up to 1 again
    at.take(q, i, width, LOG2E / std::sqrt(static_cast<float>(width)), at.queries, at.columns);
    at.take(grad, i, width, 1.f, given, columns);
    F products[L];
    for (int r = 0; r < L; ++r) {
      products[r] = set(0.f);
      for (int n = 0; n < NV; ++n)
        products[r] = fma(load(given + (r * NV + n) * L),
                          load_left(out[i + r] + n * L, width - n * L), products[r]);
    }
    const F deltas = sums(products), lse_row = load(lse + i);

    const float* bias = biases ? biases + codes.start(i + L - 1) : nullptr;
    group_products(at.keys, at.step, at.columns, width, group, [&](int64_t place, F score) {
      if (bias) score = add(score, reversed(load(bias + at.codes[group.key(place)])));
      store(at.weights + place * L, choose(queries(group, place), exp2(sub(score, lse_row)), set(0.f)));
    });
    // of the key in the first row and column
    float* slope = slopes + (tokens / codes.width - 1 - i / codes.width) * codes.width * codes.width +
                   i % codes.width;
    group_products(at.values, at.step, columns, width, group, [&](int64_t place, F sum) {
      const F weight = load(at.weights + place * L);
      const F change = choose(queries(group, place), mul(weight, sub(sum, deltas)), set(0.f));
      store(changes + place * L, change);
      if (!bias) return;
      float* sums_of_changes = slope + group.key(place) * codes.width;
      store(sums_of_changes, add(load(sums_of_changes), change));
    });
    gather_group(at.keys, at.step, changes, group, width, at.mixed);
    write_columns<NV>(at.mixed, set(scale), width, to.q, i);
    spread_group<NV>(grad_k, changes, at.queries, group);
    spread_group<NV>(grad_v, at.weights, given, group);
  }
  write_sums<NV>(grad_k, grad_v, tokens, width, to);
  if (biases) add_slopes(slopes, tokens, codes, to.biases);
}

#endif

}  // namespace semanir
