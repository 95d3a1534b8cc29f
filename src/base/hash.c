#include "base/hash.h"

#include "base/error.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t xst_hash64(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

void xst_hash64_text(const void *bytes, size_t size, char hex[17])
{
    snprintf(hex, 17, "%016" PRIx64, xst_hash64(bytes, size));
}

xst_status xst_sha256(const void *bytes, size_t size, char hex[65], xst_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_Digest(bytes, size, digest, &length, EVP_sha256(), NULL) || length != 32)
        return xst_fail(err, XST_ERROR_INTERNAL, "SHA-256: OpenSSL refused");
    for (unsigned i = 0; i < length; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    return XST_OK;
}
