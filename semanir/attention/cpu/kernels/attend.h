// Attention of each query over the keys of its dictionary row, forward and backward, for one head of
// one window. Rows are copied once to rows of NV vectors that stay in the cache.
// N tokens, K keys per query, D head width, T bias table entries, NV vectors of L floats hold D.
#pragma once

#include <algorithm>

#include "product.h"
#include "simd.h"

namespace semanir {

using namespace simd;

constexpr float LOG2E = 1.44269504088896340736f;
constexpr float LN2 = 0.69314718055994530942f;

// [N,D] of a strided tensor; the last dimension is contiguous.
struct Rows {
  float* data;
  int64_t stride;
  float* operator[](int64_t token) const { return data + token * stride; }
  template <int NV>
  void prefetch(int64_t token) const {
    for (int n = 0; n < NV; ++n) __builtin_prefetch((*this)[token] + n * L);
  }
};

// Where the bias of query i and key j stands in the reversed table of a window of rows of w tokens:
// code[N-1] - code[i] + code[j], with code[j] = j + (j / w) * (w - 1). Floats are exact here.
struct Codes {
  int64_t width;
  int64_t last;  // code[N-1]
  Codes(int64_t height, int64_t w) : width(w), last((height - 1) * (2 * w - 1) + w - 1) {}
  I of(I tokens) const {
    const F token = to_float(tokens), w = set(static_cast<float>(width));
    const F row = floor(mul(add(token, set(0.5f)), set(1 / static_cast<float>(width))));
    return to_int(fma(row, sub(w, set(1.f)), token));
  }
  int64_t start(int64_t query) const { return last - query - query / width * (width - 1); }
};

struct Keys {  // the dictionary of one window
  const int32_t* indices;  // [N,K]
  const int32_t* counts;   // [N]
  int64_t tokens;
  int64_t most;  // K

  int count(int64_t query) const {
    return static_cast<int>(std::min<int64_t>(std::max(counts[query], 0), most));
  }

  // The keys of a query, clamped so that nothing outside is ever read: where they lie among rows of
  // `size` floats, and their codes; up to the next whole vector those of token 0. Returns their number.
  int list(int64_t query, const Codes& codes, int size, int32_t* places, int32_t* to) const {
    const int32_t* row = indices + query * most;
    const int count = this->count(query);
    for (int at = 0; at < count; at += L) {
      I keys = count - at >= L ? load(row + at) : load(row + at, first(count - at));
      keys = min_unsigned(keys, set(static_cast<int32_t>(tokens - 1)));
      store(places + at, mul(keys, set(size)));
      store(to + at, codes.of(keys));
    }
    return count;
  }
};

// The empty statement keeps compilers from scatter instructions, which are slower than this.
inline void add_up(const float* slopes, const int32_t* codes, int count, float* biases) {
#pragma GCC unroll 4
  for (int t = 0; t < count; ++t) {
    biases[codes[t]] += slopes[t];
    asm volatile("");
  }
}

template <int NV>
void read(const float* row, int width, float scale, F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) x[n] = mul(load_left(row + n * L, width - n * L), set(scale));
}

template <int NV>
void write(float* row, int width, float scale, const F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) store_left(row + n * L, mul(x[n], set(scale)), width - n * L);
}

// the same of rows that hold whole vectors
template <int NV>
void read(const float* row, F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) x[n] = load(row + n * L);
}

template <int NV>
void write(float* row, const F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) store(row + n * L, x[n]);
}

constexpr int64_t TOGETHER = 64;  // keys of a query that are worked on at a time

// What some queries need of their keys, each in a list with room for whole vectors.
struct Lists {
  int64_t step, queries;  // entries of a list, queries that there is room for
  int32_t *places, *codes;
  float *weights, *slopes;
  static int64_t length(int64_t most) { return (most + L - 1) / L * L + L; }
  static int64_t size(int64_t most, int64_t queries) { return 4 * length(most) * queries; }
  Lists(float* scratch, int64_t most, int64_t number)
      : step(length(most)),
        queries(number),
        places(reinterpret_cast<int32_t*>(scratch)),
        codes(places + step * queries),
        weights(scratch + 2 * step * queries),
        slopes(weights + step * queries) {}

