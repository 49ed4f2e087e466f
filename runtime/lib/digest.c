/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The container's digest, by Debian's xxhash in its header-only form. */
#include "digest.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static dlc_format_digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  dlc_format_digest digest;
  memcpy(digest.bytes, bytes.digest, sizeof digest.bytes);
  return digest;
}

dlc_format_digest dlc_digest(const void *data, size_t bytes) {
  return canonical(XXH3_128bits(data, bytes));
}

dlc_format_digest dlc_digest_footer(const dlc_format_footer *footer) {
  unsigned char bytes[sizeof *footer];
  size_t at = offsetof(dlc_format_footer, footer_digest);
  size_t after = at + sizeof footer->footer_digest;
  memcpy(bytes, footer, at);
  memcpy(bytes + at, (const char *)footer + after, sizeof *footer - after);
  return dlc_digest(bytes, sizeof *footer - sizeof footer->footer_digest);
}

bool dlc_digest_equal(const dlc_format_digest *a, const dlc_format_digest *b) {
  return memcmp(a, b, sizeof *a) == 0;
}
