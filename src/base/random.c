#include "base/random.h"

#include "base/exact.h"

#include <Random123/philox.h>

void xst_random_block(uint32_t word[4], xst_random_key key, uint32_t quad, uint32_t layer, uint32_t step,
                      uint32_t stage)
{
    const philox4x32_ctr_t counter = {{quad, layer, step, stage}};
    const philox4x32_key_t k = {{key.seed, key.task_purpose}};
    const philox4x32_ctr_t out = philox4x32(counter, k);
    for (int i = 0; i < 4; i++)
        word[i] = out.v[i];
}

void xst_random_words(uint32_t *words, uint32_t first, uint32_t n, xst_random_key key, uint32_t layer, uint32_t step,
                      uint32_t stage)
{
    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t block[4];
        xst_random_block(block, key, (first + i) / 4, layer, step, stage);
        for (uint32_t j = 0; j < 4 && i + j < n; j++)
            words[i + j] = block[j];
    }
}

void xst_random_normal(float *out, uint32_t first, uint32_t n, float deviation, xst_random_key key, uint32_t layer,
                       uint32_t step, uint32_t stage)
{
    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t word[4];
        float normal[4];
        xst_random_block(word, key, (first + i) / 4, layer, step, stage);
        xst_exact_normal(word[0], word[1], &normal[0], &normal[1]);
        xst_exact_normal(word[2], word[3], &normal[2], &normal[3]);
        for (uint32_t j = 0; j < 4 && i + j < n; j++)
            out[i + j] = deviation * normal[j];
    }
}
