// Vectors of L floats and the few operations the kernels are made of. AVX-512, AVX2 or, where the
// compiler was asked for neither, plain loops that it may vectorise as it likes.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace simd {

constexpr float INF = std::numeric_limits<float>::infinity();

// 2^f on [-0.5, 0.5] (Cephes exp2f), relative error 2e-7
constexpr float EXP2[] = {1.535336188319500e-4f, 1.339887440266574e-3f, 9.618437357674640e-3f,
                          5.550332471162809e-2f, 2.402264791363012e-1f, 6.931472028550421e-1f};

#if defined(__AVX512F__)

constexpr int L = 16;
constexpr const char* NAME = "AVX512";
using F = __m512;
using I = __m512i;
using M = __mmask16;

inline M first(int count) { return static_cast<M>(count >= L ? 0xffff : (1u << count) - 1); }
inline F set(float x) { return _mm512_set1_ps(x); }
inline I set(int32_t x) { return _mm512_set1_epi32(x); }
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline F load(const float* p, M m) { return _mm512_maskz_loadu_ps(m, p); }
inline I load(const int32_t* p) { return _mm512_loadu_si512(p); }
inline I load(const int32_t* p, M m) { return _mm512_maskz_loadu_epi32(m, p); }
inline void store(float* p, F x) { _mm512_storeu_ps(p, x); }
inline void store(float* p, F x, M m) { _mm512_mask_storeu_ps(p, m, x); }
inline void store(int32_t* p, I x) { _mm512_storeu_si512(p, x); }
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm512_max_ps(a, b); }  // b where either is NaN
inline F choose(M m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
inline F choose_negative(F x, F a, F b) {
  return choose(_mm512_movepi32_mask(_mm512_castps_si512(x)), a, b);
}
inline I min_unsigned(I a, I b) { return _mm512_min_epu32(a, b); }
inline I mul(I a, I b) { return _mm512_mullo_epi32(a, b); }
inline F to_float(I x) { return _mm512_cvtepi32_ps(x); }
inline I to_int(F x) { return _mm512_cvtps_epi32(x); }
inline F floor(F x) { return _mm512_roundscale_ps(x, 0x09); }
// from[at[j]] one by one: gather instructions are many times slower than this on processors that were
// patched against Downfall, and a detour through memory waits for the stores
inline __m128 pick_four(const float* from, const int32_t* at) {
  return _mm_set_ps(from[at[3]], from[at[2]], from[at[1]], from[at[0]]);
}
inline F pick(const float* from, const int32_t* at) {
  const __m256 low = _mm256_set_m128(pick_four(from, at + 4), pick_four(from, at));
  const __m256 high = _mm256_set_m128(pick_four(from, at + 12), pick_four(from, at + 8));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
inline float sum(F x) { return _mm512_reduce_add_ps(x); }
inline float largest(F x) { return _mm512_reduce_max_ps(x); }

inline F exp2(F x) {  // x <= 0; NaN stays NaN
  x = max(set(-126.f), x);
  F n = _mm512_roundscale_ps(x, 0x08), f = sub(x, n), y = set(EXP2[0]);
  for (int i = 1; i < 6; ++i) y = fma(y, f, set(EXP2[i]));
  return _mm512_scalef_ps(fma(y, f, set(1.f)), n);
}

// lane j = sum of x[j]
inline F sums(const F (&x)[L]) {
  F t[8], u[4];
  for (int i = 0; i < 8; ++i)
    t[i] = add(_mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]), _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]));
  for (int i = 0; i < 4; ++i) {
    __m512d a = _mm512_castps_pd(t[2 * i]), b = _mm512_castps_pd(t[2 * i + 1]);
    u[i] = add(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  F a = add(_mm512_shuffle_f32x4(u[0], u[1], 0x88), _mm512_shuffle_f32x4(u[0], u[1], 0xdd));
  F b = add(_mm512_shuffle_f32x4(u[2], u[3], 0x88), _mm512_shuffle_f32x4(u[2], u[3], 0xdd));
  return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

inline F reversed(F x) {
  const I order = _mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  return _mm512_permutexvar_ps(order, x);
}

// lane j of x[i] <-> lane i of x[j]
inline void transpose(F (&x)[L]) {
  F t[L];
  for (int i = 0; i < L; i += 2) {
    t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < L; i += 4)  // then quarter q of x[i + c] has column 4 q + c of rows i to i + 3
    for (int c = 0; c < 2; ++c) {
      const __m512d a = _mm512_castps_pd(t[i + c]), b = _mm512_castps_pd(t[i + 2 + c]);
      x[i + 2 * c] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      x[i + 2 * c + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  for (int c = 0; c < 4; ++c) {
    const F even = _mm512_shuffle_f32x4(x[c], x[4 + c], 0x88);
    const F odd = _mm512_shuffle_f32x4(x[c], x[4 + c], 0xdd);
    const F later_even = _mm512_shuffle_f32x4(x[8 + c], x[12 + c], 0x88);
    const F later_odd = _mm512_shuffle_f32x4(x[8 + c], x[12 + c], 0xdd);
    t[c] = _mm512_shuffle_f32x4(even, later_even, 0x88);
    t[4 + c] = _mm512_shuffle_f32x4(odd, later_odd, 0x88);
    t[8 + c] = _mm512_shuffle_f32x4(even, later_even, 0xdd);
    t[12 + c] = _mm512_shuffle_f32x4(odd, later_odd, 0xdd);
  }
  for (int i = 0; i < L; ++i) x[i] = t[i];
}

#elif defined(__AVX2__)

constexpr int L = 8;
constexpr const char* NAME = "AVX2";
using F = __m256;
using I = __m256i;
using M = __m256i;

inline M first(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F set(float x) { return _mm256_set1_ps(x); }
inline I set(int32_t x) { return _mm256_set1_epi32(x); }
inline F load(const float* p) { return _mm256_loadu_ps(p); }
inline F load(const float* p, M m) { return _mm256_maskload_ps(p, m); }
inline I load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const I*>(p)); }
inline I load(const int32_t* p, M m) { return _mm256_maskload_epi32(p, m); }
inline void store(float* p, F x) { _mm256_storeu_ps(p, x); }
inline void store(float* p, F x, M m) { _mm256_maskstore_ps(p, m, x); }
inline void store(int32_t* p, I x) { _mm256_storeu_si256(reinterpret_cast<I*>(p), x); }
inline F add(F a, F b) { return _mm256_add_ps(a, b); }
inline F sub(F a, F b) { return _mm256_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm256_mul_ps(a, b); }
inline F div(F a, F b) { return _mm256_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm256_max_ps(a, b); }  // b where either is NaN
inline F choose(M m, F a, F b) { return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m)); }
inline F choose_negative(F x, F a, F b) { return _mm256_blendv_ps(b, a, x); }
inline I min_unsigned(I a, I b) { return _mm256_min_epu32(a, b); }
inline I mul(I a, I b) { return _mm256_mullo_epi32(a, b); }
inline F to_float(I x) { return _mm256_cvtepi32_ps(x); }
inline I to_int(F x) { return _mm256_cvtps_epi32(x); }
inline F floor(F x) { return _mm256_floor_ps(x); }
// from[at[j]] one by one, as above
inline __m128 pick_four(const float* from, const int32_t* at) {
  return _mm_set_ps(from[at[3]], from[at[2]], from[at[1]], from[at[0]]);
}
inline F pick(const float* from, const int32_t* at) {
  return _mm256_set_m128(pick_four(from, at + 4), pick_four(from, at));
}
inline float sum(F x) {
  __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
inline float largest(F x) {
  __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

inline F exp2(F x) {  // x <= 0; NaN stays NaN
  x = max(set(-126.f), x);
  F n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = sub(x, n);
  F y = set(EXP2[0]);
  for (int i = 1; i < 6; ++i) y = fma(y, f, set(EXP2[i]));
  I exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), set(127)), 23);
  return mul(fma(y, f, set(1.f)), _mm256_castsi256_ps(exponent));
}

