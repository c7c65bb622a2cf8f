// The k largest of a row of similarities, lowest index first among equals, in ascending order of
// index: floats as integers of the same order, a threshold with k keys above it, one pass to write.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>

#include "simd.h"

namespace semanir {

constexpr int FEW = 16;  // keys that are looked at one by one
constexpr int32_t LOWEST = static_cast<int32_t>(0x807fffff);  // -inf as an ordered integer

inline int32_t ordered(float x) {
  x += 0.f;  // -0 becomes 0, its equal
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

inline float from_ordered(int32_t key) {
  const int32_t bits = key ^ ((key >> 31) & 0x7fffffff);
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// The key of a rank among the keys in [low, high), of which there are up to FEW: the key, how many of
// them are larger, and how many are not smaller.
struct Nth {
  int32_t key;
  int64_t larger, at_least;
};

#if defined(__AVX512F__)

// floats as ordered integers, up to the next whole vector; the least above -inf and the largest
inline void order(const float* row, int64_t size, int32_t* keys, int32_t* least, int32_t* most) {
  __m512i low = _mm512_set1_epi32(0x7fffffff), high = _mm512_set1_epi32(LOWEST);
  for (int64_t at = 0; at < size; at += 16) {
    const __mmask16 m = simd::first(static_cast<int>(std::min<int64_t>(16, size - at)));
    __m512i bits = _mm512_castps_si512(_mm512_add_ps(simd::load(row + at, m), simd::set(0.f)));
    __m512i flip = _mm512_and_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32(0x7fffffff));
    __m512i key = _mm512_mask_xor_epi32(_mm512_set1_epi32(LOWEST), m, bits, flip);
    _mm512_storeu_si512(keys + at, key);
    high = _mm512_max_epi32(high, key);
    const __mmask16 finite = _mm512_cmpgt_epi32_mask(key, _mm512_set1_epi32(LOWEST));
    low = _mm512_mask_min_epi32(low, finite, low, key);
  }
  *least = _mm512_reduce_min_epi32(low);
  *most = _mm512_reduce_max_epi32(high);
}

inline int64_t count_from(const int32_t* keys, int64_t size, int32_t threshold) {
  const __m512i limit = _mm512_set1_epi32(threshold);
  int64_t count = 0;
  for (int64_t at = 0; at < size; at += 16)
    count += __builtin_popcount(_mm512_cmpge_epi32_mask(_mm512_loadu_si512(keys + at), limit));
  return count;
}

inline Nth nth(const int32_t* keys, int64_t size, int32_t low, int32_t high, int64_t rank) {
  const __m512i from = _mm512_set1_epi32(low), to = _mm512_set1_epi32(high);
  alignas(64) int32_t few[2 * FEW];
  _mm512_store_si512(few, _mm512_set1_epi32(LOWEST));
  int64_t count = 0;
  for (int64_t at = 0; at < size; at += 16) {
    const __m512i key = _mm512_loadu_si512(keys + at);
    const __mmask16 here = _mm512_mask_cmplt_epi32_mask(_mm512_cmpge_epi32_mask(key, from), key, to);
    _mm512_storeu_si512(few + count, _mm512_mask_compress_epi32(_mm512_set1_epi32(LOWEST), here, key));
    count += __builtin_popcount(here);
  }
  const __m512i all = _mm512_load_si512(few), one = _mm512_set1_epi32(1);
  __m512i larger = _mm512_setzero_si512();  // than each of them
  for (int j = 0; j < FEW; ++j) {
    const __mmask16 less = _mm512_cmplt_epi32_mask(all, _mm512_set1_epi32(few[j]));
    larger = _mm512_mask_add_epi32(larger, less, larger, one);
  }
  const __mmask16 top = _mm512_cmplt_epi32_mask(larger, _mm512_set1_epi32(static_cast<int32_t>(rank)));
  const int32_t key = _mm512_mask_reduce_min_epi32(top, all);
  const __m512i limit = _mm512_set1_epi32(key);
  return {key, __builtin_popcount(_mm512_cmpgt_epi32_mask(all, limit)),
          __builtin_popcount(_mm512_cmpge_epi32_mask(all, limit))};
}

// the places of all keys above `threshold` and of the first `room` that equal it
inline int64_t places(const int32_t* keys, int64_t size, int32_t threshold, int64_t room, int32_t* to) {
  const __m512i limit = _mm512_set1_epi32(threshold);
  __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int64_t count = 0;
  for (int64_t at = 0; at < size; at += 16) {
    const __m512i key = _mm512_loadu_si512(keys + at);
    uint32_t take = _mm512_cmpgt_epi32_mask(key, limit);
    uint32_t equal = room > 0 ? _mm512_cmpeq_epi32_mask(key, limit) : 0;
    for (; equal && room > 0; equal &= equal - 1, --room) take |= equal & -equal;
    _mm512_storeu_si512(to + count, _mm512_maskz_compress_epi32(static_cast<__mmask16>(take), index));
    count += __builtin_popcount(take);
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
  }
  return count;
}

#else

inline void order(const float* row, int64_t size, int32_t* keys, int32_t* least, int32_t* most) {
  int32_t low = 0x7fffffff, high = LOWEST;
  for (int64_t j = 0; j < size; ++j) {
    keys[j] = ordered(row[j]);
    low = keys[j] > LOWEST ? std::min(low, keys[j]) : low;
    high = std::max(high, keys[j]);
  }
  for (int64_t j = size; j < (size + 15) / 16 * 16; ++j) keys[j] = LOWEST;
  *least = low, *most = high;
}

inline int64_t count_from(const int32_t* keys, int64_t size, int32_t threshold) {
  int32_t count = 0;
  for (int64_t j = 0; j < size; ++j) count += keys[j] >= threshold;
  return count;
}

inline Nth nth(const int32_t* keys, int64_t size, int32_t low, int32_t high, int64_t rank) {
  int32_t few[FEW], *end = few;
  for (int64_t j = 0; j < size; ++j)
    if (keys[j] >= low && keys[j] < high) *end++ = keys[j];
  std::nth_element(few, few + rank - 1, end, std::greater<>());
  const int32_t key = few[rank - 1];
  return {key, std::count_if(few, end, [=](int32_t other) { return other > key; }),
          std::count_if(few, end, [=](int32_t other) { return other >= key; })};
}

inline int64_t places(const int32_t* keys, int64_t size, int32_t threshold, int64_t room, int32_t* to) {
  int64_t count = 0;
  for (int64_t j = 0; j < size; ++j) {
    const bool equal = keys[j] == threshold && room > 0;
    room -= equal;
    to[count] = static_cast<int32_t>(j);
    count += keys[j] > threshold || equal;
  }
  return count;
}

#endif

inline int64_t select_scratch(int64_t size) { return 2 * ((size + 15) / 16 * 16) + 16; }

// row [N] -> out [k], filled up with N where fewer are above -inf; returns how many are real.
inline int32_t select_row(const float* row, int64_t size, int k, int32_t* out, int32_t* scratch) {
  int32_t *keys = scratch, *chosen = keys + (size + 15) / 16 * 16;
  int32_t least, most;
  order(row, size, keys, &least, &most);

  // count(low) >= k > count(high) closes in on the k-th largest key until few are left between them;
  // count(low) = k ends it early
  int64_t low = LOWEST + 1, high = static_cast<int64_t>(most) + 1;
  int64_t above_low = count_from(keys, size, LOWEST + 1), above_high = 0;
  if (above_low > k) low = std::max<int64_t>(low, least);
  float weight = 1;  // of the end that the last steps have not moved: it draws ever closer
  bool rising = true;
  for (int step = 0; above_low > k && above_low - above_high > FEW && high - low > 1; ++step) {
    int64_t middle = low + (high - low) / 2;
    if (step < 24) {  // values are spread more evenly than their bits
      const float a = from_ordered(static_cast<int32_t>(low));
      const float b = from_ordered(static_cast<int32_t>(high - 1));
      const float below = static_cast<float>(above_low - k) * (rising ? 1 : weight);
      const float above = static_cast<float>(k - above_high) * (rising ? weight : 1);
      middle = std::clamp<int64_t>(ordered(a + (b - a) * (below / (below + above))), low + 1, high - 1);
    }
    const int64_t above = count_from(keys, size, static_cast<int32_t>(middle));
    weight = rising == (above >= k) ? weight * 0.4f : 1;
    rising = above >= k;
    if (rising)
      low = middle, above_low = above;
    else
      high = middle, above_high = above;
  }
  auto kth = static_cast<int32_t>(low);
  if (above_low > k && high - low > 1) {
    const Nth found = nth(keys, size, kth, static_cast<int32_t>(high), k - above_high);
    kth = found.key, above_low = above_high + found.at_least, above_high += found.larger;
  }
  const int64_t count = above_low <= k ? places(keys, size, kth - 1, 0, chosen)
                                       : places(keys, size, kth, k - above_high, chosen);
  std::copy(chosen, chosen + count, out);
  std::fill(out + count, out + k, static_cast<int32_t>(size));
  return static_cast<int32_t>(count);
}

}  // namespace semanir
