#pragma once

// Marks a function whose loops the compiler vectorises: where the loader can choose, a second version
// for AVX2 is built beside the baseline's SSE2.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(TRTN_SANITIZE)
#define TRTN_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define TRTN_CLONES
#endif
