// Attention of each query over the keys of its dictionary row, forward and backward, for one head of
// one window. Key and value rows are copied once to rows of NV vectors that stay in the cache.
// N tokens, K keys per query, D head width, T bias table entries, NV vectors of L floats hold D.
#pragma once

#include <algorithm>

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

// What one query needs of its keys, K + L entries each.
struct List {
  float** rows;    // packed rows; pointers, as indexed loads take one operation more
  int32_t* codes;  // where the biases stand, from Codes::start on
  float *scores, *slopes;
  static int64_t size(int64_t most) { return 5 * (most + L); }  // in floats
  List(float* scratch, int64_t most)
      : rows(reinterpret_cast<float**>(scratch)),
        codes(reinterpret_cast<int32_t*>(scratch + 2 * (most + L))),
        scores(scratch + 3 * (most + L)),
        slopes(scratch + 4 * (most + L)) {}
};

struct Keys {  // the dictionary of one window
  const int32_t* indices;  // [N,K]
  const int32_t* counts;   // [N]
  int64_t tokens;
  int64_t most;  // K

  int count(int64_t query) const {
    return static_cast<int>(std::min<int64_t>(std::max(counts[query], 0), most));
  }

  // The keys of a query, clamped so that nothing outside is ever read; rows up to the next whole
  // vector are those of token 0. Returns their number.
  int list(int64_t query, const Codes& codes, float* packed, int row_bytes, const List& to) const {
    const int32_t* row = indices + query * most;
    const int count = this->count(query);
    for (int at = 0; at < count; at += L) {
      I keys = count - at >= L ? load(row + at) : load(row + at, first(count - at));
      keys = min_unsigned(keys, set(static_cast<int32_t>(tokens - 1)));
      store_pointers(to.rows + at, packed, mul(keys, set(row_bytes)));
      store(to.codes + at, codes.of(keys));
    }
    return count;
  }

  // The same with the places of rows of `size` floats.
  void decode(int64_t query, const Codes& codes, int size, int32_t* places, int32_t* to) const {
    const int32_t* row = indices + query * most;
    const int count = this->count(query);
    for (int at = 0; at < count; at += L) {
      I keys = count - at >= L ? load(row + at) : load(row + at, first(count - at));
      keys = min_unsigned(keys, set(static_cast<int32_t>(tokens - 1)));
      store(places + at, mul(keys, set(size)));
      store(to + at, codes.of(keys));
    }
  }
};

// The empty statement keeps compilers from scatter instructions, which are slower than this.
inline void add_up(const float* slopes, const int32_t* codes, int count, float* biases) {
  for (int t = 0; t < count; ++t) {
    biases[codes[t]] += slopes[t];
    asm volatile("");
  }
}

// Rows of `parts` times NV vectors: keys, values and, for the backward pass, room for their gradients.
template <int NV>
void pack(Rows k, Rows v, int64_t tokens, int width, int parts, float* to) {
  for (int64_t token = 0; token < tokens; ++token) {
    k.prefetch<NV>(std::min(token + 16, tokens - 1));
    v.prefetch<NV>(std::min(token + 16, tokens - 1));
    for (int n = 0; n < NV; ++n) {
      store(to + n * L, load(k[token] + n * L, first(width - n * L)));
      store(to + (NV + n) * L, load(v[token] + n * L, first(width - n * L)));
    }
    for (int n = 2 * NV; n < parts * NV; ++n) store(to + n * L, set(0.f));
    to += parts * NV * L;
  }
}

template <int NV>
void read(const float* row, int width, float scale, F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) x[n] = mul(load(row + n * L, first(width - n * L)), set(scale));
}

template <int NV>
void write(float* row, int width, float scale, const F (&x)[NV]) {
  for (int n = 0; n < NV; ++n) store(row + n * L, mul(x[n], set(scale)), first(width - n * L));
}

// lane j = x . rows[j] from vector `start` of the row on
template <int NV, int start>
inline F dots(float* const* rows, const F (&x)[NV]) {
  F products[L];
#pragma GCC unroll 16
  for (int j = 0; j < L; ++j) {
    const float* row = rows[j] + start * L;
    products[j] = mul(load(row), x[0]);
#pragma GCC unroll 8
    for (int n = 1; n < NV; ++n) products[j] = fma(load(row + n * L), x[n], products[j]);
  }
  return sums(products);
}

// floats of scratch memory that a task needs
template <int NV>
int64_t scratch_size(int64_t tokens, int64_t most, int parts) {
  return parts * tokens * NV * L + List::size(most);
}

