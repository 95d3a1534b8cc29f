#include "backend/cpu/keys.h"

#include <math.h>
#include <string.h>

uint32_t xst_cpu_key_order(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return isnan(score) ? UINT32_MAX : bits;
}

static void swap_keys(uint64_t *a, uint64_t *b)
{
    const uint64_t t = *a;
    *a = *b;
    *b = t;
}

/* Quickselect, median of three. */
void xst_cpu_select_smallest(uint64_t *key, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high && k > 0 && k < n) {
        const int64_t middle = low + (high - low) / 2;
        if (key[middle] < key[low])
            swap_keys(&key[middle], &key[low]);
        if (key[high] < key[low])
            swap_keys(&key[high], &key[low]);
        if (key[high] < key[middle])
            swap_keys(&key[high], &key[middle]);
        const uint64_t pivot = key[middle];
        int64_t i = low, j = high;
        while (i <= j) {
            while (key[i] < pivot)
                i++;
            while (key[j] > pivot)
                j--;
            if (i <= j)
                swap_keys(&key[i++], &key[j--]);
        }
        if (k - 1 <= j)
            high = j;
        else if (k - 1 >= i)
            low = i;
        else
            return;
    }
}