  // f(query, places, codes, weights, slopes) for each query of [from, to)
  template <class Function>
  void for_queries(int64_t from, int64_t to, Function f) const {
    for (int64_t i = from, at = 0; i < to; ++i, at += step)
      f(i, places + at, codes + at, weights + at, slopes + at);
  }

  // f(query, how many keys, and of these its places, codes, weights, slopes), a few keys of every
  // query of [from, to) at a time. Keys ascend, so that those of many queries lie near each other: their
  // rows are read from the nearest cache.
  template <class Function>
  void for_keys(int64_t from, int64_t to, const Keys& keys, Function f) const {
    for (int64_t start = 0; start < keys.most; start += TOGETHER)
      for (int64_t i = from, at = start; i < to; ++i, at += step) {
        const int count = static_cast<int>(std::min<int64_t>(keys.count(i) - start, TOGETHER));
        if (count > 0) f(i, count, places + at, codes + at, weights + at, slopes + at);
      }
  }
};

// queries that are worked on at a time: their lists stay in the second cache, in the forward pass in
// the first one where all keys of a query are worked on at a time
inline int64_t queries_together(int64_t most) {
  return std::max<int64_t>(8, 8192 / Lists::length(most));
}
inline int64_t forward_together(int64_t most) { return most > TOGETHER ? queries_together(most) : 8; }

template <int NV>
void pack(Rows x, int64_t tokens, int width, float scale, float* to, int64_t step = NV * L) {
  for (int64_t token = 0; token < tokens; ++token, to += step) {
    x.prefetch<NV>(std::min(token + 16, tokens - 1));
    F row[NV];
    read<NV>(x[token], width, scale, row);
    for (int n = 0; n < NV; ++n) store(to + n * L, row[n]);
  }
}

// lane j = x . the row at places[j]
template <int NV>
inline F dots(const float* rows, const int32_t* places, const F (&x)[NV]) {
  F products[L];
#pragma GCC unroll 16
  for (int j = 0; j < L; ++j) {
    const float* row = rows + places[j];
    products[j] = mul(load(row), x[0]);
#pragma GCC unroll 8
    for (int n = 1; n < NV; ++n) products[j] = fma(load(row + n * L), x[n], products[j]);
  }
  return sums(products);
}

// the rows at `places` += factors times a row
template <int NV>
inline void spread(float* rows, const int32_t* places, const float* factors, int count,
                   const float* from) {
  F x[NV];
  read<NV>(from, x);
#pragma GCC unroll 4
  for (int t = 0; t < count; ++t) {
    float* row = rows + places[t];
    const F factor = set(factors[t]);
#pragma GCC unroll 8
    for (int n = 0; n < NV; ++n) store(row + n * L, fma(factor, x[n], load(row + n * L)));
  }
}

// Sums that a query's rows are added to in turn, since one would wait for itself; as many as there are
// registers for.
template <int NV>
constexpr int SUMS = NV <= 2 ? 4 : 2;

// Sums [SUMS,NV*L] += rows at `places` times factors, which are 0 from `count` to the next whole vector.
template <int NV>
inline void gather(const float* rows, const int32_t* places, const float* factors, int count,
                   float* totals) {
  F part[SUMS<NV>][NV];
  for (int u = 0; u < SUMS<NV>; ++u) read<NV>(totals + u * NV * L, part[u]);
  for (int t = 0; t < count; t += SUMS<NV>)
#pragma GCC unroll 4
    for (int u = 0; u < SUMS<NV>; ++u) {
      const float* row = rows + places[t + u];
      const F factor = set(factors[t + u]);
#pragma GCC unroll 8
      for (int n = 0; n < NV; ++n) part[u][n] = fma(factor, load(row + n * L), part[u][n]);
    }
  for (int u = 0; u < SUMS<NV>; ++u) write<NV>(totals + u * NV * L, part[u]);
}

// the sum of such sums
template <int NV>
inline void add_sums(const float* totals, F (&to)[NV]) {
  for (int n = 0; n < NV; ++n) {
    F x[SUMS<NV>];
    for (int u = 0; u < SUMS<NV>; ++u) x[u] = load(totals + (u * NV + n) * L);
    for (int left = SUMS<NV>; left > 1; left /= 2)
      for (int u = 0; u < left / 2; ++u) x[u] = add(x[2 * u], x[2 * u + 1]);
    to[n] = x[0];
  }
}

