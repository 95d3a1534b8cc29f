/* Hashes: XXH3-64 tells damage, SHA-256 tells identity (users check it with sha256sum). */
#ifndef XST_BASE_HASH_H
#define XST_BASE_HASH_H

#include "xst/status.h"

#include <stddef.h>
#include <stdint.h>

uint64_t xst_hash64(const void *bytes, size_t size);
void xst_hash64_text(const void *bytes, size_t size, char hex[17]);
xst_status xst_sha256(const void *bytes, size_t size, char hex[65], xst_error *err);

#endif