// One head of one window: queries [from, to). biases: reversed and times log2(e), or null.
// lse: log2 of the sum of 2^score, inf without keys.
template <int NV>
void forward(Rows q, Rows k, Rows v, Rows out, float* lse, const Keys& keys, const float* biases,
             const Codes& codes, int width, int64_t from, int64_t to, float* scratch) {
  const int64_t tokens = keys.tokens;
  constexpr int PARTS = 2, BYTES = PARTS * NV * L * 4;
  const List list(scratch + PARTS * tokens * NV * L, keys.most);
  pack<NV>(k, v, tokens, width, PARTS, scratch);
  const float scale = LOG2E / std::sqrt(static_cast<float>(width));

  for (int64_t i = from; i < to; ++i) {
    q.prefetch<NV>(std::min(i + 2, to - 1));
    const int count = keys.list(i, codes, scratch, BYTES, list);
    const float* bias = biases ? biases + codes.start(i) : nullptr;

    F query[NV], mixed[4][NV], highest = set(-INF), total = set(0.f);
    read<NV>(q[i], width, scale, query);
    for (int at = 0; at < count; at += L) {
      F score = dots<NV, 0>(list.rows + at, query);
      if (bias) score = add(score, pick(bias, list.codes + at));
      if (count - at < L) score = choose(first(count - at), score, set(-INF));
      store(list.scores + at, score);
      highest = max(highest, score);
    }
    const F most = set(largest(highest));
    for (int at = 0; at < count; at += L) {
      F weight = exp2(sub(load(list.scores + at), most));
      if (count - at < L) weight = choose(first(count - at), weight, set(0.f));
      store(list.scores + at, weight);
      total = add(total, weight);
    }
    for (auto& part : mixed)
      for (auto& x : part) x = set(0.f);
    for (int at = 0; at < count; at += 4)  // beyond `count` the weights are 0
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) {
        const float* row = list.rows[at + u] + NV * L;
        const F weight = set(list.scores[at + u]);
#pragma GCC unroll 8
        for (int n = 0; n < NV; ++n) mixed[u][n] = fma(weight, load(row + n * L), mixed[u][n]);
      }
    for (int n = 0; n < NV; ++n)
      mixed[0][n] = add(add(mixed[0][n], mixed[1][n]), add(mixed[2][n], mixed[3][n]));
    const float sum_of_weights = sum(total);
    write<NV>(out[i], width, count ? 1 / sum_of_weights : 0.f, mixed[0]);
    lse[i] = count ? largest(highest) + std::log2(sum_of_weights) : INF;
  }
}

struct Gradients {
  Rows q, k, v;
  float* biases;  // [T], reversed, added to; null where there is no table
};

// Room for the lists of some queries; each step of the backward pass goes through all of them, so that
// the rows it reads stay in the nearest cache.
struct Lists {
  int64_t step, queries;  // entries of a list, queries that there is room for
  int32_t *places, *codes;
  float *weights, *slopes;
  static int64_t length(int64_t most) { return (most + L - 1) / L * L + L; }
  static int64_t room(int64_t most) { return std::max<int64_t>(8, 8192 / length(most)); }
  static int64_t size(int64_t most) { return 4 * length(most) * room(most); }
  Lists(float* scratch, int64_t most) : step(length(most)), queries(room(most)) {
    places = reinterpret_cast<int32_t*>(scratch);
    codes = places + step * queries;
    weights = scratch + 2 * step * queries;
    slopes = weights + step * queries;
  }
};

template <int NV>
void pack_rows(Rows x, int64_t tokens, int width, float scale, float* to) {
  for (int64_t token = 0; token < tokens; ++token, to += NV * L) {
    x.prefetch<NV>(std::min(token + 16, tokens - 1));
    F row[NV];
    read<NV>(x[token], width, scale, row);
    for (int n = 0; n < NV; ++n) store(to + n * L, row[n]);
  }
}

// lane j = x . the row at places[j]
template <int NV>
inline F dots_at(const float* rows, const int32_t* places, const F (&x)[NV]) {
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
  read<NV>(from, NV * L, 1.f, x);
  for (int t = 0; t < count; ++t) {
    float* row = rows + places[t];
    const F factor = set(factors[t]);
#pragma GCC unroll 8
    for (int n = 0; n < NV; ++n) store(row + n * L, fma(factor, x[n], load(row + n * L)));
  }
}

