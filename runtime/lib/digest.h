/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The container's digest: XXH3-128 with seed 0, canonical byte order. */
#ifndef DLC_LIB_DIGEST_H
#define DLC_LIB_DIGEST_H

#include "dlc/format.h"

#include <stdbool.h>
#include <stddef.h>

dlc_format_digest dlc_digest(const void *data, size_t bytes);

/* The footer's own digest: of all its bytes but this digest. */
dlc_format_digest dlc_digest_footer(const dlc_format_footer *footer);

bool dlc_digest_equal(const dlc_format_digest *a, const dlc_format_digest *b);

#endif /* DLC_LIB_DIGEST_H */
