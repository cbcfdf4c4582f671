// Vectors of floats of the width that the compiler's target has, by the vector extensions of GCC and Clang: one source
// for every instruction set. Also exp, sigmoid and tanh on them.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

using Index = std::int64_t;

#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINE inline ALWAYS_INLINE

// WIDTH: floats in a vector register. REGISTERS: how many of them the target has, which sets the size of a tile.
#if defined(__AVX512F__)
constexpr int WIDTH = 16, REGISTERS = 32;
#elif defined(__AVX2__)
constexpr int WIDTH = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int WIDTH = 4, REGISTERS = 32;
#else
constexpr int WIDTH = 4, REGISTERS = 16;
#endif

typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef std::int32_t Integers __attribute__((vector_size(4 * WIDTH)));

// Calls body(0) ... body(COUNT - 1) with numbers that the compiler knows, so that arrays of vectors stay in registers.
template <int COUNT, class Body>
INLINE void each(Body body) {
  if constexpr (COUNT > 0) {
    each<COUNT - 1>(body);
    body(std::integral_constant<int, COUNT - 1>{});
  }
}

INLINE Vector splat(float x) { return x - Vector{}; }

INLINE Vector load(const float* from) {
  Vector x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

INLINE void store(float* to, Vector x) { std::memcpy(to, &x, sizeof x); }

// The first `count` lanes only: the last hidden units, when H is no multiple of WIDTH. Other lanes are zero.
INLINE Vector load(const float* from, Index count) {
  if (__builtin_expect(count >= WIDTH, 1)) return load(from);
  Vector x{};
  std::memcpy(&x, from, sizeof(float) * count);
  return x;
}

INLINE void store(float* to, Vector x, Index count) {
  if (__builtin_expect(count >= WIDTH, 1)) return store(to, x);
  std::memcpy(to, &x, sizeof(float) * count);
}

INLINE Vector as_floats(Integers bits) {
  Vector x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

INLINE Integers as_integers(Vector x) {
  Integers bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// e^x = scale * (1 + rest), where scale = 2^n and rest = e^r - 1 for |r| <= ln(2)/2; not for |x| > 87.
// rest = r + r^2 P(r), with P fitted to it for the least relative error, 1.3e-8.
INLINE void exponent_parts(Vector x, Vector& scale, Vector& rest) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits
  Vector shifted = x * 1.44269504f + magic;
  Vector n = shifted - magic;
  Vector r = x - n * 0.693359375f;  // ln(2) in two parts, the first with so few bits that the product is exact
  r = r - n * -2.12194440e-4f;
  Vector p = r * 0.00139465521f + 0.00836664438f;
  p = p * r + 0.0416662805f;
  p = p * r + 0.16666542f;
  p = p * r + 0.5f;
  rest = p * (r * r) + r;
  scale = as_floats((as_integers(shifted) << 23) + 0x3f800000);
}

// A NaN compares false and so passes through.
INLINE Vector clamp(Vector x, float limit) {
  x = x < -limit ? splat(-limit) : x;
  return x > limit ? splat(limit) : x;
}

INLINE Vector sigmoid(Vector x) {
  Vector scale, rest;
  exponent_parts(clamp(-x, 87.0f), scale, rest);
  return 1.0f / (scale * rest + scale + 1.0f);
}

// tanh(x) = u / (u + 2) with u = e^2x - 1, which keeps its relative accuracy near zero.
INLINE Vector tanh(Vector x) {
  Vector scale, rest;
  exponent_parts(clamp(2.0f * x, 40.0f), scale, rest);
  Vector u = scale * rest + (scale - 1.0f);
  return u / (u + 2.0f);
}
