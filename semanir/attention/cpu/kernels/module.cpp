// The CPU kernels as functions of tensors. float32; shapes and types were checked in Python.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/utils/pybind.h>

#include "attend.h"
#include "layer.h"
#include "product.h"
#include "select.h"
#include "tasks.h"
#include "tiles.h"

namespace semanir {

using at::Tensor;

// The heads of a tensor [B,H,N,D] with a contiguous last dimension.
struct Heads {
  float* data;
  int64_t window, head, token;
  explicit Heads(const Tensor& x)
      : data(x.data_ptr<float>()), window(x.stride(0)), head(x.stride(1)), token(x.stride(2)) {}
  Rows operator()(int64_t b, int64_t h) const { return {data + b * window + h * head, token}; }
};

// The dictionary of all windows, [B,N,K] and [B,N], and its groups where tiles pay.
struct Windows {
  const int32_t *indices, *counts;
  int64_t tokens, most;
  bool tiled;
  Tensor lists;  // [B,N/L,Groups::length]

  Windows(const Tensor& indices_, const Tensor& counts_, const Codes& codes, bool biased)
      : indices(indices_.const_data_ptr<int32_t>()),
        counts(counts_.const_data_ptr<int32_t>()),
        tokens(indices_.size(1)),
        most(indices_.size(2)),
        tiled(tiles_pay(tokens, most, codes, biased)) {
    if (!tiled) return;
    lists = at::empty({indices_.size(0), tokens / L, Groups::length(tokens)}, at::kInt);
    for_each(indices_.size(0), tokens, [&](int64_t b, float* scratch) {
      groups(b).fill(keys(b), reinterpret_cast<uint16_t*>(scratch));
    });
  }
  Keys keys(int64_t b) const {
    return {indices + b * tokens * most, counts + b * tokens, tokens, most};
  }
  Groups groups(int64_t b) const {
    return {lists.data_ptr<int32_t>() + b * lists.stride(0), lists.stride(1)};
  }
};

Tensor last_contiguous(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

// f(integral_constant<NV>) for the number of vectors that hold D floats
template <class Function>
void with_vectors(int64_t width, Function f) {
  switch ((width + L - 1) / L) {
    case 1: return f(std::integral_constant<int, 1>{});
    case 2: return f(std::integral_constant<int, 2>{});
    case 3: return f(std::integral_constant<int, 3>{});
    case 4: return f(std::integral_constant<int, 4>{});
#if !defined(__AVX512F__)
    case 5: return f(std::integral_constant<int, 5>{});
    case 6: return f(std::integral_constant<int, 6>{});
    case 7: return f(std::integral_constant<int, 7>{});
    case 8: return f(std::integral_constant<int, 8>{});
#endif
  }
  TORCH_CHECK(false, "head width ", width, " is above 64");
}

// q, k, v [B,H,N,D] -> out [B,H,N,D], a view of [B,N,H,D], and lse [B,H,N]
std::tuple<Tensor, Tensor> attend_forward(Tensor q, Tensor k, Tensor v, const Tensor& indices,
                                          const Tensor& counts, const std::optional<Tensor>& table,
                                          int64_t height, int64_t width) {
  q = last_contiguous(q), k = last_contiguous(k), v = last_contiguous(v);
  const int64_t B = q.size(0), H = q.size(1), N = q.size(2), D = q.size(3), K = indices.size(2);
  Tensor out = at::empty({B, N, H, D}, q.options()).transpose(1, 2);
  Tensor lse = at::empty({B, H, N}, q.options());
  const Heads qs(q), ks(k), vs(v), outs(out);
  const int64_t T = table ? table->size(1) : 0;
  const Tensor reversed = table ? table->flip(1).contiguous().mul_(LOG2E) : Tensor();
  const float* biases = table ? reversed.data_ptr<float>() : nullptr;
  float* sums_ = lse.data_ptr<float>();
  const Codes codes(height, width);
  const Windows windows(indices, counts, codes, biases != nullptr);
  // few heads on many threads are cut into parts of whole groups, which changes no result
  const int64_t parts = std::max<int64_t>(
      1, std::min(N / 128, 4 * at::get_num_threads() / std::max<int64_t>(1, B * H)));
  const auto start = [&](int64_t part) { return std::min(N, (N + L - 1) / L * part / parts * L); };

  with_vectors(D, [&](auto vectors) {
    constexpr int NV = decltype(vectors)::value;
    const int head = static_cast<int>(D);
    int64_t size = forward_scratch<NV>(N, K);
#if defined(__AVX512F__)
    if (windows.tiled) size = std::max(size, Tiles<NV>::size(N, head));
#endif
    for_each(B * H * parts, size, [&](int64_t task, float* scratch) {
      const int64_t part = task % parts, h = task / parts % H, b = task / parts / H;
      const float* bias = biases ? biases + h * T : nullptr;
      float* lse_row = sums_ + (b * H + h) * N;
#if defined(__AVX512F__)
      if (windows.tiled)
        return forward_tiles<NV>(qs(b, h), ks(b, h), vs(b, h), outs(b, h), lse_row, windows.groups(b),
                                 N, bias, codes, head, start(part), start(part + 1), scratch);
#endif
      forward<NV>(qs(b, h), ks(b, h), vs(b, h), outs(b, h), lse_row, windows.keys(b), bias, codes,
                  head, start(part), start(part + 1), scratch);
    });
  });
  return {out, lse};
}

// gradients of q, k and v [3,B,H,N,D] and of the table [H,T] (empty without one)
std::tuple<Tensor, Tensor> attend_backward(
    Tensor grad, Tensor q, Tensor k, Tensor v, Tensor out, const Tensor& lse, const Tensor& indices,
    const Tensor& counts, const std::optional<Tensor>& table, int64_t height, int64_t width) {
  q = last_contiguous(q), k = last_contiguous(k), v = last_contiguous(v);
  out = last_contiguous(out), grad = last_contiguous(grad);
  const int64_t B = q.size(0), H = q.size(1), N = q.size(2), D = q.size(3), K = indices.size(2);
  // one tensor [B,N,3,H,D], as the layer's projection wrote q, k and v
  Tensor grads = at::empty({B, N, 3, H, D}, q.options()).permute({2, 0, 3, 1, 4});
  const int64_t T = table ? table->size(1) : 0;
  // a fixed number of chunks of windows, so that no result depends on the number of threads
  const int64_t chunks = std::min<int64_t>(B, (63 + H) / H);
  Tensor partial = at::zeros({chunks, H, T}, q.options());
  const Heads qs(q), ks(k), vs(v), outs(out), given(grad);
  const Heads gq(grads[0]), gk(grads[1]), gv(grads[2]);
  const Tensor reversed = table ? table->flip(1).contiguous().mul_(LOG2E) : Tensor();
  const float* biases = table ? reversed.data_ptr<float>() : nullptr;
  float* partials = partial.data_ptr<float>();
  const float* sums_ = lse.data_ptr<float>();
  const Codes codes(height, width);
  const Windows windows(indices, counts, codes, biases != nullptr);

  with_vectors(D, [&](auto vectors) {
    constexpr int NV = decltype(vectors)::value;
    const int head = static_cast<int>(D);
    int64_t size = backward_scratch<NV>(N, K);
#if defined(__AVX512F__)
    if (windows.tiled)
      size = std::max(size, backward_tiles_scratch<NV>(N, head, codes, biases != nullptr));
#endif
    for_each(chunks * H, size, [&](int64_t task, float* scratch) {
      const int64_t h = task % H, chunk = task / H;
      const float* bias = biases ? biases + h * T : nullptr;
      float* bias_slopes = biases ? partials + (chunk * H + h) * T : nullptr;
      for (int64_t b = B * chunk / chunks; b < B * (chunk + 1) / chunks; ++b) {
        const Gradients to{gq(b, h), gk(b, h), gv(b, h), bias_slopes};
        const float* lse_row = sums_ + (b * H + h) * N;
#if defined(__AVX512F__)
        if (windows.tiled) {
          backward_tiles<NV>(qs(b, h), ks(b, h), vs(b, h), outs(b, h), given(b, h), lse_row,
                             windows.groups(b), N, bias, codes, head, to, scratch);
          continue;
        }
#endif
        backward<NV>(qs(b, h), ks(b, h), vs(b, h), outs(b, h), given(b, h), lse_row, windows.keys(b),
                     bias, codes, head, to, scratch);
      }
    });
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk) partial[0].add_(partial[chunk]);
  return {grads, partial[0].flip(1)};
}

// similarity [B,R,N] -> indices [B,R,k] ascending, filled up with N, and counts [B,R]; contiguous
void select_keys(const Tensor& similarity, int64_t k, const Tensor& indices, const Tensor& counts) {
  const int64_t N = similarity.size(2), rows = similarity.size(1);
  const float* values = similarity.data_ptr<float>();
  int32_t *index = indices.data_ptr<int32_t>(), *count = counts.data_ptr<int32_t>();
  const int64_t step = 16, blocks = (rows + step - 1) / step;
  for_each(similarity.size(0) * blocks, select_scratch(N), [&](int64_t task, float* scratch) {
    const int64_t b = task / blocks, start = task % blocks * step;
    for (int64_t r = b * rows + start; r < b * rows + std::min(rows, start + step); ++r)
      count[r] = select_row(values + r * N, N, static_cast<int>(k), index + r * k,
                            reinterpret_cast<int32_t*>(scratch));
  });
}

// tokens [B,N,C] -> indices [B,N,k] and counts [B,N], as select_keys makes them of all dot products,
// which stay in the cache, a few queries at a time. labels [B,N]: queries select keys of their own.
// All contiguous.
void most_similar(const Tensor& tokens, int64_t k, bool include_self,
                  const std::optional<Tensor>& labels, const Tensor& indices,
                  const Tensor& counts) {
  constexpr int R = L == 16 ? 12 : 6;  // as many as the registers hold
  const int64_t B = tokens.size(0), N = tokens.size(1), C = tokens.size(2);
  const int64_t groups = whole_groups(N), size = groups * L * C, step = groups * L + L;
  const int64_t blocks = (N + R - 1) / R;
  const float* rows = tokens.data_ptr<float>();
  const int64_t* label = labels ? labels->data_ptr<int64_t>() : nullptr;
  int32_t *index = indices.data_ptr<int32_t>(), *count = counts.data_ptr<int32_t>();
  const Tensor packed = at::zeros({B * size}, tokens.options());
  float* panels = packed.data_ptr<float>();
  for_each(B * groups / 2, 0, [&](int64_t task, float*) {
    const int64_t b = task / (groups / 2), from = task % (groups / 2) * 2 * L;
    for (int64_t j = from; j < std::min(N, from + 2 * L); ++j) {
      float* channel = column(panels + b * size, j, C);
      for (int64_t c = 0; c < C; ++c) channel[c * 2 * L] = rows[(b * N + j) * C + c];
    }
  });
  for_each(B * blocks, R * (C + step) + select_scratch(N), [&](int64_t task, float* scratch) {
    const int64_t b = task / blocks, from = task % blocks * R, to = std::min(N, from + R);
    float *queries = scratch, *similarity = queries + R * C;
    for (int64_t r = 0; r < R; ++r)
      std::copy_n(rows + (b * N + std::min(from + r, N - 1)) * C, C, queries + r * C);
    products<R>(queries, C, panels + b * size, C, groups, similarity, step);
    for (int64_t i = from; i < to; ++i) {
      float* row = similarity + (i - from) * step;
      if (!include_self) row[i] = -INF;
      if (label)
        for (int64_t j = 0; j < N; ++j)
          row[j] = label[b * N + j] == label[b * N + i] ? row[j] : -INF;
      count[b * N + i] = select_row(row, N, static_cast<int>(k), index + (b * N + i) * k,
                                    reinterpret_cast<int32_t*>(similarity + R * step));
    }
  });
}

}  // namespace semanir

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.attr("instruction_set") = simd::NAME;
  m.def("attend_forward", &semanir::attend_forward, py::call_guard<py::gil_scoped_release>());
  m.def("attend_backward", &semanir::attend_backward, py::call_guard<py::gil_scoped_release>());
  m.def("linear", [](const semanir::Tensor& x, const semanir::Tensor& weight,
                     const semanir::Maybe& bias, const semanir::Maybe& gain,
                     const semanir::Maybe& shift, const semanir::Maybe& residual, int64_t before,
                     double epsilon) {
    return semanir::LinearFunction::apply(x, weight, bias, gain, shift, residual, before, epsilon);
  }, py::call_guard<py::gil_scoped_release>());
  m.def("most_similar", &semanir::most_similar, py::call_guard<py::gil_scoped_release>());
  m.def("select_keys", &semanir::select_keys, py::call_guard<py::gil_scoped_release>());
}