template <int NV>
int64_t forward_scratch(int64_t tokens, int64_t most) {
  const int64_t together = forward_together(most);
  return (2 * tokens + (1 + SUMS<NV>) * together) * NV * L + padded(together) + Lists::size(most, together);
}

// One head of one window: queries [from, to). biases: reversed and times log2(e), or null.
// lse: log2 of the sum of 2^score, inf without keys.
template <int NV>
void forward(Rows q, Rows k, Rows v, Rows out, float* lse, const Keys& keys, const float* biases,
             const Codes& codes, int width, int64_t from, int64_t to, float* scratch) {
  constexpr int64_t W = NV * L;
  const int64_t size = keys.tokens * W, together = forward_together(keys.most);
  float *key_rows = scratch, *value_rows = key_rows + size, *queries = value_rows + size;
  float *mixed = queries + together * W, *totals = mixed + SUMS<NV> * together * W;
  const Lists lists(totals + padded(together), keys.most, together);
  pack<NV>(k, keys.tokens, width, 1.f, key_rows);
  pack<NV>(v, keys.tokens, width, 1.f, value_rows);
  const float scale = LOG2E / std::sqrt(static_cast<float>(width));

  for (int64_t start = from; start < to; start += together) {
    const int64_t end = std::min(to, start + together);
    lists.for_queries(start, end, [&](int64_t i, int32_t* places, int32_t* at_bias, float*, float*) {
      keys.list(i, codes, W, places, at_bias);
      F query[NV];
      read<NV>(q[i], width, scale, query);
      write<NV>(queries + (i - start) * W, query);
    });
    lists.for_keys(start, end, keys, [&](int64_t i, int count, int32_t* places, int32_t* at_bias, float* scores, float*) {
      const float* bias = biases ? biases + codes.start(i) : nullptr;
      F query[NV];
      read<NV>(queries + (i - start) * W, query);
      for (int at = 0; at < count; at += L) {
        F score = dots<NV>(key_rows, places + at, query);
        if (bias) score = add(score, pick(bias, at_bias + at));
        store(scores + at, choose_left(count - at, score, set(-INF)));
      }
    });
    lists.for_queries(start, end, [&](int64_t i, int32_t*, int32_t*, float* weights, float*) {
      const int count = keys.count(i);
      F highest = set(-INF), total = set(0.f);
      for (int at = 0; at < count; at += L) highest = max(load(weights + at), highest);
      const F most = set(largest(highest));
      for (int at = 0; at < count; at += L) {
        F weight = exp2(sub(load(weights + at), most));
        weight = choose_left(count - at, weight, set(0.f));
        store(weights + at, weight);
        total = add(total, weight);
      }
      totals[i - start] = sum(total);
      lse[i] = count ? largest(highest) + std::log2(totals[i - start]) : INF;
    });
    std::fill_n(mixed, SUMS<NV> * (end - start) * W, 0.f);
    lists.for_keys(start, end, keys, [&](int64_t i, int count, int32_t* places, int32_t*, float* weights, float*) {
      gather<NV>(value_rows, places, weights, count, mixed + SUMS<NV> * (i - start) * W);
    });
    for (int64_t i = start; i < end; ++i) {
      F x[NV];
      add_sums<NV>(mixed + SUMS<NV> * (i - start) * W, x);
      write<NV>(out[i], width, keys.count(i) ? 1 / totals[i - start] : 0.f, x);
    }
  }
}

struct Gradients {
  Rows q, k, v;
  float* biases;  // [T], reversed, added to; null where there is no table
};

// Gradients of keys and values that were added up in rows of NV vectors; keys' lack a factor of ln 2.
template <int NV>
void write_sums(const float* grad_k, const float* grad_v, int64_t tokens, int width, const Gradients& to) {
  for (int64_t j = 0; j < tokens; ++j) {
    F x[NV];
    read<NV>(grad_k + j * NV * L, x);
    write<NV>(to.k[j], width, LN2, x);
    read<NV>(grad_v + j * NV * L, x);
    write<NV>(to.v[j], width, 1.f, x);
  }
}

template <int NV>
int64_t backward_scratch(int64_t tokens, int64_t most) {
  const int64_t together = queries_together(most);
  return (6 * tokens + SUMS<NV> * together) * NV * L + tokens / L * L + L + Lists::size(most, together);
}