// lane j = sum of x[j]
inline F sums(const F (&x)[L]) {
  F t[4], u[2];  // as with AVX-512
  for (int i = 0; i < 4; ++i)
    t[i] = add(_mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]), _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]));
  for (int i = 0; i < 2; ++i) {
    __m256d a = _mm256_castps_pd(t[2 * i]), b = _mm256_castps_pd(t[2 * i + 1]);
    u[i] = add(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  }
  return add(_mm256_permute2f128_ps(u[0], u[1], 0x20), _mm256_permute2f128_ps(u[0], u[1], 0x31));
}

#else

constexpr int L = 8;
constexpr const char* NAME = "DEFAULT";
struct F {
  float x[L];
};
struct I {
  int32_t x[L];
};
struct M {
  int count;
};

template <class T, class Function>
inline T make(Function function) {
  T made;
  for (int j = 0; j < L; ++j) made.x[j] = function(j);
  return made;
}

inline M first(int count) { return {count}; }
inline F set(float x) { return make<F>([=](int) { return x; }); }
inline I set(int32_t x) { return make<I>([=](int) { return x; }); }
inline F load(const float* p) { return make<F>([=](int j) { return p[j]; }); }
inline F load(const float* p, M m) { return make<F>([=](int j) { return j < m.count ? p[j] : 0.f; }); }
inline I load(const int32_t* p) { return make<I>([=](int j) { return p[j]; }); }
inline I load(const int32_t* p, M m) { return make<I>([=](int j) { return j < m.count ? p[j] : 0; }); }
inline void store(float* p, F x) { std::memcpy(p, x.x, sizeof(x.x)); }
inline void store(float* p, F x, M m) {
  for (int j = 0; j < L && j < m.count; ++j) p[j] = x.x[j];
}
inline void store(int32_t* p, I x) { std::memcpy(p, x.x, sizeof(x.x)); }
inline F add(F a, F b) { return make<F>([&](int j) { return a.x[j] + b.x[j]; }); }
inline F sub(F a, F b) { return make<F>([&](int j) { return a.x[j] - b.x[j]; }); }
inline F mul(F a, F b) { return make<F>([&](int j) { return a.x[j] * b.x[j]; }); }
inline F div(F a, F b) { return make<F>([&](int j) { return a.x[j] / b.x[j]; }); }
inline F fma(F a, F b, F c) { return make<F>([&](int j) { return a.x[j] * b.x[j] + c.x[j]; }); }
inline F max(F a, F b) { return make<F>([&](int j) { return a.x[j] > b.x[j] ? a.x[j] : b.x[j]; }); }
inline F choose(M m, F a, F b) { return make<F>([&](int j) { return j < m.count ? a.x[j] : b.x[j]; }); }
inline F choose_negative(F x, F a, F b) {
  return make<F>([&](int j) { return std::signbit(x.x[j]) ? a.x[j] : b.x[j]; });
}
inline I min_unsigned(I a, I b) {
  return make<I>([&](int j) {
    return static_cast<uint32_t>(a.x[j]) < static_cast<uint32_t>(b.x[j]) ? a.x[j] : b.x[j];
  });
}
inline I mul(I a, I b) { return make<I>([&](int j) { return a.x[j] * b.x[j]; }); }
inline F to_float(I x) { return make<F>([&](int j) { return static_cast<float>(x.x[j]); }); }
inline I to_int(F x) { return make<I>([&](int j) { return static_cast<int32_t>(std::lrintf(x.x[j])); }); }
inline F floor(F x) { return make<F>([&](int j) { return std::floor(x.x[j]); }); }
inline F pick(const float* from, const int32_t* at) {
  return make<F>([=](int j) { return from[at[j]]; });
}
inline float sum(F x) {
  float total = 0;
  for (float value : x.x) total += value;
  return total;
}
inline float largest(F x) {
  float most = -INF;
  for (float value : x.x) most = value > most ? value : most;
  return most;
}
inline F exp2(F x) { return make<F>([&](int j) { return std::exp2(x.x[j]); }); }
inline F sums(const F (&x)[L]) {
  return make<F>([&](int j) { return sum(x[j]); });
}

#endif

// The first L entries, or those that are left of a row, beyond them zeros. Masks only where they are
// needed: with AVX2 masked stores of whole vectors took a quarter of attention's forward pass on an AMD EPYC.
inline F load_left(const float* p, int64_t left) {
  return left >= L ? load(p) : load(p, first(static_cast<int>(left)));
}
inline void store_left(float* p, F x, int64_t left) {
  if (left >= L)
    store(p, x);
  else
    store(p, x, first(static_cast<int>(left)));
}
inline F choose_left(int64_t left, F a, F b) {
  return left >= L ? a : choose(first(static_cast<int>(left)), a, b);
}

}  // namespace simd
