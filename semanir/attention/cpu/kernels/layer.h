// The linear layer of linear.h as a function of tensors that autograd records.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "linear.h"
#include "tasks.h"

namespace semanir {

using at::Tensor;
using Maybe = std::optional<Tensor>;

// [size] -> [padded size], zeros where there is none
inline Tensor padded_copy(const Maybe& x, int64_t size) {
  Tensor to = at::zeros({padded(size)}, at::kFloat);
  if (x && x->defined()) {
    const Tensor from = x->contiguous();
    std::copy_n(from.const_data_ptr<float>(), size, to.mutable_data_ptr<float>());
  }
  return to;
}

// The kernels' view of a layer, and what it points to.
struct Held {
  Tensor x, weight, gain, shift, panels;
  Linear kernel;

  Held(const Tensor& x_, const Tensor& weight_, const Maybe& gain_, const Maybe& shift_, Before before,
       double epsilon, bool backward)
      : x(x_.contiguous()), weight(weight_.contiguous()) {
    const int64_t O = weight.size(0), K = weight.size(1);
    if (before == Before::norm) gain = padded_copy(gain_, K), shift = padded_copy(shift_, K);
    const auto data = [](const Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; };
    panels = at::empty({backward ? padded(K) * O : padded(O) * K}, at::kFloat);
    float* to = panels.mutable_data_ptr<float>();
    const float* from = weight.const_data_ptr<float>();
    backward ? to_panels(from, K, 1, K, O, to) : to_panels(from, O, K, 1, K, to);
    kernel = {K, O, before,
              {data(gain), data(shift), static_cast<float>(epsilon)},
              x.const_data_ptr<float>(), panels.const_data_ptr<float>()};
  }
  int64_t rows() const { return x.numel() / kernel.inputs; }
};

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  // x [...,K] -> [...,O]
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Maybe& bias, const Maybe& gain, const Maybe& shift,
                        const Maybe& residual, int64_t before, double epsilon) {
    const Held held(x, weight, gain, shift, static_cast<Before>(before), epsilon, false);
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    Tensor out = at::empty(shape, x.options());
    const Tensor added = padded_copy(bias, weight.size(0));
    const Tensor rest = residual ? residual->contiguous() : Tensor();
    const float *biases = added.const_data_ptr<float>(), *old = residual ? rest.const_data_ptr<float>() : nullptr;
    float* to = out.mutable_data_ptr<float>();
    const int64_t M = held.rows(), step = 8 * BLOCK;
    for_each((M + step - 1) / step, held.kernel.scratch(), [&](int64_t task, float* scratch) {
      held.kernel.forward(task * step, std::min(M, (task + 1) * step), biases, old, to, scratch);
    });
    ctx->save_for_backward({held.x, weight, gain.value_or(Tensor()), shift.value_or(Tensor())});
    ctx->saved_data["bias"] = bias.has_value();
    ctx->saved_data["residual"] = residual.has_value();
    ctx->saved_data["before"] = before;
    ctx->saved_data["epsilon"] = epsilon;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    TORCH_CHECK_NOT_IMPLEMENTED(!at::GradMode::is_enabled(),
                                "the compiled linear layer has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const auto before = static_cast<Before>(ctx->saved_data["before"].toInt());
    const Held held(saved[0], saved[1], saved[2], saved[3], before,
                    ctx->saved_data["epsilon"].toDouble(), true);
    const int64_t M = held.rows(), O = held.kernel.outputs, K = held.kernel.inputs;
    const int64_t blocks = (M + BLOCK - 1) / BLOCK;
    // a fixed number of chunks, so that no result depends on the number of threads
    const int64_t chunks = std::clamp<int64_t>(M / 256, 1, 16), size = Linear::Sums::size(held.kernel);
    const Tensor grad = grads[0].contiguous(), partial = at::zeros({chunks * size}, grad.options());
    Tensor grad_x = at::empty_like(held.x);
    const float* given = grad.const_data_ptr<float>();
    float *to = grad_x.mutable_data_ptr<float>(), *partials = partial.mutable_data_ptr<float>();
    for_each(chunks, held.kernel.scratch(), [&](int64_t chunk, float* scratch) {
      const int64_t from = blocks * chunk / chunks * BLOCK, end = blocks * (chunk + 1) / chunks * BLOCK;
      held.kernel.backward(from, std::min(M, end), given, to,
                           Linear::Sums(held.kernel, partials + chunk * size), scratch);
    });
    for (int64_t chunk = 1; chunk < chunks; ++chunk)
      for (int64_t at = 0; at < size; ++at) partials[at] += partials[chunk * size + at];

    const Linear::Sums sums(held.kernel, partials);
    const auto copied = [&](const float* from, int64_t rows, int64_t width) {
      Tensor part = at::empty({rows, width}, grad.options());
      for (int64_t row = 0; row < rows; ++row)
        std::copy_n(from + row * padded(width), width, part.mutable_data_ptr<float>() + row * width);
      return part;
    };
    const bool normed = before == Before::norm;
    return {grad_x,
            copied(sums.weight, O, K),
            ctx->saved_data["bias"].toBool() ? copied(sums.bias, 1, O)[0] : Tensor(),
            normed ? copied(sums.gain, 1, K)[0] : Tensor(),
            normed ? copied(sums.shift, 1, K)[0] : Tensor(),
            ctx->saved_data["residual"].toBool() ? grads[0] : Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace semanir