// One head of one window. Everything is copied to rows that lie together, and gradients of keys and
// values are added up in such rows. Each step goes through many queries, so that the rows it needs stay
// in the nearest cache.
template <int NV>
void backward(Rows q, Rows k, Rows v, Rows out, Rows grad, const float* lse, const Keys& keys,
              const float* biases, const Codes& codes, int width, const Gradients& to,
              float* scratch) {
  constexpr int64_t W = NV * L;
  const int64_t tokens = keys.tokens, size = tokens * W;
  float *queries = scratch, *key_rows = queries + size, *value_rows = key_rows + size;
  float *given = value_rows + size, *grad_k = given + size, *grad_v = grad_k + size;
  float* deltas = grad_v + size;
  float* found = deltas + tokens / L * L + L;
  const int64_t together = queries_together(keys.most);
  const Lists lists(found + SUMS<NV> * together * W, keys.most, together);
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  // as in the forward pass, so that the weights of a query add up to 1 again
  pack<NV>(q, tokens, width, LOG2E / std::sqrt(static_cast<float>(width)), queries);
  pack<NV>(k, tokens, width, 1.f, key_rows);
  pack<NV>(v, tokens, width, 1.f, value_rows);
  pack<NV>(grad, tokens, width, 1.f, given);
  std::fill(grad_k, grad_k + 2 * size, 0.f);
  for (int64_t i = 0; i < tokens; ++i) {
    out.prefetch<NV>(std::min(i + 16, tokens - 1));
    F product = set(0.f);
    for (int n = 0; n < NV; ++n)
      product = fma(load(given + i * W + n * L), load_left(out[i] + n * L, width - n * L), product);
    deltas[i] = sum(product);
  }

  for (int64_t from = 0; from < tokens; from += together) {
    const int64_t end = std::min(tokens, from + together);
    lists.for_queries(from, end, [&](int64_t i, int32_t* places, int32_t* at_bias, float*, float*) {
      keys.list(i, codes, W, places, at_bias);
    });
    lists.for_keys(from, end, keys, [&](int64_t i, int count, int32_t* places, int32_t* at_bias, float* weights, float*) {
      const float* bias = biases ? biases + codes.start(i) : nullptr;
      F query[NV];
      read<NV>(queries + i * W, query);
      for (int at = 0; at < count; at += L) {
        F score = dots<NV>(key_rows, places + at, query);
        if (bias) score = add(score, pick(bias, at_bias + at));
        store(weights + at, choose_left(count - at, exp2(sub(score, set(lse[i]))), set(0.f)));
      }
    });
    lists.for_keys(from, end, keys, [&](int64_t i, int count, int32_t* places, int32_t* at_bias, float* weights, float* slopes) {
      F row[NV];
      read<NV>(given + i * W, row);
      for (int at = 0; at < count; at += L) {
        const F change = sub(dots<NV>(value_rows, places + at, row), set(deltas[i]));
        store(slopes + at, choose_left(count - at, mul(load(weights + at), change), set(0.f)));
      }
      if (biases) add_up(slopes, at_bias, count, to.biases + codes.start(i));
    });
    std::fill_n(found, SUMS<NV> * (end - from) * W, 0.f);
    lists.for_keys(from, end, keys, [&](int64_t i, int count, int32_t* places, int32_t*, float*, float* slopes) {
      gather<NV>(key_rows, places, slopes, count, found + SUMS<NV> * (i - from) * W);
    });
    for (int64_t i = from; i < end; ++i) {
      F x[NV];
      add_sums<NV>(found + SUMS<NV> * (i - from) * W, x);
      write<NV>(to.q[i], width, scale, x);
    }
    lists.for_keys(from, end, keys, [&](int64_t i, int count, int32_t* places, int32_t*, float*, float* slopes) {
      spread<NV>(grad_k, places, slopes, count, queries + i * W);
    });
    lists.for_keys(from, end, keys, [&](int64_t i, int count, int32_t* places, int32_t*, float* weights, float*) {
      spread<NV>(grad_v, places, weights, count, given + i * W);
    });
  }
  write_sums<NV>(grad_k, grad_v, tokens, width, to);
}

}  // namespace semanir
