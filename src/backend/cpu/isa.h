/* Kernels in several instruction sets: one body, written with 16-lane vectors or `omp simd` loops, compiled for each
 * set and chosen when the program runs. Results may differ between the sets in the order of float sums, and nowhere
 * else. */
#ifndef XST_BACKEND_CPU_ISA_H
#define XST_BACKEND_CPU_ISA_H

typedef enum xst_cpu_isa { XST_CPU_PLAIN, XST_CPU_AVX2, XST_CPU_AVX512, XST_CPU_ISAS } xst_cpu_isa;

#if defined(__x86_64__)
#define XST_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define XST_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#else
#define XST_TARGET_AVX2
#define XST_TARGET_AVX512
#endif

#define XST_CPU_BODY static inline __attribute__((always_inline))

/* Makes the table `name` of the variants of `name_body`: call name[isa]args. */
#define XST_CPU_KERNEL(name, params, args)                                                                             \
    XST_TARGET_AVX512 static void name##_avx512 params                                                                 \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }                                                                                                                  \
    XST_TARGET_AVX2 static void name##_avx2 params                                                                     \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }                                                                                                                  \
    static void name##_plain params                                                                                    \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }                                                                                                                  \
    static void(*const name[XST_CPU_ISAS]) params = {name##_plain, name##_avx2, name##_avx512};

/* 16 floats, 16 words: one AVX-512 register, two of AVX2. */
typedef float cpu_v16 __attribute__((vector_size(64), may_alias));
typedef int cpu_i16 __attribute__((vector_size(64), may_alias));
/* The same at any address that suits a float. */
typedef float cpu_v16u __attribute__((vector_size(64), aligned(4), may_alias));

#endif
