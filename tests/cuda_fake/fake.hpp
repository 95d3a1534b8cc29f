// Shared by the files of the stand-in: its functions by the names of the real ones, and queueing.
#ifndef XST_TESTS_FAKE_HPP
#define XST_TESTS_FAKE_HPP

#include "api.h"
#include "fake.h"

#include <functional>

#define FAKE_DECLARE(type, name, parameters, arguments) type fake_##name parameters;
XST_CUDA_CALLS(FAKE_DECLARE)
XST_CUDA_TEXTS(FAKE_DECLARE)
#undef FAKE_DECLARE

// Runs work now, or records it where the stream is being captured.
cudaError_t fake_enqueue(cudaStream_t stream, std::function<cudaError_t()> work);

// Objects are counted while they live.
template <class Handle, class T> void fake_make(Handle *out, T *object)
{
    *out = reinterpret_cast<Handle>(object);
    fake_state()->live++;
}
template <class T, class Handle> void fake_drop(Handle handle)
{
    delete reinterpret_cast<T *>(handle);
    fake_state()->live--;
}

inline float fake_load(const void *p, size_t i, bool bf16)
{
    if (!bf16)
        return static_cast<const float *>(p)[i];
    const unsigned bits = unsigned(static_cast<const unsigned short *>(p)[i]) << 16;
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
}
// Round to nearest even.
inline void fake_store(void *p, size_t i, bool bf16, double value)
{
    const float x = float(value);
    if (!bf16) {
        static_cast<float *>(p)[i] = x;
        return;
    }
    unsigned bits;
    __builtin_memcpy(&bits, &x, 4);
    const bool nan = x != x;
    bits = nan ? bits | 0x00400000u : bits + 0x7fffu + (bits >> 16 & 1u);
    static_cast<unsigned short *>(p)[i] = static_cast<unsigned short>(bits >> 16);
}

#endif