// the sum of the rows at `places` times factors, which are 0 from `count` to the next whole vector
template <int NV>
inline void gather(const float* rows, const int32_t* places, const float* factors, int count,
                   F (&to)[NV]) {
  F part[4][NV];
  for (auto& one : part)
    for (auto& x : one) x = set(0.f);
  for (int t = 0; t < count; t += 4)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) {
      const float* row = rows + places[t + u];
      const F factor = set(factors[t + u]);
#pragma GCC unroll 8
      for (int n = 0; n < NV; ++n) part[u][n] = fma(factor, load(row + n * L), part[u][n]);
    }
  for (int n = 0; n < NV; ++n) to[n] = add(add(part[0][n], part[1][n]), add(part[2][n], part[3][n]));
}

template <int NV>
int64_t backward_scratch(int64_t tokens, int64_t most) {
  return tokens * (6 * NV * L + L) + Lists::size(most);
}

// One head of one window. Everything is copied to rows that lie together; gradients of keys and values
// are added up in such rows as well.
template <int NV>
void backward(Rows q, Rows k, Rows v, Rows out, Rows grad, const float* lse, const Keys& keys,
              const float* biases, const Codes& codes, int width, const Gradients& to,
              float* scratch) {
  constexpr int64_t W = NV * L;
  const int64_t tokens = keys.tokens, size = tokens * W;
  float *queries = scratch, *key_rows = queries + size, *value_rows = key_rows + size;
  float *given = value_rows + size, *grad_k = given + size, *grad_v = grad_k + size;
  float* deltas = grad_v + size;
  const Lists lists(deltas + tokens * L, keys.most);
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  pack_rows<NV>(q, tokens, width, scale, queries);
  pack_rows<NV>(k, tokens, width, 1.f, key_rows);
  pack_rows<NV>(v, tokens, width, 1.f, value_rows);
  pack_rows<NV>(grad, tokens, width, 1.f, given);
  std::fill(grad_k, grad_k + 2 * size, 0.f);
  for (int64_t i = 0; i < tokens; ++i) {
    out.prefetch<NV>(std::min(i + 16, tokens - 1));
    F product = set(0.f);
    for (int n = 0; n < NV; ++n)
      product = fma(load(given + i * W + n * L), load(out[i] + n * L, first(width - n * L)), product);
    deltas[i] = sum(product);
  }

  for (int64_t from = 0; from < tokens; from += lists.queries) {
    const int64_t end = std::min(tokens, from + lists.queries);
    // f(query, number of its keys, places, codes, weights, slopes)
    const auto for_queries = [&](auto f) {
      for (int64_t i = from; i < end; ++i) {
        const int64_t at = (i - from) * lists.step;
        f(i, keys.count(i), lists.places + at, lists.codes + at, lists.weights + at, lists.slopes + at);
      }
    };
    for_queries([&](int64_t i, int count, int32_t* places, int32_t* codes_, float* weights, float*) {
      keys.decode(i, codes, W, places, codes_);
      const float* bias = biases ? biases + codes.start(i) : nullptr;
      F query[NV];
      read<NV>(queries + i * W, W, LOG2E, query);
      for (int at = 0; at < count; at += L) {
        F score = dots_at<NV>(key_rows, places + at, query);
        if (bias) score = add(score, pick(bias, codes_ + at));
        store(weights + at, choose(first(count - at), exp2(sub(score, set(lse[i]))), set(0.f)));
      }
    });
    for_queries([&](int64_t i, int count, int32_t* places, int32_t* codes_, float* weights, float* slopes) {
      F row[NV];
      read<NV>(given + i * W, W, 1.f, row);
      for (int at = 0; at < count; at += L) {
        const F change = sub(dots_at<NV>(value_rows, places + at, row), set(deltas[i]));
        store(slopes + at, choose(first(count - at), mul(load(weights + at), change), set(0.f)));
      }
      if (biases) add_up(slopes, codes_, count, to.biases + codes.start(i));
    });
    for_queries([&](int64_t i, int count, int32_t* places, int32_t*, float*, float* slopes) {
      F found[NV];
      gather<NV>(key_rows, places, slopes, count, found);
      write<NV>(to.q[i], width, scale, found);
    });
    for_queries([&](int64_t i, int count, int32_t* places, int32_t*, float*, float* slopes) {
      spread<NV>(grad_k, places, slopes, count, queries + i * W);
    });
    for_queries([&](int64_t i, int count, int32_t* places, int32_t*, float* weights, float*) {
      spread<NV>(grad_v, places, weights, count, given + i * W);
    });
  }
  for (int64_t j = 0; j < tokens; ++j) {
    F x[NV];
    read<NV>(grad_k + j * W, W, 1.f, x);
    write<NV>(to.k[j], width, 1.f, x);
    read<NV>(grad_v + j * W, W, 1.f, x);
    write<NV>(to.v[j], width, 1.f, x);
  }
}

}  // namespace semanir
