#pragma once

// Marks a function whose loops the compiler vectorises: where the loader can choose, versions for AVX2
// and SSE4.1 are built beside the baseline, whose SSE2 cannot pick every third byte.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(TRTN_SANITIZE)
#define TRTN_CLONES __attribute__((target_clones("avx2", "sse4.1", "default")))
#else
#define TRTN_CLONES
#endif
